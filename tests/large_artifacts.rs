//! What is written to the staging bucket in parts reads back as it was, wherever its pieces end.

use artifacts::ArtifactStore;
use domain::{ArtifactKey, CollectionId, DocumentId, Generation};
use testkit::Stack;
use uuid::Uuid;

/// The least that S3 takes for a part, and what the store takes.
const PART: usize = 5 * 1024 * 1024;

#[tokio::test]
async fn objects_of_any_number_of_parts_read_back_as_they_were_written() {
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
        assert!(read == bytes, "{size} bytes in pieces of {piece} came back as {} bytes", read.len());
    }
}
