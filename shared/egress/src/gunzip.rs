//! Unpacks gzip in small pieces, so that what is unpacked is counted before it takes memory.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;

/// A piece is handed out when it has this size; the decoder adds at most 32 KiB at a time.
const PIECE_BYTES: usize = 32 * 1024;

/// Unpacks a body as it arrives.
pub(crate) struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    packed: Bytes,
    is_empty: bool,
}

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), packed: Bytes::new(), is_empty: true }
    }

    /// Takes packed bytes, when [`Self::unpack`] has returned `None`.
    pub(crate) fn push(&mut self, packed: Bytes) {
        self.is_empty &= packed.is_empty();
        self.packed = packed;
    }

    /// Returns a piece; `None` if more packed bytes are needed.
    pub(crate) fn unpack(&mut self) -> io::Result<Option<Bytes>> {
        while !self.packed.is_empty() && self.decoder.get_ref().len() < PIECE_BYTES {
            let taken = self.decoder.write(&self.packed)?;
            if taken == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            self.packed.advance(taken);
        }
        Ok(self.take())
    }

    /// Returns the last piece after the last packed bytes, and fails if those were not the end.
    pub(crate) fn finish(&mut self) -> io::Result<Option<Bytes>> {
        // Answers without a body (304, HEAD) may declare the encoding, too.
        if !self.is_empty {
            self.decoder.try_finish()?;
        }
        Ok(self.take())
    }

    fn take(&mut self) -> Option<Bytes> {
        let piece = std::mem::take(self.decoder.get_mut());
        (!piece.is_empty()).then(|| piece.into())
    }
}
