//! A document being read.

use std::fmt::Debug;
use std::pin::Pin;

use bytes::Bytes;

use crate::ConnectorError;

/// A future of a connector.
pub(crate) type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T, ConnectorError>> + Send + 'a>>;

/// The bytes of a document, read in pieces.
#[derive(Debug)]
pub struct SourceReader {
    size_bytes: u64,
    change_hint: Option<String>,
    body: Box<dyn Body>,
}

/// Where a connector reads the bytes from.
pub(crate) trait Body: Debug + Send + Sync {
    /// The next piece; `None` at the end.
    fn next(&mut self) -> Reading<'_, Option<Bytes>>;
}

impl SourceReader {
    pub(crate) fn new(size_bytes: u64, change_hint: Option<String>, body: impl Body + 'static) -> Self {
        Self { size_bytes, change_hint, body: Box::new(body) }
    }

    /// The size in bytes when the document was opened; 0 if the source does not tell.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Identifies the version that is read, as [`crate::Entry::change_hint`].
    pub fn change_hint(&self) -> Option<&str> {
        self.change_hint.as_deref()
    }

    /// A document whose bytes are in memory.
    pub(crate) fn of_bytes(change_hint: Option<String>, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self::new(bytes.len() as u64, change_hint, Whole(Some(bytes)))
    }

    /// Reads the next piece, of any size; `None` at the end.
    ///
    /// # Errors
    /// Returns `Unavailable` if the connection to the source breaks.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ConnectorError> {
        self.body.next().await
    }
}

#[derive(Debug)]
struct Whole(Option<Bytes>);

impl Body for Whole {
    fn next(&mut self) -> Reading<'_, Option<Bytes>> {
        Box::pin(async { Ok(self.0.take().filter(|bytes| !bytes.is_empty())) })
    }
}
