//! From a batch of chunks and their vectors to points. This happens here only, so that writing points again
//! gives identical points.

use std::borrow::Cow;

use bm25::chunk_terms;
use chrono::{DateTime, Utc};
use domain::{
    ChunkRecord, CollectionId, DocumentId, DocumentMetadata, Generation, SourceId, point_id, to_nfc,
};

use crate::{ChunkMetadata, ChunkPayload, ChunkPoint};

/// One generation of a document: what the points of its chunks have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentGeneration {
    /// The document.
    pub document_id: DocumentId,
    /// Its collection.
    pub collection_id: CollectionId,
    /// Its source, if that still exists.
    pub source_id: Option<SourceId>,
    /// The generation's number.
    pub generation: Generation,
    /// The document's URI within the collection.
    pub uri: String,
    /// The path that users see, with `/` between folders.
    pub path: String,
    /// The last component of the path.
    pub file_name: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// When the document was first seen.
    pub first_seen_at: DateTime<Utc>,
    /// DocumentMetadata that clients attached to it.
    pub metadata: DocumentMetadata,
}

impl DocumentGeneration {
    /// Returns the points of some of its chunks. `vectors` are in the order of the chunks.
    pub fn points(&self, chunks: &[ChunkRecord], vectors: Vec<Vec<f32>>) -> Vec<ChunkPoint> {
        // Filters compare names in this form.
        let path_prefixes = path_prefixes(&to_nfc(&self.path));
        let attributes = self.metadata.keywords();
        let points = chunks.iter().zip(vectors).map(|(chunk, vector)| ChunkPoint {
            id: point_id(self.document_id, self.generation, chunk.index),
            vector,
            terms: chunk_terms(&self.indexed_text(chunk)),
            payload: self.payload(chunk, path_prefixes.clone(), attributes.clone()),
        });
        points.collect()
    }

    /// The text whose words are searched for. With its context, a chunk is found by the name of its file, too.
    fn indexed_text<'c>(&self, chunk: &'c ChunkRecord) -> Cow<'c, str> {
        match chunk.context {
            None => Cow::Borrowed(&chunk.text),
            Some(_) => Cow::Owned(format!("{}\n\n{}", self.file_name, chunk.embedded_text())),
        }
    }

    fn payload(
        &self,
        chunk: &ChunkRecord,
        path_prefixes: Vec<String>,
        attributes: Vec<String>,
    ) -> ChunkPayload {
        ChunkPayload {
            document_id: self.document_id,
            collection_id: self.collection_id,
            source_id: self.source_id.map_or(0, |id| id.0),
            generation: self.generation,
            chunk_index: i32::try_from(chunk.index).unwrap_or(i32::MAX),
            content: chunk.text.clone(),
            path_prefixes,
            attributes,
            metadata: ChunkMetadata {
                source_path: self.uri.clone(),
                file_name: to_nfc(&self.file_name),
                mime_type: self.mime_type.clone().unwrap_or_default(),
                created_at: self.first_seen_at,
                start_offset: chunk.start_offset,
                end_offset: chunk.end_offset,
                parent: chunk.parent,
                place: chunk.place.clone(),
            },
        }
    }
}

/// Returns the folders that the path is in, outermost first, and the path itself, without trailing slashes:
/// whole components, which a keyword index matches exactly.
fn path_prefixes(path: &str) -> Vec<String> {
    let path = path.trim_end_matches('/');
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    let prefixes = ends.map(|end| path[..end].trim_end_matches('/')).filter(|prefix| !prefix.is_empty());
    let mut prefixes: Vec<String> = prefixes.map(str::to_owned).collect();
    prefixes.dedup();
    prefixes
}

#[cfg(test)]
mod tests {
    use domain::ChunkPlace;
    use uuid::uuid;

    use super::*;

    #[test]
    fn points_of_a_chunk_are_deterministic() {
        let document = DocumentGeneration {
            document_id: DocumentId(uuid!("6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f")),
            collection_id: CollectionId(uuid!("00000000-0000-0000-0000-000000000002")),
            source_id: Some(SourceId(7)),
            generation: Generation(2),
            uri: "upload://a.txt".to_owned(),
            path: "a.txt".to_owned(),
            file_name: "a.txt".to_owned(),
            mime_type: None,
            first_seen_at: DateTime::UNIX_EPOCH,
            metadata: serde_json::from_value(serde_json::json!({ "year": 2024, "topic": "tides" })).unwrap(),
        };
        let chunk = |index: u32| ChunkRecord {
            index,
            text: format!("text {index}"),
            start_offset: u64::from(index) * 10,
            end_offset: u64::from(index) * 10 + 6,
            token_count: 4,
            parent: None,
            place: ChunkPlace::default(),
            context: None,
        };
        let chunks = [chunk(0), chunk(1)];
        let points = document.points(&chunks, vec![vec![1.0], vec![2.0]]);
        assert_eq!(points, document.points(&chunks, vec![vec![1.0], vec![2.0]]));
        assert_eq!(points[1].id, point_id(document.document_id, Generation(2), 1));
        assert_eq!((points[1].payload.chunk_index, points[1].payload.source_id), (1, 7));
        assert_eq!(points[1].payload.attributes, ["topic=\"tides\"", "year=2024"]);
        assert_eq!((points[1].payload.content.as_str(), points[1].vector.as_slice()), ("text 1", &[2.0][..]));
    }

    #[test]
    fn a_path_has_a_prefix_for_each_folder() {
        assert_eq!(path_prefixes("notes/2024/a.md"), ["notes", "notes/2024", "notes/2024/a.md"]);
        assert_eq!(path_prefixes("/data//notes/"), ["/data", "/data//notes"]);
        assert_eq!(path_prefixes("a.md"), ["a.md"]);
        assert!(path_prefixes("/").is_empty());
    }
}
