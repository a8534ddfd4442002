//! Deleting a collection deletes everything except the audit log.

use std::time::Duration;

use db::audit::AuditQuery;
use domain::{ArtifactKey, CollectionId, DocumentId, Generation};
use testkit::{Stack, TestUser, Upload};

#[tokio::test]
async fn a_deleted_collection_is_deleted_everywhere() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let id: CollectionId = collection.parse().unwrap();
    let path = format!("/api/v2/collections/{collection}");
    let document =
        user.upload(&collection, &[Upload::text("a.txt", "Basalt is a volcanic rock.")]).await.remove(0);
    user.wait_until_idle(&collection).await;
    let document_id: DocumentId = document["id"].as_str().unwrap().parse().unwrap();
    let row = user.get(&path).await.expect(200);
    let store_name = row["vector_store_name"].as_str().unwrap();
    let qdrant = vectors::VectorDatabase::connect(&vectors::VectorsConfig::new(&stack.qdrant_url)).unwrap();
    assert_eq!(qdrant.count(store_name).await.unwrap(), 1);
    let bucket = artifacts::ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    // An empty file, which is skipped.
    let dropped = ArtifactKey::Dropped { collection_id: id, name: "empty.txt".to_owned() };
    bucket.write(&dropped, "", "text/plain").await.unwrap();
    user.wait_for_document(&collection, "empty.txt").await;
    user.wait_until_idle(&collection).await;
    let objects = [
        dropped,
        ArtifactKey::Raw { collection_id: id, document_id, generation: Generation(1) },
        ArtifactKey::Chunks { collection_id: id, document_id, generation: Generation(1), batch: 0 },
        ArtifactKey::Vectors { collection_id: id, document_id, generation: Generation(1), batch: 0 },
    ];
    for object in &objects {
        assert!(bucket.head(object).await.unwrap().is_some(), "{} does not exist", object.path());
    }

    let deleted = user.delete(&path).await;
    let operation = deleted.headers["location"].to_str().unwrap().to_owned();
    deleted.expect(204);
    // Its users cannot see it any more; its data is purged in the background.
    user.get(&path).await.expect(404);
    user.get(&format!("{path}/documents")).await.expect(404);

    // The operation is deleted together with the collection, which is last.
    let deadline = std::time::Instant::now() + Duration::from_secs(120);
    while user.get(&operation).await.status.as_u16() != 404 {
        assert!(std::time::Instant::now() < deadline, "{operation} does not end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(qdrant.count(store_name).await.is_err(), "its points still exist");
    for object in &objects {
        assert_eq!(bucket.head(object).await.unwrap(), None, "{} still exists", object.path());
    }
    let db = db::Db::connect(&db::DbConfig::by_url(stack.database_url.as_str())).unwrap();
    let mut connection = db.connection().await.unwrap();
    assert_eq!(connection.collections().find_any(id).await.unwrap(), None);
    assert_eq!(connection.documents().find(document_id).await.unwrap(), None);
    let operation_id = operation.rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(connection.operations().find(operation_id).await.unwrap(), None);
    let query = AuditQuery {
        collection_name: row["name"].as_str(),
        action: Some("collection_purged"),
        limit: 10,
        ..AuditQuery::default()
    };
    let entries = connection.audit_log().list(&query).await.unwrap();
    assert_eq!(entries.items.len(), 1, "{entries:?}");
    assert_eq!(entries.items[0].details["collection_id"], collection);
}

#[tokio::test]
async fn the_name_of_a_deleted_collection_can_be_used_again() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let name = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200)["name"].clone();
    let body = serde_json::json!({ "name": name });
    user.post("/api/v2/collections", &body).await.expect(409);
    user.delete(&format!("/api/v2/collections/{collection}")).await.expect(204);
    user.post("/api/v2/collections", &body).await.expect(201);
}
