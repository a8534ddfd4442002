//! One record: a frame's tag and content.

use thiserror::Error;

use super::error::DecodeError;
use super::format::MAX_RECORD_BYTES;
use crate::{Failure, FailureKind, Frame, Summary, Warning, WarningKind};

/// Bytes before a record's content: the tag and the length.
pub(super) const HEADER_BYTES: usize = 5;

mod tag {
    pub(super) const PAGE: u8 = 1;
    pub(super) const HEADING: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ROW: u8 = 4;
    pub(super) const ATTACHMENT_START: u8 = 5;
    pub(super) const ATTACHMENT_DATA: u8 = 6;
    pub(super) const ATTACHMENT_END: u8 = 7;
    pub(super) const TITLE: u8 = 8;
    pub(super) const LANGUAGE: u8 = 9;
    pub(super) const WARNING: u8 = 10;
    pub(super) const END: u8 = 11;
    pub(super) const FAILED: u8 = 12;
}

const FAILURE_KINDS: [FailureKind; 5] = [
    FailureKind::Damaged,
    FailureKind::Encrypted,
    FailureKind::TooLarge,
    FailureKind::NoText,
    FailureKind::Unsupported,
];

/// A frame that is too long for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("frame: {bytes} bytes are too long; at most {MAX_RECORD_BYTES} are allowed")]
pub struct RecordTooLong {
    /// The length of the content.
    pub bytes: usize,
}

