//! What of a page is its content, and its headings.

use super::tests::text;
use super::{BlockReader, Blocks, CHOICE_BYTES, HtmlReader};

/// The text of a document, with its main content chosen.
fn content(html: &str) -> String {
    crate::formats::testing::extract("a.html", html)
}

#[test]
fn main_content_is_preferred() {
    let page = |body: &str| {
        content(&format!("<title>T</title><body><header>Site</header>{body}<footer>Imprint</footer>"))
    };
    assert_eq!(page("<main><p>Words</main>"), "T\n\nWords");
    assert_eq!(page("<h1>Top</h1>by me<div role=main><h2>Part</h2>Words</div>"), "T\n\nTop\n\nPart\n\nWords");
    assert_eq!(
        page("<h1>Site</h1><main><header><h1>Top</h1>by me</header>Words</main>"),
        "T\n\nTop\n\nby me\n\nWords"
    );
    assert_eq!(
        page("<article>One two three four</article>x<article>Five six</article>"),
        "T\n\nOne two three four\n\nFive six"
    );
    assert_eq!(
        page("<p>Many words that are no teaser.</p><article>Tease</article>"),
        "T\n\nSite\n\nMany words that are no teaser.\n\nTease\n\nImprint"
    );
    assert_eq!(page("<main></main><p>Words"), "T\n\nSite\n\nWords\n\nImprint");
    assert_eq!(content("<main>Words<p>never closed"), "Words\n\nnever closed");
}

#[test]
fn main_content_with_almost_no_text_is_not_preferred() {
    let page = |words: usize| {
        let text = "word ".repeat(words);
        content(&format!("<body><div>{}</div><main>{text}</main>", "side ".repeat(16)))
    };
    assert!(page(5).starts_with("word word") && !page(5).contains("side"), "a fifth");
    assert!(page(4).starts_with("side side") && page(4).ends_with("word"), "less");
}

#[test]
fn navigation_notes_and_footers_are_no_main_content() {
    for name in ["main", "article", "div role=main"] {
        let end = name.split(' ').next().unwrap();
        let page = |content: &str| text(&format!("<{name}>{content}</{end}>"));
        assert_eq!(
            page("<h1>Top</h1>Words<nav>Home</nav><aside><h2>Note</h2></aside>more<footer>Imprint</footer>"),
            "Top\n\nWords\n\nmore",
            "{name}"
        );
        assert_eq!(page("<aside>Note<p>never closed"), "Note\n\nnever closed");
        let long = "<p>some words</p>".repeat(20_000);
        let text = content(&format!("<{name}>{long}<aside>Note</aside>{long}<footer>end</footer></{end}>"));
        assert!(text.len() > 400_000 && !text.contains("Note") && text.ends_with("some words"));
    }
    assert_eq!(text("Words<aside>Note</aside><footer>Imprint</footer>"), "Words\n\nNote\n\nImprint");
}

#[test]
fn main_content_of_long_pages_is_preferred_if_it_has_begun() {
    let long = "<p>some words</p>".repeat(CHOICE_BYTES / 8);
    assert!(
        content(&format!("Site<main>Start{long}</main>Imprint{long}<main>End</main>"))
            .starts_with("Start\n\nsome")
    );
    let text = content(&format!("Site<main>Start{long}</main>Imprint{long}<main>End</main>"));
    assert!(text.ends_with("some words\n\nEnd") && !text.contains("Imprint"));
    let late = content(&format!("Site{long}<main>Start</main>Imprint"));
    assert!(late.starts_with("Site") && late.ends_with("Start\n\nImprint"));
}

#[test]
fn navigation_without_end_is_text_before_it_fills_the_memory() {
    let text = content(&format!("<nav>Home{}</nav>end", "<p>some words</p>".repeat(20_000)));
    assert!(text.starts_with("Home\n\nsome words") && text.ends_with("end"));
}

#[test]
fn headings_are_marked_before_their_text() {
    use crate::Block::{Heading, Text, Title};

    let long = "word ".repeat(400);
    let html = format!(
        "<title>T</title><p>Intro<h1>One <b>bold</b></h1>text<h2> </h2><nav><h2>no</h2></nav><h3>{long}</h3><h6>open"
    );
    for piece in [1, 7, usize::MAX] {
        let mut reader = HtmlReader::new(None);
        let mut blocks = Blocks::default();
        for piece in html.as_bytes().chunks(piece) {
            reader.push(piece, &mut blocks).unwrap();
        }
        Box::new(reader).finish(&mut blocks).unwrap();
        let long = long.trim_end();
        let expected = [
            Title("T"),
            Text("T\n\nIntro\n\n"),
            Heading { level: 1, text: "One bold", anchor: None },
            Text("One bold\n\ntext\n\n"),
            Heading { level: 3, text: &long[..1024], anchor: None },
            Text(&format!("{long}\n\n")),
            Heading { level: 6, text: "open", anchor: None },
            Text("open"),
        ];
        assert_eq!(blocks.iter().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn headings_have_the_name_that_links_lead_to() {
    let anchors = |html: &str| {
        let mut reader = HtmlReader::new(None);
        let mut blocks = Blocks::default();
        reader.push(html.as_bytes(), &mut blocks).unwrap();
        Box::new(reader).finish(&mut blocks).unwrap();
        let anchors: Vec<String> = blocks
            .iter()
            .filter_map(|block| match block {
                crate::Block::Heading { anchor, .. } => Some(anchor.unwrap_or("-").to_owned()),
                _ => None,
            })
            .collect();
        anchors.join(" ")
    };
    for (html, expected) in [
        ("<h1 id=top>Top</h1>text<h2>Part</h2>", "top -"),
        ("<section id='a'><h2>A</h2>text</section><section><h2 id=\"b\">B</h2></section>", "a b"),
        ("<a name=old></a><h2>A</h2><p><a id=x>text</a><h2>B</h2>", "old -"),
        ("<h2><a name='in'>A</a></h2><h2>B <span id=mw-b>b</span></h2>", "in mw-b"),
        ("<section id=outer><h2 id=own><a id=inner>A</a></h2></section>", "own"),
        ("<section id=outer><h2><span id=inner>A</span></h2></section>", "inner"),
        ("<div id=x hidden></div><nav id=y>Home</nav><h2>A</h2>", "-"),
        ("<body id=page><input name=n><h1>A</h1>", "-"),
        ("<h2 id='caf&eacute;'>A</h2><h2 id='a b'>B</h2><h2 id=''>C</h2>", "café - -"),
    ] {
        assert_eq!(anchors(html), expected, "{html}");
    }
    assert_eq!(anchors(&format!("<h2 id={}>A", "a".repeat(257))), "-", "not truncated");
}
