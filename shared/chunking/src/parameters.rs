//! How a document is chunked.

use domain::{ChunkSettings, Layout};

use crate::plan::Plan;
use crate::{ChunkingError, Strategy};

/// The validated settings of one document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChunkingParameters {
    pub(crate) plan: Plan,
    pub(crate) chunk_size: u32,
    pub(crate) chunk_overlap: u32,
}

impl ChunkingParameters {
    /// `chunk_size` and `chunk_overlap` are in tokens. The size includes the model's special tokens, so it
    /// may be up to `max_tokens`, the most that the model reads.
    ///
    /// # Errors
    /// Returns [`ChunkingError::Settings`] if the size or the overlap is out of range.
    pub fn new(
        strategy: Strategy,
        layout: Layout,
        chunk_size: u32,
        chunk_overlap: u32,
        max_tokens: u32,
    ) -> Result<Self, ChunkingError> {
        let settings =
            ChunkSettings::resolve(Some(chunk_size), Some(chunk_overlap), "the model", max_tokens)?;
        Ok(Self {
            plan: Plan::of(strategy, layout),
            chunk_size: settings.chunk_size,
            chunk_overlap: settings.chunk_overlap,
        })
    }
}

#[cfg(test)]
mod tests {
    use domain::{Classify, ErrorKind};

    use super::*;

    fn new(size: u32, overlap: u32) -> Result<ChunkingParameters, ChunkingError> {
        ChunkingParameters::new(Strategy::Recursive, Layout::Prose, size, overlap, 256)
    }

    #[test]
    fn chunk_size_may_reach_the_models_limit_and_not_exceed_it() {
        assert!(new(256, 51).is_ok());
        let error = new(257, 51).unwrap_err();
        assert_eq!(
            error.to_string(),
            "chunk_size: 257 tokens are more than the 256 that the model reads; choose 16 to 256"
        );
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }

    #[test]
    fn overlap_as_long_as_the_chunk_is_refused() {
        let error = new(100, 100).unwrap_err();
        assert_eq!(
            error.to_string(),
            "chunk_overlap: 100 tokens are not less than a chunk of 100; choose 0 to 99"
        );
    }
}
