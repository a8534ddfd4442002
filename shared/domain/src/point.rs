//! Deterministic IDs: the same input gives the same ID, so writing again overwrites.

use uuid::{Uuid, uuid};

use crate::{CollectionId, DocumentId, Generation};

/// Namespace of document IDs. Must not change: IDs in Qdrant and S3 derive from it.
const DOCUMENTS: Uuid = uuid!("5b0a1a2e-8f0c-5c57-9b6f-2f1a6c0d9e11");
/// Namespace of point IDs. Must not change.
const POINTS: Uuid = uuid!("0d6f6f5c-3c34-5f0e-8a55-6f0a7c2b4d22");

/// Returns the ID of the document with this URI in this collection.
pub fn document_id(collection_id: CollectionId, uri: &str) -> DocumentId {
    let mut name = collection_id.0.as_bytes().to_vec();
    name.extend_from_slice(uri.as_bytes());
    DocumentId(Uuid::new_v5(&DOCUMENTS, &name))
}

/// Returns the ID of a chunk's Qdrant point: UUIDv5 of document, generation and chunk index.
pub fn point_id(document_id: DocumentId, generation: Generation, chunk_index: u32) -> Uuid {
    let mut name = document_id.0.as_bytes().to_vec();
    name.extend_from_slice(&generation.0.to_be_bytes());
    name.extend_from_slice(&chunk_index.to_be_bytes());
    Uuid::new_v5(&POINTS, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_ids_differ_by_generation_and_chunk() {
        let document = document_id(CollectionId(Uuid::nil()), "upload://a.txt");
        let ids = [
            point_id(document, Generation(1), 0),
            point_id(document, Generation(1), 1),
            point_id(document, Generation(2), 0),
        ];
        assert_ne!(ids[0], ids[1]);
        assert_ne!(ids[0], ids[2]);
        assert_eq!(ids[0], point_id(document, Generation(1), 0));
    }

    #[test]
    fn ids_never_change_between_releases() {
        let document = document_id(CollectionId(Uuid::nil()), "upload://a.txt");
        insta::assert_snapshot!(document, @"0d2b4a70-b400-5258-bb43-d30537a5f20f");
        insta::assert_snapshot!(point_id(document, Generation(1), 0), @"9993782c-1ad3-58d9-bb08-1fb75ff8afa9");
    }
}
