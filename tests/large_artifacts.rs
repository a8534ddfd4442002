//! Multipart uploads to the staging bucket.

use artifacts::ArtifactStore;
use domain::{ArtifactKey, CollectionId, DocumentId, Generation};
use testkit::Stack;
use uuid::Uuid;

/// The minimum part size of S3, which the store uses.
const PART: usize = 5 * 1024 * 1024;

#[tokio::test]
async fn objects_of_any_number_of_parts_survive_a_round_trip() {
    let store = ArtifactStore::new(&aws::sdk_config().await, Stack::from_env().staging_bucket);
    let (collection_id, document_id) = (CollectionId(Uuid::new_v4()), DocumentId(Uuid::new_v4()));
    for (generation, (size, piece)) in
        (1..).zip([(0, 1), (PART, 65_536), (PART + 1, 65_536), (2 * PART, PART), (2 * PART + 12_345, 99_991)])
    {
        let bytes: Vec<u8> = (0..size).map(|place| (place % 251) as u8).collect();
        let key = ArtifactKey::Raw { collection_id, document_id, generation: Generation(generation) };
        let mut writer = store.writer(&key, "text/plain");
        for piece in bytes.chunks(piece) {
            writer.write(piece).await.unwrap();
        }
        writer.finish().await.unwrap();
        let read = store.read(&key).await.unwrap();
        store.delete(&key).await.unwrap();
        assert!(read == bytes, "{size} bytes written {piece} at a time came back as {} bytes", read.len());
    }
}
