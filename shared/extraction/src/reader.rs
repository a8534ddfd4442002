//! What every format's reader does.

use std::fmt::Debug;

use crate::{Blocks, ExtractionError, Warning};

/// Reads one document of a format. Buffers a bounded number of bytes, and yields the same blocks
/// however the bytes are split.
pub(crate) trait BlockReader: Debug + Send {
    /// Reads the next bytes and appends the blocks that are known by now.
    fn push(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<(), ExtractionError>;

    /// Appends the remaining blocks.
    fn finish(self: Box<Self>, blocks: &mut Blocks) -> Result<ReaderSummary, ExtractionError>;

    /// Memory held between calls.
    #[cfg(test)]
    fn buffered_bytes(&self) -> usize;
}

/// What a reader knows at the end of a document, beside its blocks.
#[derive(Debug, Default)]
pub(crate) struct ReaderSummary {
    /// The WHATWG name of the encoding, for formats that are text.
    pub(crate) encoding: Option<&'static str>,
    pub(crate) warnings: Vec<Warning>,
}
