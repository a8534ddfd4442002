//! A document being read.

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::io::AsyncReadExt;

use crate::ConnectorError;

/// Bytes that are read from a file at a time.
const FILE_PIECE_BYTES: usize = 256 * 1024;

/// A document's bytes, a piece at a time.
#[derive(Debug)]
pub struct SourceReader {
    name: String,
    size_bytes: u64,
    change_hint: String,
    body: Body,
}

#[derive(Debug)]
enum Body {
    File(tokio::fs::File),
    Object(ByteStream),
}

impl SourceReader {
    pub(crate) fn of_file(name: String, size_bytes: u64, change_hint: String, file: tokio::fs::File) -> Self {
        Self { name, size_bytes, change_hint, body: Body::File(file) }
    }

    pub(crate) fn of_object(name: String, size_bytes: u64, change_hint: String, body: ByteStream) -> Self {
        Self { name, size_bytes, change_hint, body: Body::Object(body) }
    }

    /// The size in bytes when it was opened.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What identifies the version that is being read, as [`crate::Entry::change_hint`].
    pub fn change_hint(&self) -> &str {
        &self.change_hint
    }

    /// The next piece, of no particular size; nothing at the end.
    ///
    /// # Errors
    /// When the source stops answering.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ConnectorError> {
        match &mut self.body {
            Body::File(file) => {
                let mut piece = Vec::with_capacity(FILE_PIECE_BYTES);
                let read = file.read_buf(&mut piece).await;
                let length = read.map_err(|error| ConnectorError::from_io(&self.name, error))?;
                Ok((length > 0).then(|| Bytes::from(piece)))
            }
            Body::Object(body) => {
                let piece = body.try_next().await;
                piece.map_err(|error| ConnectorError::unavailable(&self.name, error))
            }
        }
    }
}
