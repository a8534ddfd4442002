//! Keys and formats of the objects in the staging bucket.
//!
//! Every key is a function of IDs, so a retried stage overwrites the same object.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::{CollectionId, DocumentId, Generation, OperationId, UploadId};

/// The key of an object in the staging bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ArtifactKey {
    /// The file of an announced upload, written through its presigned URL. The object is the program's own: it
    /// is deleted once it is staged or refused.
    Announced {
        /// The collection the file is for.
        collection_id: CollectionId,
        /// The upload. No two announcements share a key, even of one name.
        upload_id: UploadId,
    },
    /// A drop: a file that the bucket's owner put into it. The object is theirs and stays.
    Dropped {
        /// The collection the file is for.
        collection_id: CollectionId,
        /// The rest of the key: a relative path with `/` between folders, not validated yet.
        name: String,
    },
    /// The bytes of a document that listing its source needed anyway. The object is the program's own: it is deleted
    /// once it is staged.
    Fetched {
        /// The document's collection.
        collection_id: CollectionId,
        /// The document.
        document_id: DocumentId,
        /// The operation that lists the source.
        operation_id: OperationId,
    },
    /// The bytes of one generation of a document.
    Raw {
        /// The document's collection.
        collection_id: CollectionId,
        /// The document.
        document_id: DocumentId,
        /// The generation.
        generation: Generation,
    },
    /// The text of one generation of a document that needs a parser, as frames. Other documents have none.
    Text {
        /// The document's collection.
        collection_id: CollectionId,
        /// The document.
        document_id: DocumentId,
        /// The generation.
        generation: Generation,
    },
    /// One batch of a document's chunks: JSON Lines of [`ChunkRecord`].
    Chunks {
        /// The document's collection.
        collection_id: CollectionId,
        /// The document.
        document_id: DocumentId,
        /// The generation.
        generation: Generation,
        /// Index of the batch, from 0.
        batch: u32,
    },
    /// The vectors of the chunk batch with the same index: safetensors with one float32 tensor `vectors` of
    /// shape \[chunks, dimension\].
    Vectors {
        /// The document's collection.
        collection_id: CollectionId,
        /// The document.
        document_id: DocumentId,
        /// The generation.
        generation: Generation,
        /// Index of the batch, from 0.
        batch: u32,
    },
}

impl ArtifactKey {
    /// Number of chunks in a batch; a document's last batch may have fewer.
    pub const CHUNKS_PER_BATCH: usize = 256;

