//! What a document, or its sender, says about its encoding.

use encoding_rs::Encoding;
use mime::Mime;

/// Bytes of the start of a document in which an XML declaration or a coding comment is searched.
pub(super) const HEAD_BYTES: usize = 1024;

/// Longer tags are not searched to their end.
const MAX_TAG_BYTES: usize = 2048;

/// Returns the charset of a content type.
pub(super) fn of_content_type(content_type: &str) -> Option<&'static Encoding> {
    let media_type = content_type.trim().parse::<Mime>().ok()?;
    by_label(media_type.get_param(mime::CHARSET)?.as_str().as_bytes())
}

/// Returns the encoding that the first bytes declare: an XML declaration, `@charset` of CSS, or a comment
/// with `coding: name` in one of the first two lines, as in Python, Ruby and Emacs.
pub(super) fn of_head(head: &[u8]) -> Option<&'static Encoding> {
    let head = &head[..head.len().min(HEAD_BYTES)];
    let label = if head.starts_with(b"<?xml") {
        let end = memchr::memmem::find(head, b"?>")?;
        let declaration = &head[..end];
        quoted(&declaration[memchr::memmem::find(declaration, b"encoding")? + "encoding".len()..])?
    } else if let Some(rest) = head.strip_prefix(b"@charset") {
        quoted(rest)?
    } else {
        head.split(|byte| *byte == b'\n').take(2).find_map(coding_comment)?
    };
    // What could be read as ASCII is not in UTF-16.
    by_label(label).map(Encoding::output_encoding)
}

fn by_label(label: &[u8]) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(label)
}

/// Returns the quoted text that follows, after `=` or white space.
fn quoted(rest: &[u8]) -> Option<&[u8]> {
    let rest = rest.trim_ascii_start();
    let rest = rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii_start();
    let quote = *rest.first().filter(|byte| matches!(byte, b'"' | b'\''))?;
    rest[1..].split(|byte| *byte == quote).next()
}

fn coding_comment(line: &[u8]) -> Option<&[u8]> {
    let is_comment = [b"#".as_slice(), b"//", b"/*", b"*", b"--", b";", b"%", b"\"", b"<!--"]
        .iter()
        .any(|mark| line.trim_ascii_start().starts_with(mark));
    if !is_comment {
        return None;
    }
    let rest = &line[memchr::memmem::find(line, b"coding")? + "coding".len()..];
    let rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"="))?.trim_ascii_start();
    Some(&rest[..label_length(rest)])
}

fn label_length(rest: &[u8]) -> usize {
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'.');
    rest.iter().take_while(|byte| is_label(byte)).count()
}

/// Finds the charset of a `meta` element, wherever it is in the page. Streaming.
#[derive(Debug, Default)]
pub(super) struct MetaScanner {
    /// Bytes that may belong to a tag or the end of a comment.
    held: Vec<u8>,
    is_in_comment: bool,
}

impl MetaScanner {
    /// Reads the next bytes and returns the first charset in them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Option<&'static Encoding> {
        self.held.extend_from_slice(bytes);
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_slice();
        loop {
            if self.is_in_comment {
                let Some(end) = memchr::memmem::find(rest, b"-->") else {
                    self.hold(&rest[rest.len().saturating_sub(2)..]);
                    return None;
                };
                self.is_in_comment = false;
                rest = &rest[end + 3..];
            }
            let start = memchr::memchr(b'<', rest)?;
            rest = &rest[start..];
            if rest.starts_with(b"<!--") {
                self.is_in_comment = true;
                // `<!-->` is a whole comment.
                rest = &rest[2..];
                continue;
            }
            let opening = &rest[..rest.len().min("<meta ".len())];
            if !could_be(opening) {
                rest = &rest[1..];
                continue;
            }
            let tag = &rest[..rest.len().min(MAX_TAG_BYTES)];
            let end = memchr::memchr(b'>', tag).or_else(|| (tag.len() == MAX_TAG_BYTES).then_some(tag.len()));
            match end {
                Some(end) if let Some(encoding) = charset_of(&tag[..end]) => return Some(encoding),
                Some(_) => rest = &rest[1..],
                None => {
                    self.hold(rest);
                    return None;
                }
            }
        }
    }

    fn hold(&mut self, rest: &[u8]) {
        self.held.extend_from_slice(rest);
    }
}

