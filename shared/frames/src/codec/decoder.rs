//! Bytes to frames, in pieces of any size.

use super::error::DecodeError;
use super::format::{MAGIC, MAX_RECORD_BYTES};
use super::record::{self, HEADER_BYTES};
use crate::Frame;

/// Reads frames from bytes that arrive in pieces. Buffers at most one record and one piece.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are read.
    position: usize,
    has_magic: bool,
    is_complete: bool,
}

impl Decoder {
    /// Starts an artifact.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends the next bytes. Call [`Self::next_frame`] until it returns `None` before the next call.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.position);
        self.position = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next frame, or `None` if it needs more bytes or the artifact is complete.
    ///
    /// # Errors
    /// Returns [`DecodeError`] if the bytes are no frames. Nothing may be called after an error.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if !self.has_magic {
            let Some(magic) = self.peek(MAGIC.len()) else {
                return Ok(None);
            };
            if magic != MAGIC {
                return Err(DecodeError::Version);
            }
            self.position += MAGIC.len();
            self.has_magic = true;
        }
        if self.is_complete {
            return if self.position == self.buffer.len() { Ok(None) } else { Err(DecodeError::AfterEnd) };
        }
        let Some(&[tag, length @ ..]) = self.peek(HEADER_BYTES).and_then(<[u8]>::first_chunk::<HEADER_BYTES>)
        else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(length);
        let bytes = usize::try_from(length).ok().filter(|bytes| *bytes <= MAX_RECORD_BYTES);
        let bytes = bytes.ok_or(DecodeError::RecordTooLong(length))?;
        let Some(record) = self.peek(HEADER_BYTES + bytes) else {
            return Ok(None);
        };
        let frame = record::decode(tag, &record[HEADER_BYTES..])?;
        self.position += HEADER_BYTES + bytes;
        self.is_complete = matches!(frame, Frame::End(_) | Frame::Failed(_));
        Ok(Some(frame))
    }

    /// Checks that the last frame was [`Frame::End`] or [`Frame::Failed`].
    ///
    /// # Errors
    /// Returns [`DecodeError::Truncated`] if the document goes on.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.is_complete { Ok(()) } else { Err(DecodeError::Truncated) }
    }

    fn peek(&self, bytes: usize) -> Option<&[u8]> {
        self.buffer[self.position..].get(..bytes)
    }
}
