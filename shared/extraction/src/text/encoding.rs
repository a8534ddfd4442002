//! Detects the encoding of text and decodes it to UTF-8, streaming.
//!
//! A byte order mark takes precedence. Without one, a charset named by the content type or by a `meta`
//! element of HTML is used, unless it is UTF-8 or windows-1252, which are often declared wrongly.
//! Otherwise the text is UTF-8 if the 4 KiB from its first non-ASCII byte on are valid UTF-8, apart from
//! single errors, and windows-1252 if not. Bytes that are invalid in the encoding become U+FFFD.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, WINDOWS_1252};
use mime::Mime;

/// How far a `meta` element is searched, as in browsers.
const SNIFF_BYTES: usize = 1024;

/// Bytes from the first non-ASCII byte on by which the encoding is detected.
const WINDOW_BYTES: usize = 4096;

/// Decodes bytes to UTF-8 while detecting their encoding.
#[derive(Debug)]
pub(super) struct TextDecoder {
    charset: Option<String>,
    is_html: bool,
    state: State,
}

enum State {
    /// Nothing is known: the first bytes are buffered.
    Start { held: Vec<u8> },
    /// Only ASCII so far, which is the same in both encodings.
    Ascii,
    /// Non-ASCII bytes are buffered until there are enough to decide.
    Undecided { held: Vec<u8> },
    /// The encoding is known.
    Decoding { decoder: Decoder },
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Start { .. } => "Start",
            Self::Ascii => "Ascii",
            Self::Undecided { .. } => "Undecided",
            Self::Decoding { .. } => "Decoding",
        })
    }
}

impl TextDecoder {
    pub(super) fn new(content_type: Option<&str>, is_html: bool) -> Self {
        let charset = content_type.and_then(charset_parameter);
        Self { charset, is_html, state: State::Start { held: Vec::new() } }
    }

    /// Appends the text that is decoded by now to `out`.
    pub(super) fn push(&mut self, bytes: &[u8], out: &mut String) {
        self.advance(bytes, false, out);
    }

    /// Appends the rest and returns the name of the encoding.
    pub(super) fn finish(&mut self, out: &mut String) -> &'static str {
        self.advance(b"", true, out);
        match &self.state {
            State::Decoding { decoder } => decoder.encoding().name(),
            State::Start { .. } | State::Ascii | State::Undecided { .. } => UTF_8.name(),
        }
    }

    fn advance(&mut self, bytes: &[u8], is_last: bool, out: &mut String) {
        match &mut self.state {
            State::Start { held } => {
                held.extend_from_slice(bytes);
                if held.len() < SNIFF_BYTES && !is_last {
                    return;
                }
                let held = std::mem::take(held);
                self.state = match self.declared(&held) {
                    Some(encoding) => State::Decoding { decoder: encoding.new_decoder_with_bom_removal() },
                    None => State::Ascii,
                };
                self.advance(&held, is_last, out);
            }
            State::Ascii => {
                let ascii = Encoding::ascii_valid_up_to(bytes);
                let (text, rest) = bytes.split_at(ascii);
                // ASCII is valid UTF-8, so nothing is replaced here.
                out.push_str(&String::from_utf8_lossy(text));
                if !rest.is_empty() {
                    self.state = State::Undecided { held: Vec::new() };
                    self.advance(rest, is_last, out);
                }
            }
            State::Undecided { held } => {
                held.extend_from_slice(bytes);
                if held.len() < WINDOW_BYTES && !is_last {
                    return;
                }
                let held = std::mem::take(held);
                let window = &held[..held.len().min(WINDOW_BYTES)];
                let encoding = if reads_as_utf8(window) { UTF_8 } else { WINDOWS_1252 };
                self.state = State::Decoding { decoder: encoding.new_decoder_without_bom_handling() };
                self.advance(&held, is_last, out);
            }
            State::Decoding { decoder } => decode(decoder, bytes, is_last, out),
        }
    }

    fn declared(&self, head: &[u8]) -> Option<&'static Encoding> {
        if let Some((encoding, _)) = Encoding::for_bom(head) {
            return Some(encoding);
        }
        let named = self
            .charset
            .clone()
            .or_else(|| self.is_html.then(|| meta_charset(&head[..head.len().min(SNIFF_BYTES)])).flatten())?;
        let encoding = Encoding::for_label(named.as_bytes())?.output_encoding();
        (encoding != UTF_8 && encoding != WINDOWS_1252).then_some(encoding)
    }
}

fn decode(decoder: &mut Decoder, mut bytes: &[u8], is_last: bool, out: &mut String) {
    loop {
        let needed = decoder.max_utf8_buffer_length(bytes.len().min(64 * 1024)).unwrap_or(256 * 1024);
        out.reserve(needed);
        let (result, read, _) = decoder.decode_to_string(bytes, out, is_last);
        bytes = &bytes[read..];
        if result == CoderResult::InputEmpty {
            return;
        }
    }
}

