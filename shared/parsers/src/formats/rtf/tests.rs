use frames::DocumentFormat::Rtf;
use proptest::prelude::*;

use crate::testing::{frames_of, shown, survives_damage};

const DOCUMENT: &str = r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0 Times;}{\f1\fcharset204 Cyr;}{\f2\fcharset128 Jp;}}
{\stylesheet{\s0 Normal;}{\s1 heading 2;}}{\info{\title The tides}{\author Nobody}}{\*\generator Word;}
\pard\s1 Moon \'e4nd sea\par
\pard Water {\b rises}.\line Next\tab line \emdash{} \{braces\}\par
\f1\'cf\'f0\'e8\'e2\'e5\'f2 \f2\'93\'fa\'96\'7b\f0\par
\u8364?\u-10179?\u-8704? {\uc2\u228 ae}{\v hidden}{\field{\*\fldinst HYPERLINK x}{\fldrslt shown}}\par
{\pict\bin5 {}}}{ }\par\pard\outlinelevel0 Top\par}";

#[test]
fn text_is_decoded_in_the_code_page_of_its_font() {
    assert_eq!(
        shown(Rtf, DOCUMENT.as_bytes()).unwrap(),
        "[title The tides]\n[h2 Moon änd sea]\nMoon änd sea\nWater rises.\nNext\tline — {braces}\n\
         Привет 日本\n€😀 äshown\n\n[h1 Top]\nTop\n"
    );
}

#[test]
fn tables_are_rows() {
    let rtf = r"{\rtf1 before\par\trowd\pard\intbl Name\cell Price\cell\row\trowd\pard\intbl Tea\par black\cell 3\cell\row\pard after\par}";
    assert_eq!(shown(Rtf, rtf.as_bytes()).unwrap(), "before\n[row Name|Price]\n[row Tea\nblack|3]\nafter\n");
}

#[test]
fn groups_are_limited_and_an_empty_document_has_a_reason() {
    let deep = format!("{{\\rtf1 {}", "{".repeat(20_000));
    assert_eq!(
        shown(Rtf, deep.as_bytes()).unwrap_err().to_string(),
        "the rich text document is damaged: groups are nested more than 10000 deep"
    );
    assert_eq!(shown(Rtf, b"{\\rtf1}").unwrap_err().to_string(), "the rich text document has no text");
}

#[test]
fn outline_levels_out_of_range_are_none() {
    for level in [-1, 9, 255, 256, i32::MAX] {
        let rtf = format!("{{\\rtf1 \\pard\\outlinelevel{level} Moon\\par}}");
        assert_eq!(shown(Rtf, rtf.as_bytes()).unwrap(), "Moon\n", "{level}");
    }
}

proptest! {
    #[test]
    fn any_tokens_are_read(rtf in r"(\{|\}|\\par |\\cell |\\row |\\intbl |\\u-?[0-9]{1,9} |\\bin[0-9] |\\'[0-9a-g]{2}|\\\*|\\f[0-9]|x|é){0,40}") {
        // Only that it ends, without a panic.
        let _read_or_empty = frames_of(Rtf, rtf.as_bytes());
    }
}

#[test]
fn damaged_documents_do_not_panic() {
    survives_damage(Rtf, DOCUMENT.as_bytes());
}
