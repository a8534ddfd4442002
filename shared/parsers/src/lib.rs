//! Documents that need a parser, to frames.
//!
//! [`parse`] reads one document. A format is one file in `formats/` and one line in `formats.rs`. What is inside a
//! document as a file of its own (attachments, members of archives, mails of mailboxes) is not parsed, but yielded
//! as an attachment, which becomes a document of its own.
//!
//! Memory is bounded for every format but those whose libraries hold the whole file (XLS, mails), whose size is
//! limited; see `limits.rs`. That a hostile file cannot exceed it is the business of the process that [`child`] runs
//! in: parsers of untrusted bytes may crash.

pub mod child;
mod error;
mod formats;
mod html;
mod inflated;
mod limits;
mod names;
mod output;
mod package;
mod parser;
mod pictures;
#[cfg(test)]
mod testing;
mod xml;

use std::io::{Read, Seek};
use std::path::PathBuf;

use frames::{DocumentFormat, OCR_IS_OFF, Summary};
use ocr::Recognizer;

pub use error::ParseError;
pub use formats::decode_image;
pub use limits::{MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_DEPTH};
pub use output::Sink;

/// A document's bytes: a file, or a cursor.
pub trait Input: Read + Seek + Send {}

impl<T: Read + Seek + Send> Input for T {}

/// What a parser needs to know beside the bytes.
#[derive(Debug, Default)]
pub struct Options {
    /// The document's name. Its last segment names the content of a compressed file; each `!/` in it is an archive
    /// that the document comes from.
    pub file_name: String,
    /// Where `libpdfium.so` is. Without it, PDF documents fail.
    pub pdfium_library: Option<PathBuf>,
    /// Reads images, and pages without text. Without it, images fail, and pages without text are a warning.
    pub ocr: Option<Recognizer>,
}

/// Reads a document and sends its frames to `sink`. The last one is [`frames::Frame::End`].
///
/// # Errors
/// Returns [`ParseError::Document`] if the document cannot be read, and others if the surroundings failed. The
/// frames sent so far are then worthless.
pub fn parse<'a>(
    format: DocumentFormat,
    input: &mut dyn Input,
    options: &Options,
    sink: &'a mut Sink<'a>,
) -> Result<Summary, ParseError> {
    let mut output = output::Output::new(sink);
    let parser = formats::refine(format, input)?;
    match (parser.parse)(input, options, &mut output) {
        // What was read before a limit counts, and a warning says that there is more.
        Ok(()) | Err(ParseError::Full) => output.finish(&no_text(format, parser.no_text, options)),
        Err(error) => Err(error),
    }
}

/// Returns the reason for a document of this format without text.
fn no_text(format: DocumentFormat, reason: &str, options: &Options) -> String {
    match (format.may_need_ocr(), &options.ocr) {
        (false, _) => reason.to_owned(),
        (true, None) => format!("{reason}, and {OCR_IS_OFF}"),
        (true, Some(_)) => format!("{reason}, and OCR finds no text"),
    }
}