/// Whether the bytes are UTF-8. A few invalid bytes are tolerated, because text in another encoding
/// hardly ever forms a valid UTF-8 sequence.
fn reads_as_utf8(window: &[u8]) -> bool {
    let (mut valid, mut invalid) = (0, 0);
    let mut rest = window;
    loop {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                valid += text.chars().filter(|character| !character.is_ascii()).count();
                break;
            }
            Err(error) => {
                let (good, bad) = rest.split_at(error.valid_up_to());
                valid +=
                    String::from_utf8_lossy(good).chars().filter(|character| !character.is_ascii()).count();
                match error.error_len() {
                    Some(length) => {
                        invalid += 1;
                        rest = &bad[length..];
                    }
                    // The window, or the file, ends within a character.
                    None => {
                        valid += usize::from(window.len() == WINDOW_BYTES);
                        invalid += usize::from(window.len() < WINDOW_BYTES);
                        break;
                    }
                }
            }
        }
    }
    valid > 4 * invalid
}

fn charset_parameter(content_type: &str) -> Option<String> {
    let media_type = content_type.trim().parse::<Mime>().ok()?;
    media_type.get_param(mime::CHARSET).map(|charset| charset.as_str().to_owned())
}

/// Returns the charset of `<meta charset=..>` or of `<meta http-equiv=.. content="..; charset=..">`.
fn meta_charset(head: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut rest = head.as_str();
    while let Some(start) = rest.find("<meta") {
        let tag = &rest[start..];
        let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
        if let Some((_, value)) = tag.split_once("charset") {
            let value = value.trim_start().strip_prefix('=').unwrap_or_default();
            let value = value.trim_start().trim_start_matches(['"', '\'']);
            let end = value
                .find(|character: char| !character.is_ascii_alphanumeric() && !"-_:.".contains(character));
            let label = &value[..end.unwrap_or(value.len())];
            // A page whose meta element was found as ASCII is not in UTF-16.
            if !label.is_empty() && !label.starts_with("utf-16") {
                return Some(label.to_owned());
            }
        }
        rest = &rest[start + "<meta".len()..];
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_with(
        bytes: &[u8],
        content_type: Option<&str>,
        is_html: bool,
        piece: usize,
    ) -> (String, &'static str) {
        let mut decoder = TextDecoder::new(content_type, is_html);
        let mut text = String::new();
        for piece in bytes.chunks(piece.max(1)) {
            decoder.push(piece, &mut text);
        }
        let encoding = decoder.finish(&mut text);
        (text, encoding)
    }

    fn plain(bytes: &[u8]) -> (String, &'static str) {
        decode_with(bytes, None, false, 7)
    }

    #[test]
    fn byte_order_mark_takes_precedence_and_is_removed() {
        assert_eq!(plain(b"\xEF\xBB\xBFa\xC3\xA4"), ("aä".to_owned(), "UTF-8"));
        assert_eq!(plain(b"\xFF\xFEa\0\xE4\0"), ("aä".to_owned(), "UTF-16LE"));
        assert_eq!(plain(b"\xFE\xFF\0a\xD8\x3D\xDE\x00"), ("a😀".to_owned(), "UTF-16BE"));
    }

    #[test]
    fn text_without_a_mark_is_utf8_or_windows_1252() {
        assert_eq!(plain("plain".as_bytes()), ("plain".to_owned(), "UTF-8"));
        assert_eq!(plain("größer".as_bytes()), ("größer".to_owned(), "UTF-8"));
        assert_eq!(plain(b"gr\xF6\xDFer \x80"), ("größer €".to_owned(), "windows-1252"));
    }

    #[test]
    fn single_invalid_byte_does_not_change_the_encoding() {
        let mut bytes = "äöüß ÄÖÜ éèê ".repeat(4).into_bytes();
        bytes.insert(8, 0xFF);
        let (text, encoding) = plain(&bytes);
        assert_eq!((text.matches('\u{FFFD}').count(), encoding), (1, "UTF-8"));
    }

    #[test]
    fn late_first_non_ascii_byte_is_detected() {
        let mut bytes = "word ".repeat(60_000).into_bytes();
        bytes.extend_from_slice(b"gr\xF6\xDFer");
        let (text, encoding) = decode_with(&bytes, None, false, 4096);
        assert!(text.ends_with("größer"));
        assert_eq!(encoding, "windows-1252");
    }

    #[test]
    fn declared_charset_is_used_unless_often_wrong() {
        let russian = b"\xCF\xF0\xE8\xE2\xE5\xF2";
        let typed = decode_with(russian, Some("text/plain; charset=windows-1251"), false, 3);
        assert_eq!(typed, ("Привет".to_owned(), "windows-1251"));
        let page = [b"<meta charset='windows-1251'>".as_slice(), russian].concat();
        assert!(decode_with(&page, None, true, 3).0.ends_with("Привет"));
        let wrong = decode_with("größer".as_bytes(), Some("text/plain; charset=iso-8859-1"), false, 3);
        assert_eq!(wrong, ("größer".to_owned(), "UTF-8"));
    }

    proptest! {
        #[test]
        fn text_does_not_depend_on_the_pieces(
            bytes in proptest::collection::vec(any::<u8>(), 0..6000), piece in 1usize..5000,
        ) {
            prop_assert_eq!(
                decode_with(&bytes, None, false, piece),
                decode_with(&bytes, None, false, usize::MAX)
            );
        }

        #[test]
        fn utf8_is_unchanged(text in "\\PC{0,300}", piece in 1usize..40) {
            let text = format!("é{text}");
            prop_assert_eq!(decode_with(text.as_bytes(), None, false, piece), (text.clone(), "UTF-8"));
        }
    }
}