    /// The first folders of all keys, each followed by a collection ID.
    pub const PREFIXES: [&'static str; 7] =
        ["announced", "uploads", "fetched", "raw", "text", "chunks", "vectors"];

    /// The first folders of the keys of staged objects, which are named by their document.
    pub const STAGED_PREFIXES: [&'static str; 4] = ["raw", "text", "chunks", "vectors"];

    /// Parses an object key; `None` if no artifact has it.
    pub fn parse(path: &str) -> Option<Self> {
        if let Some(arrival) = Self::parse_arrival(path) {
            return Some(arrival);
        }
        let mut parts = path.split('/');
        let kind = parts.next()?;
        let collection_id = parts.next()?.parse().ok()?;
        let document_id = parts.next()?.parse().ok()?;
        if kind == "fetched" {
            let operation_id = parts.next()?.parse().ok()?;
            let key = Self::Fetched { collection_id, document_id, operation_id };
            return (key.path() == path).then_some(key);
        }
        let generation = Generation(parts.next()?.parse().ok()?);
        let file = parts.next();
        let batch = |suffix| file?.strip_suffix(suffix)?.parse().ok();
        let key = match kind {
            "raw" => Self::Raw { collection_id, document_id, generation },
            "text" => Self::Text { collection_id, document_id, generation },
            "chunks" => Self::Chunks { collection_id, document_id, generation, batch: batch(".jsonl")? },
            "vectors" => {
                Self::Vectors { collection_id, document_id, generation, batch: batch(".safetensors")? }
            }
            _ => return None,
        };
        // A number may be written in several ways, a key in one.
        (key.path() == path).then_some(key)
    }

    /// The document; `None` for an arrival.
    pub const fn document_id(&self) -> Option<DocumentId> {
        match self {
            Self::Announced { .. } | Self::Dropped { .. } => None,
            Self::Fetched { document_id, .. }
            | Self::Raw { document_id, .. }
            | Self::Text { document_id, .. }
            | Self::Chunks { document_id, .. }
            | Self::Vectors { document_id, .. } => Some(*document_id),
        }
    }

    /// The document's generation; `None` for what is not staged yet.
    pub const fn generation(&self) -> Option<Generation> {
        match self {
            Self::Announced { .. } | Self::Dropped { .. } | Self::Fetched { .. } => None,
            Self::Raw { generation, .. }
            | Self::Text { generation, .. }
            | Self::Chunks { generation, .. }
            | Self::Vectors { generation, .. } => Some(*generation),
        }
    }

    /// The number of the batch, if it is one of several.
    pub const fn batch(&self) -> Option<u32> {
        match self {
            Self::Announced { .. }
            | Self::Dropped { .. }
            | Self::Fetched { .. }
            | Self::Raw { .. }
            | Self::Text { .. } => None,
            Self::Chunks { batch, .. } | Self::Vectors { batch, .. } => Some(*batch),
        }
    }

    /// Returns the object key, without a leading slash.
    pub fn path(&self) -> String {
        match self {
            Self::Announced { collection_id, upload_id } => format!("announced/{collection_id}/{upload_id}"),
            Self::Dropped { collection_id, name } => format!("uploads/{collection_id}/{name}"),
            Self::Fetched { collection_id, document_id, operation_id } => {
                format!("fetched/{collection_id}/{document_id}/{operation_id}")
            }
            Self::Raw { collection_id, document_id, generation } => {
                format!("raw/{collection_id}/{document_id}/{generation}")
            }
            Self::Text { collection_id, document_id, generation } => {
                format!("text/{collection_id}/{document_id}/{generation}")
            }
            Self::Chunks { collection_id, document_id, generation, batch } => {
                format!("chunks/{collection_id}/{document_id}/{generation}/{batch:06}.jsonl")
            }
            Self::Vectors { collection_id, document_id, generation, batch } => {
                format!("vectors/{collection_id}/{document_id}/{generation}/{batch:06}.safetensors")
            }
        }
    }

    /// Parses the key of an announced file or a drop. Returns `None` for a folder, and for a key that belongs to
    /// no collection.
    pub fn parse_arrival(key: &str) -> Option<Self> {
        let (prefix, rest) = key.split_once('/')?;
        let (collection_id, name) = rest.split_once('/')?;
        let collection_id = collection_id.parse().ok()?;
        match prefix {
            "announced" => Some(Self::Announced { collection_id, upload_id: name.parse().ok()? }),
            "uploads" if !name.is_empty() && !name.ends_with('/') => {
                Some(Self::Dropped { collection_id, name: name.to_owned() })
            }
            _ => None,
        }
    }

    /// Returns the collection that the object belongs to.
    pub const fn collection_id(&self) -> CollectionId {
        match self {
            Self::Announced { collection_id, .. }
            | Self::Dropped { collection_id, .. }
            | Self::Fetched { collection_id, .. }
            | Self::Raw { collection_id, .. }
            | Self::Text { collection_id, .. }
            | Self::Chunks { collection_id, .. }
            | Self::Vectors { collection_id, .. } => *collection_id,
        }
    }
}

/// A chunk as it is staged by the chunk function for the embed function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkRecord {
    /// Position in the document, from 0.
    pub index: u32,
    /// The chunk's text.
    pub text: String,
    /// Start of the text in the document's extracted text, in UTF-8 bytes.
    pub start_offset: u64,
    /// End of the text (exclusive), in UTF-8 bytes.
    pub end_offset: u64,
    /// Number of tokens of the collection's model, including special tokens.
    pub token_count: u32,
    /// The larger section that contains the chunk, if the chunking strategy creates those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ChunkParent>,
    /// Where in the document it is. Empty in artifacts of early releases.
    #[serde(flatten)]
    pub place: ChunkPlace,
    /// What is put before the text when it is embedded and indexed: title and headings, maybe none. Absent where the
    /// collection does not want that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

impl ChunkRecord {
    /// The text that is embedded: the context, and the chunk's text.
    pub fn embedded_text(&self) -> Cow<'_, str> {
        match self.context.as_deref() {
            None | Some("") => Cow::Borrowed(&self.text),
            Some(context) => Cow::Owned(format!("{context}\n\n{}", self.text)),
        }
    }
}

/// Where in its document a chunk is, as people say it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkPlace {
    /// The title of the document, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The headings that the chunk's first new text is under, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub section_path: Vec<String>,
    /// The page, slide or sheet that the chunk begins on, from 1, if the document has pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_page: Option<u32>,
    /// The page that it ends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_page: Option<u32>,
    /// The name by which links lead to the innermost of those headings that has one: the fragment of a URL, not
    /// encoded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// The line of the original document that the chunk begins on, from 1, where its text has the same lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_line: Option<u32>,
    /// The line that it ends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_line: Option<u32>,
}