/// Appends a frame's record to `output`.
///
/// # Errors
/// Returns [`RecordTooLong`] and leaves `output` as it was if the content exceeds [`MAX_RECORD_BYTES`].
pub fn encode(frame: &Frame, output: &mut Vec<u8>) -> Result<(), RecordTooLong> {
    let start = output.len();
    output.extend_from_slice(&[tag_of(frame), 0, 0, 0, 0]);
    write_content(frame, output);
    let bytes = output.len() - start - HEADER_BYTES;
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= MAX_RECORD_BYTES);
    let Some(length) = length else {
        output.truncate(start);
        return Err(RecordTooLong { bytes });
    };
    output[start + 1..start + HEADER_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn tag_of(frame: &Frame) -> u8 {
    match frame {
        Frame::Page { .. } => tag::PAGE,
        Frame::Heading { .. } => tag::HEADING,
        Frame::Text(_) => tag::TEXT,
        Frame::Row { .. } => tag::ROW,
        Frame::AttachmentStart { .. } => tag::ATTACHMENT_START,
        Frame::AttachmentData(_) => tag::ATTACHMENT_DATA,
        Frame::AttachmentEnd => tag::ATTACHMENT_END,
        Frame::Title(_) => tag::TITLE,
        Frame::Language(_) => tag::LANGUAGE,
        Frame::Warning(_) => tag::WARNING,
        Frame::End(_) => tag::END,
        Frame::Failed(_) => tag::FAILED,
    }
}

fn write_content(frame: &Frame, output: &mut Vec<u8>) {
    match frame {
        Frame::Page { index, label } => {
            output.extend_from_slice(&index.to_le_bytes());
            output.extend_from_slice(label.as_bytes());
        }
        Frame::Heading { level, text } => {
            output.push(*level);
            output.extend_from_slice(text.as_bytes());
        }
        Frame::Text(text) | Frame::Title(text) | Frame::Language(text) => {
            output.extend_from_slice(text.as_bytes());
        }
        Frame::Row { is_header, cells } => {
            output.push(u8::from(*is_header));
            for cell in cells {
                write_string(cell, output);
            }
        }
        Frame::AttachmentStart { name, media_type } => {
            write_string(name, output);
            write_string(media_type, output);
        }
        Frame::AttachmentData(bytes) => output.extend_from_slice(bytes),
        Frame::AttachmentEnd => {}
        Frame::Warning(Warning { kind, count }) => {
            output.push(code_of(&WarningKind::ALL, kind));
            output.extend_from_slice(&count.to_le_bytes());
        }
        Frame::End(Summary { pages, text_bytes, rows, attachments }) => {
            output.extend_from_slice(&pages.to_le_bytes());
            output.extend_from_slice(&text_bytes.to_le_bytes());
            output.extend_from_slice(&rows.to_le_bytes());
            output.extend_from_slice(&attachments.to_le_bytes());
        }
        Frame::Failed(Failure { kind, reason }) => {
            output.push(code_of(&FAILURE_KINDS, kind));
            output.extend_from_slice(reason.as_bytes());
        }
    }
}

/// A string that others follow. One of 4 GiB or more gets a wrong length, and its record is refused as too long.
fn write_string(text: &str, output: &mut Vec<u8>) {
    output.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    output.extend_from_slice(text.as_bytes());
}

/// The position of a kind in the list of its kinds, which has less than 256.
fn code_of<T: PartialEq>(kinds: &[T], kind: &T) -> u8 {
    kinds.iter().zip(0..).find(|(known, _)| *known == kind).map_or(u8::MAX, |(_, code)| code)
}

/// Reads the frame of a record.
pub(super) fn decode(tag: u8, content: &[u8]) -> Result<Frame, DecodeError> {
    let mut content = Content(content);
    let frame = match tag {
        tag::PAGE => {
            let index = u32::from_le_bytes(content.array()?);
            Frame::Page { index, label: content.rest()? }
        }
        tag::HEADING => {
            let [level] = content.array()?;
            if !(1..=6).contains(&level) {
                return Err(DecodeError::Malformed("level of a heading"));
            }
            Frame::Heading { level, text: content.rest()? }
        }
        tag::TEXT => Frame::Text(content.rest()?),
        tag::ROW => {
            let is_header = match content.array()? {
                [0] => false,
                [1] => true,
                _ => return Err(DecodeError::Malformed("header flag of a row")),
            };
            let mut cells = Vec::new();
            while !content.0.is_empty() {
                cells.push(content.string()?);
            }
            Frame::Row { is_header, cells }
        }
        tag::ATTACHMENT_START => {
            let name = content.string()?;
            Frame::AttachmentStart { name, media_type: content.string()? }
        }
        tag::ATTACHMENT_DATA => Frame::AttachmentData(std::mem::take(&mut content.0).to_vec()),
        tag::ATTACHMENT_END => Frame::AttachmentEnd,
        tag::TITLE => Frame::Title(content.rest()?),
        tag::LANGUAGE => Frame::Language(content.rest()?),
        tag::WARNING => {
            let [code] = content.array()?;
            let kind = WarningKind::ALL.get(usize::from(code)).copied();
            let kind = kind.ok_or(DecodeError::Malformed("kind of a warning"))?;
            Frame::Warning(Warning { kind, count: u64::from_le_bytes(content.array()?) })
        }
        tag::END => Frame::End(Summary {
            pages: u32::from_le_bytes(content.array()?),
            text_bytes: u64::from_le_bytes(content.array()?),
            rows: u64::from_le_bytes(content.array()?),
            attachments: u32::from_le_bytes(content.array()?),
        }),
        tag::FAILED => {
            let [code] = content.array()?;
            let kind = FAILURE_KINDS.get(usize::from(code)).copied();
            let kind = kind.ok_or(DecodeError::Malformed("kind of a failure"))?;
            Frame::Failed(Failure { kind, reason: content.rest()? })
        }
        unknown => return Err(DecodeError::UnknownTag(unknown)),
    };
    if content.0.is_empty() { Ok(frame) } else { Err(DecodeError::Malformed("length of a record")) }
}

/// The rest of a record's content.
struct Content<'a>(&'a [u8]);

impl<'a> Content<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (array, rest) =
            self.0.split_first_chunk::<N>().ok_or(DecodeError::Malformed("length of a record"))?;
        self.0 = rest;
        Ok(*array)
    }

    fn string(&mut self) -> Result<String, DecodeError> {
        let length = u32::from_le_bytes(self.array()?);
        let split = usize::try_from(length).ok().and_then(|length| self.0.split_at_checked(length));
        let (bytes, rest) = split.ok_or(DecodeError::Malformed("length of a string"))?;
        self.0 = rest;
        utf8(bytes)
    }

    fn rest(&mut self) -> Result<String, DecodeError> {
        utf8(std::mem::take(&mut self.0))
    }
}

fn utf8(bytes: &[u8]) -> Result<String, DecodeError> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| DecodeError::Malformed("UTF-8 of a string"))
}
