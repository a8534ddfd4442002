//! How a text is to be chunked.

use std::str::FromStr;

use domain::ChunkSettings;

use crate::ChunkingError;

/// Where a text is cut by preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// Between paragraphs, then sentences, then words.
    #[default]
    Recursive,
    /// Before headings, then as [`Strategy::Recursive`], and outside code fences.
    Markdown,
    /// At blank lines before unindented ones, then at lines by indentation, then between words.
    Code,
}

impl Strategy {
    /// The name in settings and metadata.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recursive => "recursive",
            Self::Markdown => "markdown",
            Self::Code => "code",
        }
    }
}

impl FromStr for Strategy {
    type Err = ChunkingError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Recursive, Self::Markdown, Self::Code]
            .into_iter()
            .find(|strategy| strategy.name() == name)
            .ok_or_else(|| ChunkingError::UnknownStrategy { got: name.to_owned() })
    }
}

/// Checked settings of one chunking run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkingParameters {
    pub(crate) strategy: Strategy,
    pub(crate) chunk_size: u32,
    pub(crate) chunk_overlap: u32,
}

impl ChunkingParameters {
    /// `chunk_size` and `chunk_overlap` are in tokens; the size counts the model's special tokens,
    /// so that `max_tokens`, the most that the model reads, may be asked for in full.
    ///
    /// # Errors
    /// [`ChunkingError::Settings`] names the field, what came and what is allowed.
    pub fn new(
        strategy: Strategy,
        chunk_size: u32,
        chunk_overlap: u32,
        max_tokens: u32,
    ) -> Result<Self, ChunkingError> {
        let settings =
            ChunkSettings::resolve(Some(chunk_size), Some(chunk_overlap), "the model", max_tokens)?;
        Ok(Self { strategy, chunk_size: settings.chunk_size, chunk_overlap: settings.chunk_overlap })
    }
}

#[cfg(test)]
mod tests {
    use domain::{Classify, ErrorKind};

    use super::*;

    #[test]
    fn the_models_limit_may_be_used_in_full_and_not_exceeded() {
        assert!(ChunkingParameters::new(Strategy::Recursive, 256, 51, 256).is_ok());
        let error = ChunkingParameters::new(Strategy::Recursive, 257, 51, 256).unwrap_err();
        assert_eq!(
            error.to_string(),
            "chunk_size: 257 tokens are more than the 256 that the model reads; choose 16 to 256"
        );
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }

    #[test]
    fn an_overlap_as_long_as_the_chunk_is_refused() {
        let error = ChunkingParameters::new(Strategy::Code, 100, 100, 256).unwrap_err();
        assert_eq!(
            error.to_string(),
            "chunk_overlap: 100 tokens are not less than a chunk of 100; choose 0 to 99"
        );
    }

    #[test]
    fn strategies_are_found_by_their_names() {
        assert_eq!("markdown".parse(), Ok(Strategy::Markdown));
        assert_eq!(
            "semantic".parse::<Strategy>().unwrap_err().to_string(),
            "chunking strategy \"semantic\" is not known; choose recursive, markdown or code"
        );
    }
}
