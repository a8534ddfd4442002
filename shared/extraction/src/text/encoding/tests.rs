//! Texts in many encodings, with and without declarations.

use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, GB18030, ISO_8859_2, KOI8_R, SHIFT_JIS, WINDOWS_1250, WINDOWS_1251, WINDOWS_1253,
    WINDOWS_1255, WINDOWS_1256,
};
use proptest::prelude::*;

use super::*;

struct Decoded {
    text: String,
    encoding: &'static str,
    warnings: Vec<Warning>,
}

fn decode_with(bytes: &[u8], content_type: Option<&str>, is_html: bool, piece: usize) -> Decoded {
    let mut decoder = TextDecoder::new(content_type, is_html);
    let mut text = String::new();
    for piece in bytes.chunks(piece.max(1)) {
        decoder.push(piece, &mut text);
    }
    let encoding = decoder.finish(&mut text);
    Decoded { text, encoding, warnings: decoder.warnings(encoding).collect() }
}

fn plain(bytes: &[u8]) -> Decoded {
    decode_with(bytes, None, false, 7)
}

/// Asserts that the text is read without a warning.
fn assert_certain(bytes: &[u8], content_type: Option<&str>, is_html: bool, text: &str, encoding: &str) {
    let decoded = decode_with(bytes, content_type, is_html, 11);
    assert!(decoded.text.contains(text), "{} in {}", decoded.text, decoded.encoding);
    assert_eq!((decoded.encoding, decoded.warnings), (encoding, vec![]));
}

fn encode(encoding: &'static Encoding, text: &str) -> Vec<u8> {
    let (bytes, used, has_errors) = encoding.encode(text);
    assert!(used == encoding && !has_errors, "{text} in {}", encoding.name());
    bytes.into_owned()
}

#[test]
fn byte_order_mark_takes_precedence_and_is_removed() {
    assert_certain(b"\xEF\xBB\xBFa\xC3\xA4", Some("text/plain; charset=koi8-r"), false, "aä", "UTF-8");
    assert_certain(b"\xFF\xFEa\0\xE4\0", None, false, "aä", "UTF-16LE");
    assert_certain(b"\xFE\xFF\0a\xD8\x3D\xDE\x00", None, false, "a😀", "UTF-16BE");
    assert_eq!(plain(b"\xEF\xBB\xBFa").text, "a");
}

#[test]
fn utf32_needs_a_byte_order_mark() {
    let text = "a ä 港 😀";
    let marked = |to_bytes: fn(u32) -> [u8; 4]| -> Vec<u8> {
        format!("\u{FEFF}{text}").chars().map(u32::from).flat_map(to_bytes).collect()
    };
    assert_certain(&marked(u32::to_le_bytes), Some("text/plain; charset=utf-8"), false, text, "UTF-32LE");
    let bytes = marked(u32::to_be_bytes);
    for piece in 1..9 {
        let decoded = decode_with(&bytes, None, false, piece);
        assert_eq!((decoded.text.as_str(), decoded.encoding), (text, "UTF-32BE"), "pieces of {piece}");
    }
    // A surrogate, and the start of a character.
    let damaged = decode_with(&[&bytes, [0, 0, 0xD8, 0, 0, 0].as_slice()].concat(), None, false, 5);
    assert_eq!(damaged.text, format!("{text}\u{FFFD}\u{FFFD}"));
    assert_eq!(damaged.warnings, [Warning::BytesReplaced { bytes: 6, encoding: "UTF-32BE" }]);
    assert!(has_wide_mark(&bytes) && has_wide_mark(b"\xFF\xFEa\0") && !has_wide_mark(b"\xEF\xBB\xBFa"));
}

#[test]
fn utf8_and_ascii_need_no_declaration() {
    assert_certain(b"plain", None, false, "plain", "UTF-8");
    assert_certain("größer".as_bytes(), None, false, "größer", "UTF-8");
    assert_certain(b"\x1B[31mred\x1B", None, false, "\u{1B}[31mred\u{1B}", "UTF-8");
    assert_certain(b"\x1B$ is no Japanese", None, false, "\u{1B}$ is no Japanese", "UTF-8");
}