/// Whether this may be the start of a comment or of a `meta` element.
fn could_be(opening: &[u8]) -> bool {
    let name_ends = !matches!(opening.get(5), Some(byte) if byte.is_ascii_alphanumeric());
    let is_prefix = |whole: &[u8]| {
        let length = opening.len().min(whole.len());
        opening[..length].eq_ignore_ascii_case(&whole[..length])
    };
    (is_prefix(b"<meta") && name_ends) || (opening.len() < 4 && is_prefix(b"<!--"))
}

/// Returns the charset of `<meta charset=..>` or of `<meta http-equiv=.. content="..; charset=..">`.
fn charset_of(tag: &[u8]) -> Option<&'static Encoding> {
    let tag = tag.to_ascii_lowercase();
    let mut rest = tag.as_slice();
    while let Some(start) = memchr::memmem::find(rest, b"charset") {
        rest = &rest[start + "charset".len()..];
        if let Some(value) = rest.trim_ascii_start().strip_prefix(b"=") {
            let value = value.trim_ascii_start();
            let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
            // A page whose meta element was found as ASCII is not in UTF-16.
            return by_label(&value[..label_length(value)]).map(Encoding::output_encoding);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use encoding_rs::{BIG5, EUC_JP, ISO_8859_2, KOI8_R, SHIFT_JIS, UTF_8, UTF_16LE, WINDOWS_1251};
    use proptest::prelude::*;

    use super::*;

    fn meta(page: &str, piece: usize) -> Option<&'static Encoding> {
        let mut scanner = MetaScanner::default();
        page.as_bytes().chunks(piece).find_map(|piece| scanner.push(piece))
    }

    #[test]
    fn declarations_at_the_start_are_found() {
        assert_eq!(of_head(b"<?xml version='1.0' encoding='koi8-r' standalone='yes'?>"), Some(KOI8_R));
        assert_eq!(of_head(b"<?xml version=\"1.0\" encoding = \"Big5\"?><a encoding='x'>"), Some(BIG5));
        assert_eq!(of_head(b"<?xml version=\"1.0\" encoding=\"utf-16\"?>"), Some(UTF_8));
        assert_eq!(of_head(b"<?xml version='1.0'?><a encoding='big5'/>"), None);
        assert_eq!(of_head(b"@charset \"iso-8859-2\";"), Some(ISO_8859_2));
        assert_eq!(of_head(b"#!/usr/bin/python\n# -*- coding: cp1251 -*-\n"), Some(WINDOWS_1251));
        assert_eq!(of_head(b"# vim: set fileencoding=euc-jp :"), Some(EUC_JP));
        assert_eq!(of_head(b"a note on coding: cp1251"), None);
        assert_eq!(of_head(b"# one\n# two\n# coding: cp1251"), None);
    }

    #[test]
    fn charset_of_a_content_type_is_found() {
        assert_eq!(of_content_type("text/plain; charset=utf-16le"), Some(UTF_16LE));
        assert_eq!(of_content_type(" Text/HTML;charset=\"Shift_JIS\""), Some(SHIFT_JIS));
        assert_eq!(of_content_type("text/plain; charset=nonsense"), None);
        assert_eq!(of_content_type("text/plain; charset=iso-2022-kr"), None);
    }

    #[test]
    fn meta_element_is_found_outside_comments() {
        for (page, expected) in [
            ("<META CHARSET=koi8-r>", Some(KOI8_R)),
            ("<meta http-equiv='Content-Type' content='text/html; charset=big5'>", Some(BIG5)),
            (
                "<!-- <meta charset=big5> --><metadata charset=big5><meta\ncharset = \"koi8-r\" />",
                Some(KOI8_R),
            ),
            ("<!--><meta charset=koi8-r>", Some(KOI8_R)),
            ("<meta name=description content='a charset'><meta charset='utf-16'>", Some(UTF_8)),
            ("<meta charset=nonsense>", None),
            ("<meta charset=koi8-r", None),
        ] {
            for piece in [1, 3, 1000] {
                assert_eq!(meta(page, piece), expected, "{page}");
            }
        }
    }

    proptest! {
        #[test]
        fn meta_scanner_finds_the_same_in_any_pieces_and_holds_little(
            page in "(<|!--|-->|<meta |charset=|koi8-r|>|'|[a-z]{1,9}| ){0,40}", piece in 1usize..20,
        ) {
            prop_assert_eq!(meta(&page, piece), meta(&page, 10_000));
            let mut scanner = MetaScanner::default();
            for _ in 0..200 {
                scanner.push(page.as_bytes());
                prop_assert!(scanner.held.len() <= MAX_TAG_BYTES);
            }
        }
    }
}
