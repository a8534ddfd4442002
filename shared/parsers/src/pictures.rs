//! What the formats share that OCR reads.

use frames::FailureKind;
use image::RgbImage;
use ocr::Recognizer;

use crate::ParseError;

/// Returns the text of a picture, one line per line.
///
/// # Errors
/// Returns `Document` if a model fails: the models are the same for all pictures.
pub(crate) fn read_picture(ocr: &Recognizer, picture: RgbImage) -> Result<String, ParseError> {
    ocr.read(picture).map_err(|error| {
        let reason = format!("OCR has failed on a page: {error}; leave the page out, or turn OCR off");
        ParseError::failure(FailureKind::Unsupported, reason)
    })
}
