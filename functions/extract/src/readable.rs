//! Whether a file inside a document can be read. A person who uploads an image is told that it cannot be read; the
//! images of an archive are no failures of the archive.

use extraction::{ExtractionError, Format};
use frames::DocumentFormat;

/// Bytes of a file's start that decide.
pub(crate) const HEAD_BYTES: usize = 8 * 1024;

/// Returns why files like this one are skipped, if they are: they are of a format that cannot be read, or images,
/// if there is a reason not to use OCR. Damaged files of other formats fail when they are read.
pub(crate) fn reason_to_skip(
    file_name: &str,
    media_type: Option<&str>,
    head: &[u8],
    no_ocr: Option<&str>,
) -> Option<String> {
    if let Some(format) = DocumentFormat::detect(file_name, media_type.unwrap_or_default(), head) {
        let reason = no_ocr.filter(|_| format.is_image());
        return reason.map(|reason| format!("{} is read by OCR only, and {reason}", format.name()));
    }
    match Format::detect(file_name, media_type, head) {
        Err(ExtractionError::Unsupported { description, .. }) => {
            Some(format!("{description} cannot be read"))
        }
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use frames::OCR_IS_OFF;

    use super::*;

    #[test]
    fn formats_that_cannot_be_read_are_skipped_with_the_reason() {
        let skipped = |name, head: &[u8]| reason_to_skip(name, None, head, Some(OCR_IS_OFF));
        let photo = b"\xFF\xD8\xFF\xE0\0";
        assert_eq!(
            skipped("a.zip!/photo.jpg", photo).as_deref(),
            Some(
                "a JPEG image is read by OCR only, and OCR is off; set \"ocr\" to true in a reindex of the collection"
            )
        );
        assert_eq!(reason_to_skip("a.zip!/photo.jpg", None, photo, None), None);
        assert_eq!(skipped("a.zip!/photo.gif", b"GIF89a").as_deref(), Some("an image cannot be read"));
        assert_eq!(
            skipped("data", b"\0\x01\x02\x03\x04").as_deref(),
            Some("a binary file of an unknown format cannot be read")
        );
        assert_eq!(skipped("notes.txt", b"text"), None);
        assert_eq!(skipped("inner.zip", b"PK\x03\x04"), None);
        assert_eq!(skipped("damaged.docx", b"\0\x01\x02"), None, "it fails when it is read");
    }
}
