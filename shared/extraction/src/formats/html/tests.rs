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

fn by_pieces(html: &str, piece: usize) -> (String, Option<String>) {
    let (mut reader, mut out) = (VisibleText::new(), String::new());
    let characters: Vec<char> = html.chars().collect();
    for piece in characters.chunks(piece.max(1)) {
        reader.push(&piece.iter().collect::<String>(), &mut out);
    }
    reader.finish(&mut out);
    (out, reader.layout.take_title())
}

pub(super) fn text(html: &str) -> String {
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
fn unclosed_head_does_not_hide_the_body() {
    assert_eq!(text("<head><meta charset=utf-8><p>Words"), "Words");
    assert_eq!(text("<head><template><p>no</p></template></head>Words"), "Words");
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
