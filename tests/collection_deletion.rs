//! Deleting a collection leaves nothing behind but the audit log.

use std::time::Duration;

use domain::ArtifactKey;
use testkit::{Stack, TestUser, Upload};

#[tokio::test]
async fn a_deleted_collection_is_gone_everywhere() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    user.upload(&collection, &[Upload::text("a.txt", "Basalt is a volcanic rock.")]).await;
    user.wait_until_idle(&collection).await;
    let path = format!("/api/v2/collections/{collection}");
    let row = user.get(&path).await.expect(200);
    let store_name = row["vector_store_name"].as_str().unwrap();
    let qdrant = vectors::VectorStore::connect(&vectors::VectorsConfig::new(&stack.qdrant_url)).unwrap();
    assert_eq!(qdrant.count(store_name).await.unwrap(), 1);

    user.delete(&path).await.expect(204);
    // It is gone for its users at once; its bytes go in the background.
    user.get(&path).await.expect(404);
    user.get(&format!("{path}/documents")).await.expect(404);

    let bucket = artifacts::ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    let upload = ArtifactKey::Upload { collection_id: collection.parse().unwrap(), name: "a.txt".to_owned() };
    let deadline = std::time::Instant::now() + Duration::from_secs(120);
    loop {
        let has_vectors = qdrant.count(store_name).await.is_ok();
        let has_bytes = bucket.head(&upload).await.unwrap().is_some();
        if !has_vectors && !has_bytes {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "vectors: {has_vectors}, bytes: {has_bytes}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_name_is_free_again_after_deletion() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let name = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200)["name"].clone();
    let body = serde_json::json!({ "name": name });
    user.post("/api/v2/collections", &body).await.expect(409);
    user.delete(&format!("/api/v2/collections/{collection}")).await.expect(204);
    user.post("/api/v2/collections", &body).await.expect(201);
}
