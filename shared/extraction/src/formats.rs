//! The formats that can be read, and how a document's format is detected.

mod html;
mod json;
mod markdown;
mod notebook;
mod plain_text;
mod source_code;
mod subtitles;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod unsupported;
mod xml;
mod yaml;

use frames::DocumentFormat;
use mime::Mime;

use self::unsupported::Unsupported;
use crate::ExtractionError;
use crate::format::{Format, covers};
use crate::text::looks_like_text;

/// Every format that can be read, in the order in which messages name them.
static FORMATS: &[&Format] = &[
    &plain_text::FORMAT,
    &markdown::FORMAT,
    &html::FORMAT,
    &source_code::FORMAT,
    &json::FORMAT,
    &json::LINES_FORMAT,
    &xml::FORMAT,
    &yaml::FORMAT,
    &table::FORMAT,
    &notebook::FORMAT,
    &subtitles::FORMAT,
];

impl Format {
    /// Every format that is text, in the order in which messages name them.
    pub fn all() -> &'static [&'static Self] {
        FORMATS
    }

    /// Detects a document's format by its first bytes where they are unmistakable, then by its file
    /// name, then by its content type, and last by whether the first bytes look like HTML or text.
    ///
    /// Text is read whatever its name and its content type say of it: media types are often guessed from names,
    /// and `go.mod` is no video. Only formats whose own files look like text, such as e-mail, are an exception.
    ///
    /// Without a content type, one is guessed from the name, as sources do: so the chunking preview, which has
    /// none, detects the same format.
    ///
    /// `head` is the start of the file; 1 KiB is plenty, and it may be empty.
    ///
    /// # Errors
    /// Returns [`ExtractionError::NeedsParser`] for a format that is not read as text, `NotAsNamed` if only the name is
    /// that of one, and `Unsupported` for a format that cannot be read.
    pub fn detect(
        file_name: &str,
        content_type: Option<&str>,
        head: &[u8],
    ) -> Result<&'static Self, ExtractionError> {
        let name = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name).to_ascii_lowercase();
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        let starts = |signature: &&[u8]| head.starts_with(signature);
        let parsed = |head| DocumentFormat::detect(&name, content_type.unwrap_or_default(), head);
        if let Some(format) = parsed(head) {
            return Err(ExtractionError::NeedsParser { name: format.name() });
        }
        if let Some(format) = find(|format| format.signatures.iter().any(starts)) {
            return Ok(format);
        }
        let by_extension = unsupported::by_extension(extension);
        if let Some(found) = unsupported::by_signature(head) {
            // The extension is more precise: an app is a ZIP archive.
            return Err(refusal(by_extension.unwrap_or(found).description));
        }
        let is_text = !head.is_empty() && looks_like_text(head);
        if let Some(named) = parsed(&[]).filter(|named| !is_text || named.looks_like_text()) {
            return Err(ExtractionError::NotAsNamed { name: named.name() });
        }
        let contradicts = |found: &&Unsupported| !is_text || found.may_look_like_text;
        if let Some(found) = by_extension.filter(contradicts) {
            return Err(refusal(found.description));
        }
        if let Some(format) = find(|format| format.extensions.contains(&extension))
            .or_else(|| find(|format| format.file_names.contains(&name.as_str())))
        {
            return Ok(format);
        }
        let guessed = || mime_guess::from_path(&name).first_raw();
        let media_type = content_type.or_else(guessed).map(media_type_of).unwrap_or_default();
        let unsupported = unsupported::by_media_type(&media_type).filter(contradicts);
        if let Some(found) = unsupported {
            return Err(refusal(found.description));
        }
        if let Some(format) = find(|format| format.media_types.contains(&media_type.as_str()))
            .or_else(|| find(|format| format.media_types.iter().any(|known| covers(known, &media_type))))
        {
            return Ok(format);
        }
        if let Some(format) = find(|format| (format.is_start_of)(head)) {
            return Ok(format);
        }
        if is_text || head.is_empty() {
            return Ok(&plain_text::FORMAT);
        }
        Err(if media_type.is_empty() || media_type == "application/octet-stream" {
            refusal("a binary file of an unknown format")
        } else {
            refusal(&format!("a binary file of type {media_type}"))
        })
    }
}

fn find(matches: impl Fn(&Format) -> bool) -> Option<&'static Format> {
    FORMATS.iter().copied().find(|format| matches(format))
}

fn refusal(description: &str) -> ExtractionError {
    ExtractionError::Unsupported { description: description.to_owned(), supported: supported().join(", ") }
}

/// Names of all formats that can be read, those that need a parser included.
fn supported() -> Vec<String> {
    let parsed = DocumentFormat::all().map(|format| {
        let needs = if format.is_image() { " (with OCR)" } else { "" };
        format!("{}{needs}", format.short_name())
    });
    FORMATS.iter().map(|format| format.name.to_owned()).chain(parsed).collect()
}

