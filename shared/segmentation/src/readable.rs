//! The formats that can be read, whether as text or by a parser.

use extraction::Format;
use frames::{DocumentFormat, OCR_IS_NOT_DEPLOYED, OCR_IS_OFF};

use crate::SegmentationError;

/// A format that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadableFormat {
    /// Its name in messages, without an article.
    pub name: &'static str,
    /// File name extensions, in lower case.
    pub extensions: &'static [&'static str],
    /// Media types in lower case.
    pub media_types: &'static [&'static str],
    /// Whether a parser extracts its text.
    pub needs_parser: bool,
    /// Whether the parser needs OCR.
    pub needs_ocr: bool,
}

/// Whether OCR reads the documents of a collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ocr {
    /// The collection uses it.
    On,
    /// The collection does not use it.
    Off,
    /// The collection uses it, but the installation no longer has it.
    NotDeployed,
}

impl ReadableFormat {
    /// Every format, in the order in which messages name them.
    pub fn all() -> impl Iterator<Item = Self> {
        let texts = Format::all().iter().map(|format| Self {
            name: format.name(),
            extensions: format.extensions(),
            media_types: format.media_types(),
            needs_parser: false,
            needs_ocr: false,
        });
        let parsed = DocumentFormat::all().map(|format| Self {
            name: format.short_name(),
            extensions: format.extensions(),
            media_types: format.media_types(),
            needs_parser: true,
            needs_ocr: format.is_image(),
        });
        texts.chain(parsed)
    }

    /// Checks whether a document of this name and media type can be read, as far as they tell.
    ///
    /// # Errors
    /// Returns the error with which the document would fail.
    pub fn check(file_name: &str, media_type: Option<&str>, ocr: Ocr) -> Result<(), SegmentationError> {
        let parsed = DocumentFormat::detect(file_name, media_type.unwrap_or_default(), &[]);
        if let Some(format) = parsed.filter(|format| format.is_image() && ocr != Ocr::On) {
            let reason = if ocr == Ocr::Off { OCR_IS_OFF } else { OCR_IS_NOT_DEPLOYED };
            return Err(SegmentationError::NeedsOcr { format: format.name(), reason });
        }
        if parsed.is_some() {
            return Ok(());
        }
        Format::detect(file_name, media_type, &[])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_accepted_by_its_extensions_and_others_are_refused() {
        for format in ReadableFormat::all() {
            assert!(!format.name.starts_with("a "), "{format:?}");
            for extension in format.extensions {
                ReadableFormat::check(&format!("folder/a.{extension}"), None, Ocr::On)
                    .unwrap_or_else(|error| panic!("{extension}: {error}"));
            }
        }
        for (name, media_type) in
            [("a.rar", None), ("a.exe", None), ("photo.gif", None), ("x", Some("image/gif"))]
        {
            let error = ReadableFormat::check(name, media_type, Ocr::On).unwrap_err().to_string();
            assert!(error.contains("cannot be read; supported formats: plain text,"), "{error}");
        }
        ReadableFormat::check("unknown.xyz", Some("application/octet-stream"), Ocr::Off).unwrap();
    }

    #[test]
    fn images_need_ocr() {
        let reason =
            |name, media_type, ocr| ReadableFormat::check(name, media_type, ocr).unwrap_err().to_string();
        assert_eq!(
            reason("photo.JPG", None, Ocr::Off),
            "a JPEG image is read by OCR only, and OCR is off; set \"ocr\" to true in a reindex of the collection"
        );
        assert_eq!(
            reason("x", Some("image/tiff"), Ocr::NotDeployed),
            "a TIFF image is read by OCR only, and this installation has no OCR; ask its operator to deploy it with \
             OcrEnabled"
        );
        ReadableFormat::check("scan.pdf", None, Ocr::Off).unwrap();
        let images = ReadableFormat::all().filter(|format| format.needs_ocr).map(|format| format.name);
        assert_eq!(images.collect::<Vec<_>>(), ["PNG image", "JPEG image", "TIFF image", "WebP image"]);
    }
}