#[test]
fn encoding_without_a_declaration_is_guessed_with_a_warning() {
    for (encoding, text) in [
        (WINDOWS_1252, "Die Straße führt über die Brücke zum Fluß, später auch für Fußgänger."),
        (WINDOWS_1251, "Корабли выходят из гавани рано утром, когда туман ещё не рассеялся."),
        (KOI8_R, "Корабли выходят из гавани рано утром, когда туман ещё не рассеялся."),
        (WINDOWS_1250, "Příliš žluťoučký kůň úpěl ďábelské ódy, řekl starý převozník u řeky."),
        (WINDOWS_1253, "Τα πλοία φεύγουν από το λιμάνι νωρίς το πρωί, όταν έχει ακόμη ομίχλη."),
        (WINDOWS_1255, "האוניות עוזבות את הנמל מוקדם בבוקר, כאשר הערפל עדיין לא התפזר."),
        (WINDOWS_1256, "تغادر السفن الميناء في الصباح الباكر قبل أن ينقشع الضباب عن الساحل."),
        (SHIFT_JIS, "船は朝早く港を出ます。霧がまだ晴れていないときは、灯台の光を頼りにします。"),
        (EUC_JP, "船は朝早く港を出ます。霧がまだ晴れていないときは、灯台の光を頼りにします。"),
        (ISO_2022_JP, "船は朝早く港を出ます。霧がまだ晴れていないときは、灯台の光を頼りにします。"),
        (GB18030, "船只清晨离开港口，雾还没有散去的时候，船员依靠灯塔的光线航行。"),
        (BIG5, "船隻清晨離開港口，霧還沒有散去的時候，船員依靠燈塔的光線航行。"),
        (EUC_KR, "배들은 안개가 걷히기 전 이른 아침에 항구를 떠나며 등대의 불빛에 의지한다."),
    ] {
        let bytes = encode(encoding, text);
        let decoded = plain(&bytes);
        assert_eq!(decoded.text, text, "guessed {}", decoded.encoding);
        assert_eq!(decoded.warnings, [Warning::EncodingGuessed { encoding: decoded.encoding }]);
        let late = [b"word ".repeat(60_000).as_slice(), &bytes].concat();
        assert!(decode_with(&late, None, false, 4096).text.ends_with(text), "late {}", encoding.name());
    }
}

#[test]
fn utf16_without_a_mark_is_detected_by_its_zero_bytes() {
    let text = "A letter from the harbour master\r\n";
    for (name, to_bytes) in
        [("UTF-16LE", u16::to_le_bytes as fn(u16) -> [u8; 2]), ("UTF-16BE", u16::to_be_bytes)]
    {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(to_bytes).collect();
        let decoded = plain(&bytes);
        assert_eq!((decoded.text.as_str(), decoded.encoding), (text, name));
        assert_eq!(decoded.warnings, [Warning::EncodingGuessed { encoding: name }]);
        let declared = format!("text/plain; charset={name}");
        assert_certain(&bytes, Some(&declared), false, text, name);
    }
    assert_eq!(utf16_without_mark(b"one NUL\0 is not enough"), None);
}

#[test]
fn declared_encoding_is_believed() {
    let russian = encode(WINDOWS_1251, "Привет");
    assert_certain(&russian, Some("text/plain; charset=windows-1251"), false, "Привет", "windows-1251");
    let xml = [b"<?xml version=\"1.0\" encoding='windows-1251'?><a>".as_slice(), &russian, b"</a>"].concat();
    assert_certain(&xml, None, false, "Привет", "windows-1251");
    let czech = encode(ISO_8859_2, "Žluť");
    let xhtml = [b"<?xml version='1.0' encoding='iso-8859-2'?><html>".as_slice(), &czech].concat();
    assert_certain(&xhtml, None, true, "Žluť", "ISO-8859-2");
    let script = [b"# coding: koi8-r\n# ".as_slice(), &encode(KOI8_R, "Да")].concat();
    assert_certain(&script, None, false, "Да", "KOI8-R");
    let japanese = encode(ISO_2022_JP, "港");
    assert_certain(&japanese, Some("text/plain; charset=iso-2022-jp"), false, "港", "ISO-2022-JP");
    // Also if a sender says UTF-8 of everything.
    assert_certain(&xml, Some("application/xml; charset=utf-8"), false, "Привет", "windows-1251");
    let western = encode(WINDOWS_1252, "Ã¤ naïve");
    assert_certain(&western, Some("text/plain; charset=latin1"), false, "naïve", "windows-1252");
}

