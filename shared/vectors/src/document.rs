//! A document's chunks as points.

use chrono::{DateTime, Utc};
use domain::{ChunkRecord, CollectionId, DocumentId, SourceId, point_id};
use terms::passage_terms;

use crate::{ChunkMetadata, ChunkPayload, ChunkPoint};

/// What the points of one version of a document have in common. Whoever writes points of a document
/// makes them here, so that the same version always has the same points.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedDocument {
    /// The document.
    pub document_id: DocumentId,
    /// Its collection.
    pub collection_id: CollectionId,
    /// The source it came from, if it did.
    pub source_id: Option<SourceId>,
    /// The version.
    pub generation: i32,
    /// Its logical name, with a scheme in front.
    pub uri: String,
    /// Where people see it: a path with `/` between folders.
    pub path: String,
    /// The last part of its name.
    pub file_name: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// When it was first seen.
    pub first_seen_at: DateTime<Utc>,
}

impl IndexedDocument {
    /// The points of these chunks; `vectors` in the order of `chunks`.
    pub fn points(&self, chunks: &[ChunkRecord], vectors: &[Vec<f32>]) -> Vec<ChunkPoint> {
        let path_prefixes = path_prefixes(&self.path);
        let points = chunks.iter().zip(vectors).map(|(chunk, vector)| ChunkPoint {
            id: point_id(self.document_id, self.generation, chunk.index),
            vector: vector.clone(),
            terms: passage_terms(&chunk.text),
            payload: ChunkPayload {
                document_id: self.document_id,
                collection_id: self.collection_id,
                source_id: self.source_id.map_or(0, |id| id.0),
                generation: self.generation,
                chunk_index: i32::try_from(chunk.index).unwrap_or(i32::MAX),
                content: chunk.text.clone(),
                path_prefixes: path_prefixes.clone(),
                metadata: ChunkMetadata {
                    source_path: self.uri.clone(),
                    file_name: self.file_name.clone(),
                    mime_type: self.mime_type.clone().unwrap_or_default(),
                    created_at: self.first_seen_at,
                    start_offset: chunk.start_offset,
                    end_offset: chunk.end_offset,
                },
            },
        });
        points.collect()
    }
}

/// Every folder that the path is in, outermost first, and the path itself, each without a slash at
/// its end: whole components, which a keyword index finds at once.
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
    use uuid::uuid;

    use super::*;

    #[test]
    fn a_chunks_point_is_the_same_at_every_try() {
        let document = IndexedDocument {
            document_id: DocumentId(uuid!("6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f")),
            collection_id: CollectionId(uuid!("00000000-0000-0000-0000-000000000002")),
            source_id: None,
            generation: 2,
            uri: "upload://notes/a.txt".to_owned(),
            path: "notes/a.txt".to_owned(),
            file_name: "a.txt".to_owned(),
            mime_type: Some("text/plain".to_owned()),
            first_seen_at: DateTime::UNIX_EPOCH,
        };
        let chunk = |index| ChunkRecord {
            index,
            text: format!("text number {index}"),
            start_offset: 0,
            end_offset: 13,
            token_count: 5,
        };
        let (chunks, vectors) = ([chunk(256), chunk(257)], [vec![0.0], vec![1.0]]);
        let points = document.points(&chunks, &vectors);
        assert_eq!(points, document.points(&chunks, &vectors));
        assert_eq!(points[1].id, point_id(document.document_id, 2, 257));
        assert_eq!((points[1].payload.chunk_index, &points[1].vector), (257, &vec![1.0]));
        assert_eq!((points[1].terms.ids.len(), points[1].payload.source_id), (3, 0));
    }

    #[test]
    fn a_path_starts_with_each_of_its_folders() {
        assert_eq!(path_prefixes("notes/2024/a.md"), ["notes", "notes/2024", "notes/2024/a.md"]);
        assert_eq!(path_prefixes("/data//notes/"), ["/data", "/data//notes"]);
        assert_eq!(path_prefixes("a.md"), ["a.md"]);
        assert!(path_prefixes("/").is_empty());
    }
}
