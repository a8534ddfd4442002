//! PNG, JPEG and WebP: their text by OCR. Of an animation, the first image is read.

use std::io::{BufRead, BufReader, Seek};

use frames::FailureKind;
use image::error::{LimitErrorKind, UnsupportedErrorKind};
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

use crate::limits::{MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS, MAX_IMAGE_SIDE};
use crate::output::Output;
use crate::parser::Parser;
use crate::pictures::read_picture;
use crate::{Input, Options, ParseError};

pub(super) const PARSER: Parser = Parser { parse, no_text: NO_TEXT };

/// The reason for an image without text.
pub(super) const NO_TEXT: &str = "the file is an image";

fn parse(input: &mut dyn Input, options: &Options, output: &mut Output<'_>) -> Result<(), ParseError> {
    let Some(ocr) = &options.ocr else { return Ok(()) };
    output.text(&read_picture(ocr, decode_image(input)?)?)
}

/// Decodes an image as OCR gets it, in the format that its first bytes name.
///
/// # Errors
/// Returns `Document` if it is too large, damaged, or of a kind that cannot be decoded.
pub fn decode_image(input: &mut dyn Input) -> Result<RgbImage, ParseError> {
    let reader = ImageReader::new(BufReader::new(input)).with_guessed_format().map_err(ParseError::Input)?;
    let what = "the image";
    let Some(format) = reader.format() else {
        return Err(ParseError::damaged(what, "its first bytes are those of no image"));
    };
    decode(what, reader.into_inner(), format)
}

/// Decodes an image, and turns it as its metadata says: telephones store photos as their sensors see them.
///
/// # Errors
/// As [`decode_image`].
pub(super) fn decode(
    what: &str,
    reader: impl BufRead + Seek,
    format: ImageFormat,
) -> Result<RgbImage, ParseError> {
    let mut reader = ImageReader::with_format(reader, format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_IMAGE_SIDE);
    limits.max_image_height = Some(MAX_IMAGE_SIDE);
    limits.max_alloc = Some(MAX_IMAGE_BYTES);
    reader.limits(limits);
    let failed = |error| failure(what, error);
    let mut decoder = reader.into_decoder().map_err(failed)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_IMAGE_PIXELS {
        return Err(too_large(what, &format!("got {width} x {height}")));
    }
    let orientation = decoder.orientation().map_err(failed)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(failed)?;
    picture.apply_orientation(orientation);
    Ok(on_white(picture))
}

/// Puts what is transparent on white paper: most pictures with transparency are dark writing.
fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    let mut opaque = RgbImage::new(picture.width(), picture.height());
    for (pixel, of) in opaque.pixels_mut().zip(picture.pixels()) {
        let [red, green, blue, alpha] = of.0.map(u32::from);
        pixel.0 = [red, green, blue].map(|value| ((value * alpha + 255 * (255 - alpha)) / 255) as u8);
    }
    opaque
}

fn failure(what: &str, error: ImageError) -> ParseError {
    match error {
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::Unsupported { .. } => ParseError::damaged(what, limit),
            _ => too_large(what, "it needs more to be decoded"),
        },
        ImageError::Unsupported(unsupported) => {
            let kind = match unsupported.kind() {
                UnsupportedErrorKind::Color(color) => format!("colors of the type {color:?}"),
                UnsupportedErrorKind::GenericFeature(feature) => feature,
                other => format!("{other:?}"),
            };
            let reason = format!("{what} uses {kind}, which cannot be read; save it as PNG");
            ParseError::failure(FailureKind::Unsupported, reason)
        }
        ImageError::IoError(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            ParseError::damaged(what, error)
        }
        other => ParseError::damaged(what, other),
    }
}

fn too_large(what: &str, got: &str) -> ParseError {
    let most = MAX_IMAGE_PIXELS / 1_000_000;
    ParseError::too_large(format!(
        "{what} is too large; at most {most} million pixels and {MAX_IMAGE_SIDE} for a side allowed, {got}"
    ))
}

#[cfg(test)]
mod tests;