#[test]
fn meta_element_is_believed_wherever_it_is() {
    let russian = encode(WINDOWS_1251, "Привет");
    let meta = b"<meta charset='windows-1251'>".as_slice();
    let padding = "<script>let x = 1;</script>".repeat(20_000);
    let comment = [b"<!-- ".as_slice(), &russian.repeat(200), b" -->"].concat();
    for before in [b"".as_slice(), b"<title>\xCF\xF0</title>", padding.as_bytes(), &comment] {
        let page = [before, meta, &russian].concat();
        assert_certain(&page, None, true, "Привет", "windows-1251");
    }
}

#[test]
fn wrong_declaration_of_utf8_or_by_utf8_does_not_count() {
    assert_certain("größer".as_bytes(), Some("text/plain; charset=iso-8859-1"), false, "größer", "UTF-8");
    let russian = "Корабли".as_bytes();
    assert_certain(russian, None, false, "Корабли", "UTF-8");
    let page = ["<meta charset=koi8-r>".as_bytes(), &russian.repeat(2)].concat();
    assert_certain(&page, None, true, "Корабли", "UTF-8");
    let guessed = decode_with(b"\xFCber die Br\xFCcke", Some("text/plain; charset=utf-8"), false, 3);
    assert_eq!(guessed.text, "über die Brücke");
}

#[test]
fn invalid_bytes_are_counted_and_do_not_change_the_encoding() {
    let mut bytes = "äöüß".as_bytes().to_vec();
    bytes.splice(2..2, [0xFF, 0xE4]);
    let decoded = plain(&bytes);
    assert_eq!(decoded.text, "ä\u{FFFD}\u{FFFD}öüß");
    assert_eq!(decoded.warnings, [Warning::BytesReplaced { bytes: 2, encoding: "UTF-8" }]);
    let mixed = ["größer ".repeat(20_000).as_bytes(), b"gr\xF6\xDFer"].concat();
    let decoded = plain(&mixed);
    assert_eq!(decoded.encoding, "UTF-8");
    assert_eq!(decoded.warnings, [Warning::BytesReplaced { bytes: 2, encoding: "UTF-8" }]);
    // U+FFFD of the document itself replaces nothing.
    assert_certain("ä\u{FFFD}".as_bytes(), None, false, "ä\u{FFFD}", "UTF-8");
}

proptest! {
    #[test]
    fn text_does_not_depend_on_the_pieces(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..6000),
            "(\u{1B}|\\$|B|[a-z ]|<meta charset=koi8-r>|é){0,900}".prop_map(String::into_bytes),
        ],
        is_html in any::<bool>(), piece in 1usize..5000,
    ) {
        let (by_pieces, whole) =
            (decode_with(&bytes, None, is_html, piece), decode_with(&bytes, None, is_html, usize::MAX));
        prop_assert_eq!(by_pieces.text, whole.text);
        prop_assert_eq!((by_pieces.encoding, by_pieces.warnings), (whole.encoding, whole.warnings));
    }

    #[test]
    fn utf8_is_unchanged(text in "\\PC{0,300}", piece in 1usize..40) {
        let text = format!("é{text}");
        let decoded = decode_with(text.as_bytes(), None, false, piece);
        prop_assert_eq!((decoded.text, decoded.encoding), (text, "UTF-8"));
    }
}
