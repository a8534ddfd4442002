//! The text of pages, also compared with html5ever's tokenizer.

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::layout::{Layout, Title};
use super::tokenizer::VisibleText;
use super::{BlockReader, Blocks, HtmlReader};

fn by_pieces(html: &str, piece: usize) -> (String, Option<String>) {
    let (mut reader, mut out) = (VisibleText::new(), String::new());
    let characters: Vec<char> = html.chars().collect();
    for piece in characters.chunks(piece.max(1)) {
        reader.push(&piece.iter().collect::<String>(), &mut out);
    }
    let title = reader.finish(&mut out);
    (out, title)
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
                    "title" if matches!(layout.title, Title::Open(_) | Title::Ignored(_)) => {
                        layout.end_title(out)
                    }
                    name => layout.end_tag(name),
                }
            }
            Token::TagToken(tag) => {
                match &*tag.name {
                    "title" => layout.begin_title(),
                    name => layout.start_tag(name, tag.self_closing),
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
    tokenizer.sink.0.into_inner().1
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
fn unclosed_nav_does_not_hide_the_article() {
    assert_eq!(text("<nav><ul><li>Home<article>Words</article>"), "Words");
}

#[test]
fn unclosed_head_does_not_hide_the_body() {
    assert_eq!(text("<head><meta charset=utf-8><p>Words"), "Words");
    assert_eq!(text("<head><template><p>no</p></template></head>Words"), "Words");
}

#[test]
fn headings_are_marked_before_their_text() {
    use crate::Block::{Heading, Text};

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
            Text("T\n\nIntro\n\n"),
            Heading { level: 1, text: "One bold" },
            Text("One bold\n\ntext\n\n"),
            Heading { level: 3, text: &long[..1024] },
            Text(&format!("{long}\n\n")),
            Heading { level: 6, text: "open" },
            Text("open"),
        ];
        assert_eq!(blocks.iter().collect::<Vec<_>>(), expected);
    }
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
