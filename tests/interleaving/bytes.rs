//! What the uploaded files contain.

use std::fmt::Write;

use domain::ArtifactKey;

/// Tokens of a chunk. A paragraph has more than half of that, so that each becomes one chunk.
pub(crate) const CHUNK_SIZE: i32 = 16;
const WORDS_PER_PARAGRAPH: usize = 12;

/// The content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bytes {
    Empty,
    Binary,
    /// One of a few texts, so that files share them.
    Text(u8),
}

impl Bytes {
    /// Every content.
    pub(crate) const ALL: [Self; 6] =
        [Self::Empty, Self::Binary, Self::Text(0), Self::Text(1), Self::Text(2), Self::Text(3)];

    pub(crate) fn content(self) -> Vec<u8> {
        match self {
            Self::Empty => Vec::new(),
            Self::Binary => (0..=255).cycle().take(2000).collect(),
            Self::Text(number) => {
                let mut text = String::new();
                for paragraph in 0..self.chunks() {
                    for word in 0..WORDS_PER_PARAGRAPH {
                        write!(text, "t{number}p{paragraph}w{word} ").unwrap();
                    }
                    text.push_str("\n\n");
                }
                text.into_bytes()
            }
        }
    }

    /// The number of its chunks: every second text has one more than fits in a batch.
    pub(crate) fn chunks(self) -> u32 {
        match self {
            Self::Text(number) if number % 2 == 1 => {
                u32::try_from(ArtifactKey::CHUNKS_PER_BATCH).unwrap() + 1
            }
            Self::Text(_) => 2,
            Self::Empty | Self::Binary => 0,
        }
    }
}
