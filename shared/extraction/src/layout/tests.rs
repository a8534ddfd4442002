//! Pages against their text, and against html5ever's own tokenizer.

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;
use crate::html::HtmlText;

fn by_pieces(html: &str, piece: usize) -> (String, Option<String>) {
    let (mut reader, mut out) = (HtmlText::new(), String::new());
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

/// html5ever's tokenizer drives the same layout.
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
fn a_page_becomes_its_visible_text() {
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
fn what_looks_like_markup_and_is_none_stays() {
    assert_eq!(
        text("1 < 2 && 3 > 2 &unknown; &notit; a&b <3 </ x>y"),
        "1 < 2 && 3 > 2 &unknown; ¬it; a&b <3 y"
    );
    assert_eq!(text("a<"), "a<");
    assert_eq!(text("a</"), "a</");
    assert_eq!(text("<textarea><b>&lt;</textareas></textarea>z"), "<b><</textareas>\nz");
}

#[test]
fn quotes_comments_and_scripts_end_where_they_should() {
    assert_eq!(text("<a title='x > y' href=\"<p>\">link</a>"), "link");
    assert_eq!(text("<!-->a<!--->b<!---->c<!-- > -- > --!>d"), "abcd");
    assert_eq!(text("<script><!-- <script> </script> --></script>x"), "x");
    assert_eq!(text("<script>'</scr' + '<p>'</script\n>x"), "x");
    assert_eq!(text("<STYLE>a</style >x"), "x");
}

#[test]
fn a_navigation_never_closed_swallows_no_article() {
    assert_eq!(text("<nav><ul><li>Home<article>Words</article>"), "Words");
}

#[test]
fn a_head_without_an_end_swallows_no_body() {
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
    fn the_text_is_what_html5ever_reads(html in fragment()) {
        prop_assert_eq!(text(&html), by_html5ever(&html));
    }

    #[test]
    fn the_text_does_not_depend_on_the_pieces(html in fragment(), piece in 1usize..9) {
        prop_assert_eq!(by_pieces(&html, piece), by_pieces(&html, usize::MAX));
    }
}
