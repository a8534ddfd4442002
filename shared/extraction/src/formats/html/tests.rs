//! The text of pages, also compared with html5ever's tokenizer.

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::attributes::Attributes;
use super::layout::Layout;
use super::tokenizer::VisibleText;
use super::{BlockReader, Blocks, CHOICE_BYTES, HtmlReader};

fn by_pieces(html: &str, piece: usize) -> (String, Option<String>) {
    let (mut reader, mut out) = (VisibleText::new(), String::new());
    let characters: Vec<char> = html.chars().collect();
    for piece in characters.chunks(piece.max(1)) {
        reader.push(&piece.iter().collect::<String>(), &mut out);
    }
    reader.finish(&mut out);
    (out, reader.layout.take_title())
}

fn text(html: &str) -> String {
    by_pieces(html, usize::MAX).0
}

/// Drives the same layout by html5ever's tokenizer.
struct Oracle(std::cell::RefCell<(Layout, String, bool)>);

impl TokenSink for Oracle {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let (layout, out, in_raw) = &mut *self.0.borrow_mut();
        match token {
            Token::CharacterTokens(text) if !*in_raw => layout.text(&text, out),
            Token::TagToken(tag) if tag.kind == TagKind::EndTag => {
                *in_raw = false;
                match &*tag.name {
                    "title" if layout.is_in_title() => layout.end_title(out),
                    name => layout.end_tag(name, out),
                }
            }
            Token::TagToken(tag) => {
                match &*tag.name {
                    "title" => layout.begin_title(),
                    name => {
                        let mut attributes = Attributes::default();
                        for attribute in &tag.attrs {
                            attributes.set(&attribute.name.local, &attribute.value);
                        }
                        layout.start_tag(name, tag.self_closing, &attributes, out);
                    }
                }
                let kind = match &*tag.name {
                    "title" | "textarea" => RawKind::Rcdata,
                    "script" => RawKind::ScriptData,
                    "style" | "xmp" | "iframe" | "noembed" | "noframes" => RawKind::Rawtext,
                    _ => return TokenSinkResult::Continue,
                };
                *in_raw = kind != RawKind::Rcdata;
                return TokenSinkResult::RawData(kind);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

fn by_html5ever(html: &str) -> String {
    let tokenizer = Tokenizer::new(
        Oracle(std::cell::RefCell::new((Layout::new(), String::new(), false))),
        TokenizerOpts::default(),
    );
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(html));
    assert!(matches!(tokenizer.feed(&queue), html5ever::TokenizerResult::Done));
    tokenizer.end();
    let (mut layout, out, _) = tokenizer.sink.0.into_inner();
    layout.finish(&out);
    out
}

#[test]
fn page_yields_its_visible_text() {
    let html = "<!DOCTYPE html><html><head><title> A &amp; B </title><style>p { color: red }</style>\
        <script>if (a < b) { document.write('<p>no</p>') }</script></head><body><nav><a>Home</a></nav>\
        <h1>Heading</h1>\n<p>One <b>bold</b>\n  word &eacute;&#8212;&#x41;.<p>Two<br>lines\
        <ul><li>first<li>second</ul><table><tr><td>a<td>b<tr><td>c<td>d</table>\
        <pre>\n  let x = 1;\n  x &lt; 2\n</pre><!-- hidden <p>no</p> -->end</body></html>";
    assert_snapshot!(text(html), @r"
    A & B

    Heading

    One bold word é—A.

    Two
    lines

    first
    second

    a	b
    c	d

      let x = 1;
      x < 2


    end
    ");
    assert_eq!(by_pieces(html, 1), by_pieces(html, usize::MAX));
    assert_eq!(by_pieces(html, 1).1.as_deref(), Some("A & B"));
}

#[test]
fn text_that_resembles_markup_is_kept() {
    assert_eq!(
        text("1 < 2 && 3 > 2 &unknown; &notit; a&b <3 </ x>y"),
        "1 < 2 && 3 > 2 &unknown; ¬it; a&b <3 y"
    );
    assert_eq!(text("a<"), "a<");
    assert_eq!(text("a</"), "a</");
    assert_eq!(text("<textarea><b>&lt;</textareas></textarea>z"), "<b><</textareas>\nz");
}

#[test]
fn quotes_comments_and_scripts_end_as_in_browsers() {
    assert_eq!(text("<a title='x > y' href=\"<p>\">link</a>"), "link");
    assert_eq!(text("<!-->a<!--->b<!---->c<!-- > -- > --!>d"), "abcd");
    assert_eq!(text("<script><!-- <script> </script> --></script>x"), "x");
    assert_eq!(text("<script>'</scr' + '<p>'</script\n>x"), "x");
    assert_eq!(text("<STYLE>a</style >x"), "x");
}

/// The text of a document, with its main content chosen.
fn content(html: &str) -> String {
    crate::formats::testing::extract("a.html", html)
}

#[test]
fn element_without_end_tag_does_not_hide_the_page() {
    assert_eq!(text("<nav><ul><li>Home<article>Words</article>"), "Words");
    assert_eq!(
        text("<p>Before<nav><a>Home</a><h1>Title</h1><div>Words</div>"),
        "Before\n\nHome\n\nTitle\n\nWords"
    );
    assert_eq!(text("<div><nav>Home<p>Words</div><p>More</body>"), "Home\n\nWords\n\nMore");
    assert_eq!(text("<nav>Home</nav><nav>Menu</nav>Words"), "Words");
    assert_eq!(text("<nav>Home<nav>Menu</nav></nav>Words"), "Words");
    assert_eq!(text("<div><svg><path d='M0'><p>One</p></div><p>Two"), "One\n\nTwo");
    assert_eq!(text("<svg><text>label</text><circle/></svg>Words"), "Words");
    assert_eq!(text("<svg><foreignObject><p>no</p></foreignObject></svg>Words"), "Words");
    for name in ["canvas", "video", "object", "noscript"] {
        assert_eq!(text(&format!("<div><{name}>fallback</div><p>Words")), "fallback\n\nWords", "{name}");
        assert_eq!(text(&format!("<p>Words <{name}>fallback</{name}> more")), "Words more", "{name}");
    }
}

#[test]
fn hidden_elements_are_left_out_to_where_a_browser_ends_them() {
    assert_eq!(text("<p>One<p hidden>no<p>Two<span hidden>no<b>no</b></span> three"), "One\n\nTwo three");
    assert_eq!(text("<div style='display: none'>no<div>no</div>no</div>Words"), "Words");
    assert_eq!(text("<section><div style=\"visibility:hidden\">no</section>Words"), "Words");
    assert_eq!(text("<ul><li hidden>no<li>One<li style=display:none>no</ul>Two"), "One\n\nTwo");
    assert_eq!(text("<table><tr hidden><td>no<tr><td>One<td hidden>no<td>Two</table>"), "One\tTwo");
    assert_eq!(text("<x-card hidden>no<x-card>no</x-card>no</x-card><img hidden alt=no>Words"), "Words");
    assert_eq!(text("<dialog>no</dialog><dialog open>One</dialog><datalist><option>no</datalist>"), "One");
    assert_eq!(text("<i aria-hidden=true>One</i> <b hidden=until-found>two</b>"), "One two");
    assert_eq!(text("<body style='display:none'>Words"), "Words");
    assert_eq!(text("<h1 hidden>no</h1><div hidden><h2>no</div><p>Words"), "Words");
    assert_eq!(text("<div hidden></p></span></table>no</div>Words"), "Words");
}

#[test]
fn table_rows_are_lines_with_tabs() {
    let cell = |tag: &str, text: &str| format!("<{tag}><div><p>{text}</p></div></{tag}>");
    let row =
        |tag: &str, texts: [&str; 3]| format!("<tr>{}</tr>", texts.map(|text| cell(tag, text)).concat());
    let table = [row("th", ["Name", "", "Crew"]), row("td", ["Otter", "7002", "Two<br>three"])].concat();
    assert_eq!(
        text(&format!("Boats<table><tbody>{table}</table>after")),
        "Boats\n\nName\t\tCrew\nOtter\t7002\tTwo three\n\nafter"
    );
    assert_eq!(text("<table><tr><td>a<ul><li>b<li>c</ul><td><td>d<tr><td><td>e</table>"), "a b c\t\td\n\te");
    let long = "word ".repeat(100);
    let layout = format!("<table><tr><td><h1>Title</h1><p>One<p>{long}<p>Two<p>Three<td>Side</table>");
    assert_eq!(text(&layout), format!("Title\n\nOne\n\n{}\n\nTwo\n\nThree\n\nSide", long.trim_end()));
    let nested = "<table><tr><td>a<table><tr><td><p>b</p><td>c</table><td>d</table>";
    assert_eq!(text(nested), "a\n\nb\tc\n\nd");
}

#[test]
fn inline_elements_are_separated_as_they_are_shown() {
    assert_eq!(text("<b>un</b>broken H<sub>2</sub>O"), "unbroken H2O");
    assert_eq!(
        text("<button>Save</button><button>Stop</button><label>Name</label><input>end"),
        "Save Stop Name end"
    );
    assert_eq!(text("<select><option>red<option>blue</select>sky"), "red\nblue\nsky");
    assert_eq!(
        text("10<sup>3</sup> = 1000, since 1987<sup>4</sup>, 1<sup>st</sup>, a <sup>2</sup>"),
        "10^3 = 1000, since 1987^4, 1st, a 2"
    );
    assert_eq!(
        text("<span style='display:block'>one</span>two<a style='display:inline-block'>three</a>four"),
        "one\ntwo three four"
    );
    assert_eq!(text("one<svg><path/></svg>two"), "one two");
}

#[test]
fn alternative_text_of_images_is_text() {
    assert_eq!(
        text("See<img src=x alt='the caf&eacute; &amp; bar'>now<img alt=''>!"),
        "See the café & bar now !"
    );
    assert_eq!(
        text("<img alt=one alt=two><img src='data:image/png;base64,AAAA' ALT = three/>"),
        "one three/"
    );
    assert_eq!(text("<a href=x><img alt=\"Home 'page'\"></a>"), "Home 'page'");
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
fn unclosed_head_does_not_hide_the_body() {
    assert_eq!(text("<head><meta charset=utf-8><p>Words"), "Words");
    assert_eq!(text("<head><template><p>no</p></template></head>Words"), "Words");
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

fn fragment() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z &<>]{0,6}",
        "\\PC{0,4}",
        prop::sample::select(vec![
            "<p>",
            "</p>",
            "<div class=\"a>b\">",
            "<br/>",
            "<pre>\n",
            "</pre>",
            "<title>",
            "</title>",
            "<nav>",
            "</nav>",
            "<script>",
            "</script>",
            "<style>",
            "</style>",
            "<textarea>",
            "</textarea>",
            "<!--",
            "-->",
            "--!>",
            "<!",
            "<?",
            "</",
            "<",
            ">",
            "&amp;",
            "&amp",
            "&#65;",
            "&#x1F600;",
            "&notit;",
            "&",
            "'",
            "\"",
            "=",
            "/",
            "-",
            "<svg/>",
            "<svg>",
            "</svg>",
            "<head>",
            "</head>",
            "<td>",
            "<tr>",
            "<table>",
            "</table>",
            "<li hidden>",
            "<div style='display:none'>",
            "</div>",
            "<img alt=\"a &amp; b\" x>",
            "<sup>2</sup>",
            "<main>",
            "</main>",
            "<h1>",
            "</h1>",
            "<h2 id=a>",
            "<aside>",
            "</aside>",
            " hidden",
            " alt=x",
            " ",
            "\n",
            "\t",
            "<a href=x/y>",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn text_equals_that_of_html5ever(html in fragment()) {
        prop_assert_eq!(text(&html), by_html5ever(&html));
    }

    #[test]
    fn text_does_not_depend_on_the_pieces(html in fragment(), piece in 1usize..9) {
        prop_assert_eq!(by_pieces(&html, piece), by_pieces(&html, usize::MAX));
    }
}