/// Returns the media type without its parameters, or an empty string if it is malformed.
fn media_type_of(content_type: &str) -> String {
    content_type.trim().parse::<Mime>().map(|mime| mime.essence_str().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn detect(file_name: &str, content_type: Option<&str>, head: &[u8]) -> &'static str {
        Format::detect(file_name, content_type, head).unwrap().name()
    }

    fn reason(file_name: &str, content_type: Option<&str>, head: &[u8]) -> String {
        Format::detect(file_name, content_type, head).unwrap_err().to_string()
    }

    #[test]
    fn extension_decides_whatever_its_case_and_folder() {
        assert_eq!(detect("a/b.c/notes.TXT", None, b"text"), "plain text");
        assert_eq!(detect("C:\\b.c\\notes.TXT", None, b"text"), "plain text");
    }

    #[test]
    fn content_type_decides_without_known_extension_then_bytes() {
        assert_eq!(detect("page", Some("text/html; charset=utf-8"), b"x"), "HTML");
        assert_eq!(detect("page", Some(" Text/HTML;charset=\"utf-8\";"), b"x"), "HTML");
        assert_eq!(detect("page", None, b"\n<!DOCTYPE HTML><p>x"), "HTML");
        assert_eq!(detect("data.xyz", Some("application/octet-stream"), b"words"), "plain text");
        assert_eq!(detect("", None, b""), "plain text");
    }

    #[test]
    fn unsupported_format_is_named_with_the_supported_ones() {
        assert_eq!(
            reason("photos.rar", None, b"Rar!\x1A\x07"),
            format!("an archive cannot be read; supported formats: {}", supported().join(", "))
        );
        assert!(reason("x", Some("application/x-foo"), b"\0\x01\x02").contains("application/x-foo"));
        assert!(reason("x", Some("image/gif"), b"").starts_with("an image"));
        assert!(reason("x", Some("image/png"), b"").starts_with("a PNG image needs a parser"));
    }

    #[test]
    fn formats_that_need_a_parser_are_no_text_and_their_names_do_not_make_one() {
        assert!(reason("x.txt", None, b"%PDF-1.7 ...").starts_with("a PDF document needs a parser"));
        assert!(reason("x.docx", None, b"PK\x03\x04").starts_with("a Word document (DOCX) needs a parser"));
        let named = "the file is named like a Word document (DOCX), but its bytes are of another format";
        assert!(reason("report.docx", None, b"\0\x01\x02\x03").starts_with(named));
        for file_name in ["x.pdf", "x.rtf"] {
            assert!(reason(file_name, None, b"text").contains("its bytes are of another format"));
        }
    }

    #[test]
    fn text_is_read_whatever_its_name_and_media_type_say() {
        let module = b"module example.org/harbour\n";
        for (file_name, content_type) in [
            ("go.mod", Some("video/mpeg")),
            ("build.config.mts", Some("video/vnd.dlna.mpeg-tts")),
            ("list.m3u", Some("audio/x-mpegurl")),
            ("drawing.svg", Some("image/svg+xml")),
            ("table.xls", Some("application/vnd.ms-excel")),
            ("song.mp3", Some("audio/mpeg")),
            ("libc.so", None),
        ] {
            assert!(Format::detect(file_name, content_type, module).is_ok(), "{file_name}");
        }
        assert!(
            reason("song.mp3", None, b"\xFF\xFB\x90\0\0\x03\x01\x02\x04\x05").starts_with("an audio file")
        );
    }

    #[test]
    fn formats_whose_files_look_like_text_are_refused_by_name_and_media_type() {
        let mail = b"From: a@example.org\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n";
        for (file_name, content_type) in
            [("a.eml", None), ("a.mht", None), ("all.mbox", None), ("x", Some("message/rfc822"))]
        {
            assert!(reason(file_name, content_type, mail).contains("needs a parser"), "{file_name}");
        }
    }

    #[test]
    fn media_type_is_guessed_from_the_name_where_none_is_given() {
        for file_name in ["a.shtml", "a.resx", "a.es", "a.mts", "a.mp4", "a.unknown", "a.txt", "a"] {
            for head in [b"text".as_slice(), b"\0\x01\x02\x03\x04"] {
                let guessed = mime_guess::from_path(file_name).first_raw();
                let name = |content_type| Format::detect(file_name, content_type, head).map(Format::name);
                assert_eq!(name(guessed), name(None), "{file_name} {guessed:?}");
            }
        }
        assert_eq!(detect("a.shtml", None, b"text"), "HTML");
    }

    #[test]
    fn text_that_only_resembles_a_signature_is_text() {
        assert_eq!(detect("a.txt", None, b"PK is a motif"), "plain text");
    }

    #[test]
    fn every_name_belongs_to_one_format() {
        let mut known = HashSet::new();
        for format in FORMATS {
            for extension in format.extensions {
                assert!(known.insert(*extension), "{extension} belongs to two formats");
                assert!(unsupported::by_extension(extension).is_none(), "{extension}");
                assert_eq!(detect(&format!("a.{}", extension.to_uppercase()), None, b"text"), format.name);
            }
            for name in format.file_names {
                assert!(known.insert(*name), "{name} belongs to two formats");
                assert_eq!(detect(name, None, b"text"), format.name);
            }
            for media_type in format.media_types {
                assert!(known.insert(*media_type), "{media_type} belongs to two formats");
                assert_eq!(detect("x", Some(media_type), b"\0"), format.name);
            }
        }
    }
}
