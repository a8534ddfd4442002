//! Where staged bytes lie in the bucket, and what they look like.
//!
//! Every key is a function of ids, so a repeated stage writes the same object again.

use serde::{Deserialize, Serialize};

use crate::{CollectionId, DocumentId, Generation};

/// Names one object of the staging bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ArtifactKey {
    /// What a client uploaded or dropped, under the name it chose.
    Upload {
        /// The collection the file is for.
        collection_id: CollectionId,
        /// A relative path with `/` between folders.
        name: String,
    },
    /// A document's own bytes, as they were at one generation.
    Raw {
        /// The document's collection.
        collection_id: CollectionId,
        /// The document.
        document_id: DocumentId,
        /// The generation these bytes belong to.
        generation: Generation,
    },
    /// One batch of a document's chunks: JSON Lines of [`ChunkRecord`].
    Chunks {
        /// The document's collection.
        collection_id: CollectionId,
        /// The document.
        document_id: DocumentId,
        /// The generation the chunks belong to.
        generation: Generation,
        /// Which batch, from 0.
        batch: u32,
    },
    /// The vectors of the chunk batch of the same number: safetensors with one float32 tensor
    /// `vectors` of shape \[chunks, dimension\].
    Vectors {
        /// The document's collection.
        collection_id: CollectionId,
        /// The document.
        document_id: DocumentId,
        /// The generation the vectors belong to.
        generation: Generation,
        /// Which batch, from 0.
        batch: u32,
    },
}

impl ArtifactKey {
    /// Chunks in one batch artifact; the last batch of a document may hold fewer.
    pub const CHUNKS_PER_BATCH: usize = 256;

    /// The first folders of all keys, each followed by a collection's id.
    pub const PREFIXES: [&'static str; 4] = ["uploads", "raw", "chunks", "vectors"];

    /// The object key, without a leading slash.
    pub fn path(&self) -> String {
        match self {
            Self::Upload { collection_id, name } => format!("uploads/{collection_id}/{name}"),
            Self::Raw { collection_id, document_id, generation } => {
                format!("raw/{collection_id}/{document_id}/{generation}")
            }
            Self::Chunks { collection_id, document_id, generation, batch } => {
                format!("chunks/{collection_id}/{document_id}/{generation}/{batch:06}.jsonl")
            }
            Self::Vectors { collection_id, document_id, generation, batch } => {
                format!("vectors/{collection_id}/{document_id}/{generation}/{batch:06}.safetensors")
            }
        }
    }
}

/// Reads the collection and file name out of an upload's object key, if it is one.
pub fn upload_name_from_key(key: &str) -> Option<(CollectionId, &str)> {
    let (collection_id, name) = key.strip_prefix("uploads/")?.split_once('/')?;
    let is_file = !name.is_empty() && !name.ends_with('/');
    is_file.then_some((collection_id.parse().ok()?, name))
}

/// One chunk as it is staged between the chunk and the embed function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// Position in the document, from 0.
    pub index: u32,
    /// The chunk's text.
    pub text: String,
    /// Where the text starts in the document's extracted UTF-8 text, in bytes.
    pub start_offset: u64,
    /// Where it ends, exclusive, in bytes.
    pub end_offset: u64,
    /// Its length in the model's tokens, special tokens included.
    pub token_count: u32,
    /// The larger passage that it was cut out of, where the strategy makes such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ChunkParent>,
}

/// A passage of several chunks, which is not embedded itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkParent {
    /// Position among the document's parents, from 0.
    pub index: u32,
    /// Where it starts in the document's extracted UTF-8 text, in bytes.
    pub start_offset: u64,
    /// Where it ends, exclusive, in bytes.
    pub end_offset: u64,
    /// Its length in the model's tokens, special tokens included.
    pub token_count: u32,
    /// The index of its first chunk.
    pub first_chunk: u32,
    /// How many chunks it has, one after the other.
    pub chunk_count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_keys_read_back() {
        let collection_id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap();
        let key = ArtifactKey::Upload { collection_id, name: "notes/a b.md".to_owned() };
        assert_eq!(upload_name_from_key(&key.path()), Some((collection_id, "notes/a b.md")));
    }

    #[test]
    fn folders_and_strangers_are_no_uploads() {
        let id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f";
        for key in [format!("uploads/{id}/"), format!("uploads/{id}/a/"), "uploads/x/a".to_owned()] {
            assert_eq!(upload_name_from_key(&key), None);
        }
    }
}
