//! The payload of a point.

use chrono::{DateTime, Utc};
use domain::{ChunkParent, ChunkPlace, CollectionId, DocumentId, Generation};
use qdrant_client::qdrant::FieldType;
use serde::{Deserialize, Serialize};

/// The payload of a chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkPayload {
    /// The chunk's document.
    pub document_id: DocumentId,
    /// The document's collection.
    pub collection_id: CollectionId,
    /// The document's source; 0 if that was removed.
    pub source_id: i64,
    /// The document's generation that the chunk belongs to.
    pub generation: Generation,
    /// The chunk's position in the document, from 0.
    pub chunk_index: i32,
    /// The chunk's text.
    pub content: String,
    /// The folders of the document's path, outermost first, and the path itself: what a filter by folder
    /// matches. Absent in points of early releases.
    #[serde(default)]
    pub path_prefixes: Vec<String>,
    /// The document's attributes, encoded by `domain::metadata_keyword`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// Metadata of the document and the chunk's place in it.
    pub metadata: ChunkMetadata,
}

/// The part of a payload that describes the document and the chunk's place in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkMetadata {
    /// The document's path or URI within its source.
    pub source_path: String,
    /// The last component of the path.
    pub file_name: String,
    /// The document's media type.
    pub mime_type: String,
    /// When the document was first seen.
    pub created_at: DateTime<Utc>,
    /// The start of the chunk in the document's extracted UTF-8 text, in bytes.
    pub start_offset: u64,
    /// The end, exclusive, in bytes.
    pub end_offset: u64,
    /// The larger chunk that it is a part of, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<ChunkParent>,
    /// The document's title, the sections, pages and lines that it is in. Empty in points of early releases.
    #[serde(flatten)]
    pub place: ChunkPlace,
}

/// The payload field of a document's attributes.
pub(crate) const ATTRIBUTES: &str = "attributes";

/// The fields that filters may use, with the types of their payload indexes. A field's type never changes: the
/// new payload index would not find existing points.
pub(crate) const INDEXED_FIELDS: [(&str, FieldType); 11] = [
    ("document_id", FieldType::Uuid),
    ("collection_id", FieldType::Uuid),
    ("source_id", FieldType::Integer),
    ("generation", FieldType::Integer),
    ("chunk_index", FieldType::Integer),
    ("metadata.mime_type", FieldType::Keyword),
    ("metadata.source_path", FieldType::Keyword),
    ("metadata.file_name", FieldType::Keyword),
    ("metadata.created_at", FieldType::Datetime),
    ("path_prefixes", FieldType::Keyword),
    (ATTRIBUTES, FieldType::Keyword),
];

#[cfg(test)]
mod tests {
    use uuid::uuid;

    use super::*;

    fn payload() -> ChunkPayload {
        ChunkPayload {
            document_id: DocumentId(uuid!("6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f")),
            collection_id: CollectionId(uuid!("1c9c5a3e-7e0b-4e9f-8d6c-2f4b5a697887")),
            source_id: 7,
            generation: Generation(2),
            chunk_index: 3,
            content: "text".to_owned(),
            path_prefixes: vec!["notes".to_owned(), "notes/a.md".to_owned()],
            attributes: vec!["draft=true".to_owned(), "topic=\"tides\"".to_owned()],
            metadata: ChunkMetadata {
                source_path: "notes/a.md".to_owned(),
                file_name: "a.md".to_owned(),
                mime_type: "text/markdown".to_owned(),
                created_at: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
                start_offset: 10,
                end_offset: 14,
                parent: None,
                place: ChunkPlace {
                    title: Some("Tides".to_owned()),
                    section_path: vec!["Tides".to_owned(), "The moon".to_owned()],
                    first_page: Some(3),
                    last_page: Some(4),
                    anchor: Some("moon".to_owned()),
                    first_line: Some(12),
                    last_line: Some(15),
                },
            },
        }
    }

    #[test]
    fn payload_keys_never_change() {
        insta::assert_json_snapshot!(payload(), @r#"
        {
          "document_id": "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f",
          "collection_id": "1c9c5a3e-7e0b-4e9f-8d6c-2f4b5a697887",
          "source_id": 7,
          "generation": 2,
          "chunk_index": 3,
          "content": "text",
          "path_prefixes": [
            "notes",
            "notes/a.md"
          ],
          "attributes": [
            "draft=true",
            "topic=\"tides\""
          ],
          "metadata": {
            "source_path": "notes/a.md",
            "file_name": "a.md",
            "mime_type": "text/markdown",
            "created_at": "2023-11-14T22:13:20Z",
            "start_offset": 10,
            "end_offset": 14,
            "title": "Tides",
            "section_path": [
              "Tides",
              "The moon"
            ],
            "first_page": 3,
            "last_page": 4,
            "anchor": "moon",
            "first_line": 12,
            "last_line": 15
          }
        }
        "#);
    }

    #[test]
    fn every_indexed_field_is_in_the_payload() {
        let json = serde_json::to_value(payload()).unwrap();
        for (field, field_type) in INDEXED_FIELDS {
            let pointer = format!("/{}", field.replace('.', "/"));
            let value = json.pointer(&pointer).unwrap_or_else(|| panic!("no {field}"));
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            let is_number = field_type == FieldType::Integer;
            assert!(values.iter().all(|value| value.is_i64() == is_number), "{field}");
            assert!(values.iter().all(|value| value.is_string() != is_number), "{field}");
        }
    }
}
