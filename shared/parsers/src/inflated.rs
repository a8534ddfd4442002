//! Unpacked bytes, limited by the size of the packed ones.

use std::io::{self, Read, SeekFrom};

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

use crate::limits::{MAX_RATIO, RATIO_FREE_BYTES};
use crate::{Input, ParseError};

/// A reader of unpacked bytes that fails with `FileTooLarge` and a reason when they exceed their limit.
pub(crate) struct Inflated<R> {
    reader: R,
    read: u64,
    ratio_limit: u64,
    limit: u64,
}

impl<R: Read> Inflated<R> {
    /// Limits the bytes that `packed` bytes expand to, and to `limit` in any case.
    pub(crate) fn new(reader: R, packed: u64, limit: u64) -> Self {
        let ratio_limit = packed.saturating_mul(MAX_RATIO).max(RATIO_FREE_BYTES);
        Self { reader, read: 0, ratio_limit, limit }
    }
}

impl<R: Read> Read for Inflated<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(output)?;
        self.read += read as u64;
        let reason = if self.read > self.ratio_limit {
            format!("the file expands to more than {MAX_RATIO} times its size")
        } else if self.read > self.limit {
            format!("the file expands to more than {} MiB", self.limit >> 20)
        } else {
            return Ok(read);
        };
        Err(io::Error::new(io::ErrorKind::FileTooLarge, reason))
    }
}

/// First bytes of a compressed file.
pub(crate) const GZIP: [u8; 2] = [0x1F, 0x8B];

/// First bytes of a compressed file.
pub(crate) const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// Returns the size of a file, and goes to its start.
pub(crate) fn size(input: &mut dyn Input) -> Result<u64, ParseError> {
    let size = input.seek(SeekFrom::End(0)).map_err(ParseError::Input)?;
    input.rewind().map_err(ParseError::Input)?;
    Ok(size)
}

/// Starts to unpack. The window of a frame is at most 100 MiB, which the library checks.
pub(crate) fn zstd_decoder<R: Read>(
    reader: R,
    what: &str,
) -> Result<StreamingDecoder<R, FrameDecoder>, ParseError> {
    StreamingDecoder::new(reader).map_err(|error| ParseError::damaged(what, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_and_size_are_limited() {
        let read = |bytes: u64, packed, limit| {
            io::copy(&mut Inflated::new(io::repeat(0).take(bytes), packed, limit), &mut io::sink())
                .map_err(|error| error.to_string())
        };
        assert_eq!(read(RATIO_FREE_BYTES, 0, u64::MAX), Ok(RATIO_FREE_BYTES));
        assert_eq!(
            read(RATIO_FREE_BYTES + 1, 0, u64::MAX),
            Err("the file expands to more than 200 times its size".to_owned())
        );
        assert_eq!(read(5 << 20, 1 << 20, 4 << 20), Err("the file expands to more than 4 MiB".to_owned()));
    }
}