impl ChunkPlace {
    /// Longer names of headings are not kept.
    pub const MAX_ANCHOR_BYTES: usize = 256;
}

/// A section of several chunks that is not embedded itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkParent {
    /// Position among the document's parents, from 0.
    pub index: u32,
    /// Start of the section in the document's extracted text, in UTF-8 bytes.
    pub start_offset: u64,
    /// End of the section (exclusive), in UTF-8 bytes.
    pub end_offset: u64,
    /// Number of tokens of the collection's model, including special tokens.
    pub token_count: u32,
    /// Index of its first chunk.
    pub first_chunk: u32,
    /// Number of its chunks, which are consecutive.
    pub chunk_count: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLLECTION: &str = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f";

    #[test]
    fn keys_of_arrivals_read_back() {
        let collection_id = COLLECTION.parse().unwrap();
        let dropped = ArtifactKey::Dropped { collection_id, name: "notes/a b.md".to_owned() };
        let announced = ArtifactKey::Announced { collection_id, upload_id: UploadId(uuid::Uuid::max()) };
        for key in [dropped, announced] {
            assert_eq!(ArtifactKey::parse_arrival(&key.path()), Some(key));
        }
    }

    #[test]
    fn every_key_reads_back() {
        let collection_id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap();
        let document_id = "1c9c5a3e-7e0b-4e9f-8d6c-2f4b5a697887".parse().unwrap();
        let generation = Generation(12);
        for key in [
            ArtifactKey::Dropped { collection_id, name: "notes/a b.md".to_owned() },
            ArtifactKey::Announced {
                collection_id,
                upload_id: "8b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap(),
            },
            ArtifactKey::Fetched {
                collection_id,
                document_id,
                operation_id: "8b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap(),
            },
            ArtifactKey::Raw { collection_id, document_id, generation },
            ArtifactKey::Text { collection_id, document_id, generation },
            ArtifactKey::Chunks { collection_id, document_id, generation, batch: 7 },
            ArtifactKey::Vectors { collection_id, document_id, generation, batch: 7 },
        ] {
            assert_eq!(ArtifactKey::parse(&key.path()), Some(key));
        }
        let raw = ArtifactKey::Raw { collection_id, document_id, generation }.path();
        let written_otherwise = raw.replace("/12", "/012");
        for other in [format!("{raw}/x"), written_otherwise, raw.replace("raw/", "other/"), "raw/".to_owned()]
        {
            assert_eq!(ArtifactKey::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn folders_and_other_keys_are_no_arrivals() {
        for key in [
            format!("uploads/{COLLECTION}/"),
            format!("uploads/{COLLECTION}/a/"),
            format!("announced/{COLLECTION}/a.txt"),
            format!("raw/{COLLECTION}/{COLLECTION}"),
            "uploads/x/a".to_owned(),
            "uploads".to_owned(),
        ] {
            assert_eq!(ArtifactKey::parse_arrival(&key), None);
        }
    }
}
