//! The formats that can be read, whether as text or by a parser.

use extraction::Format;
use frames::DocumentFormat;

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
}

impl ReadableFormat {
    /// Every format, in the order in which messages name them.
    pub fn all() -> impl Iterator<Item = Self> {
        let texts = Format::all().iter().map(|format| Self {
            name: format.name(),
            extensions: format.extensions(),
            media_types: format.media_types(),
            needs_parser: false,
        });
        let parsed = DocumentFormat::all().map(|format| Self {
            name: format.short_name(),
            extensions: format.extensions(),
            media_types: format.media_types(),
            needs_parser: true,
        });
        texts.chain(parsed)
    }

    /// Checks whether a document of this name and media type can be read, as far as they tell.
    ///
    /// # Errors
    /// Returns the error with which the document would fail.
    pub fn check(file_name: &str, media_type: Option<&str>) -> Result<(), SegmentationError> {
        if DocumentFormat::detect(file_name, media_type.unwrap_or_default(), &[]).is_some() {
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
                ReadableFormat::check(&format!("folder/a.{extension}"), None)
                    .unwrap_or_else(|error| panic!("{extension}: {error}"));
            }
        }
        for (name, media_type) in
            [("a.rar", None), ("a.exe", None), ("photo.png", None), ("x", Some("image/png"))]
        {
            let error = ReadableFormat::check(name, media_type).unwrap_err().to_string();
            assert!(error.contains("cannot be read; supported formats: plain text,"), "{error}");
        }
        ReadableFormat::check("unknown.xyz", Some("application/octet-stream")).unwrap();
    }
}
