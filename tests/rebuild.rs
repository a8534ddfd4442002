//! Rebuilding a lost index from staged vectors, without the model.

use artifacts::ArtifactStore;
use domain::{ArtifactKey, Generation};
use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};
use vectors::{VectorDatabase, VectorsConfig};

async fn rebuild(user: &TestUser, collection: &str) -> Value {
    let queued =
        user.post("/api/v2/admin/rebuild", &json!({ "collection_ids": [collection] })).await.expect(202);
    user.wait_for_operation(queued["operations"][0]["operation_id"].as_str().unwrap()).await
}

async fn answers(user: &TestUser, collection: &str) -> Vec<Value> {
    let mut answers = Vec::new();
    for query in ["what follows from tides", "a sentence about bread", "paragraph seven"] {
        for result in user.search(collection, query).await {
            answers.push(json!([result["chunk_id"], result["score"], result["text"], result["metadata"]]));
        }
    }
    let filter = json!({ "attributes": { "topic": "tides" } });
    let body =
        json!({ "collection_uuids": [collection], "query": "paragraph seven", "metadata_filter": filter });
    let filtered = user.post("/api/v2/search", &body).await.expect(200);
    let filtered = filtered["results"].as_array().unwrap();
    assert!(!filtered.is_empty() && filtered.iter().all(|result| result["file_name"] == "tides.txt"));
    answers.extend(filtered.iter().map(|result| json!([result["chunk_id"], result["document_metadata"]])));
    answers
}

#[tokio::test]
async fn a_lost_index_is_rebuilt_without_embedding() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    promote(&stack, &user).await;
    let collection = user.create_collection().await;
    let chapter = |subject: &str, paragraphs: u32| -> String {
        (1..=paragraphs)
            .map(|n| format!("Paragraph {n} tells of {subject} and of what follows.\n\n"))
            .collect()
    };
    let files = [
        Upload::text("tides.txt", chapter("tides", 200)),
        Upload::text("bread.txt", chapter("bread", 40)),
        // The bytes of the first one, with points of its own.
        Upload::text("copy.txt", chapter("tides", 200)),
    ];
    user.upload_with_metadata(&collection, &files[0], &json!({ "topic": "tides" })).await;
    let documents = user.upload(&collection, &files).await;
    user.wait_until_idle(&collection).await;
    let path = format!("/api/v2/collections/{collection}");
    let before = user.get(&path).await.expect(200);
    let (lost, vectors) =
        (before["vector_store_name"].as_str().unwrap(), before["vector_count"].as_u64().unwrap());
    let answered = answers(&user, &collection).await;
    assert!(answered.len() >= 10, "{answered:?}");

    let qdrant = VectorDatabase::connect(&VectorsConfig::new(&stack.qdrant_url)).unwrap();
    qdrant.delete_index(lost).await.unwrap();
    let report = rebuild(&user, &collection).await;
    assert_eq!(report["status"], "completed", "{report}");
    assert_eq!(report["meta"]["counts"]["unchanged"], 3, "{report}");
    assert_eq!(report["meta"]["chunks"], json!({ "embedded": 0, "reused": 0 }), "{report}");
    assert_eq!(answers(&user, &collection).await, answered);
    let after = user.get(&path).await.expect(200);
    assert_eq!((&after["status"], &after["vector_count"]), (&json!("ready"), &json!(vectors)));
    let rebuilt = after["vector_store_name"].as_str().unwrap();
    assert_eq!(qdrant.count(rebuilt).await.unwrap(), vectors);

    // A healthy index is replaced by another one and deleted.
    rebuild(&user, &collection).await;
    assert_eq!(answers(&user, &collection).await, answered);
    assert!(qdrant.count(rebuilt).await.is_err(), "{rebuilt} is still there");

    // A document whose staged vectors are lost fails with a reason, and a retry repairs it.
    let bread = documents.iter().find(|row| row["file_name"] == "bread.txt").unwrap();
    let key = ArtifactKey::Vectors {
        collection_id: collection.parse().unwrap(),
        document_id: bread["id"].as_str().unwrap().parse().unwrap(),
        generation: Generation(1),
        batch: 0,
    };
    let bucket = ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    bucket.write(&key, "no vectors", "application/octet-stream").await.unwrap();
    let report = rebuild(&user, &collection).await;
    assert_eq!(
        (&report["meta"]["counts"]["unchanged"], &report["meta"]["counts"]["failed"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(user.get(&path).await.expect(200)["status"], "degraded");
    let failed = user.get(&format!("{path}/documents?status=failed")).await.expect(200);
    let reason = failed["documents"][0]["error_message"].as_str().unwrap();
    assert!(reason.contains("cannot be rebuilt") && reason.contains("retry it"), "{reason}");
    let retried = user.post(&format!("{path}/documents/retry-failed"), &json!({})).await.expect(200);
    let retried = user.wait_for_operation(retried["operation_id"].as_str().unwrap()).await;
    assert_eq!(
        retried["meta"]["chunks"],
        json!({ "embedded": bread["chunk_count"], "reused": 0 }),
        "{retried}"
    );
    let mended = user.get(&path).await.expect(200);
    assert_eq!((&mended["status"], &mended["vector_count"]), (&json!("ready"), &json!(vectors)), "{mended}");
}

#[tokio::test]
async fn only_superusers_rebuild_and_only_existing_collections() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let body = json!({ "collection_ids": [collection] });
    user.post("/api/v2/admin/rebuild", &body).await.expect(403);
    promote(&stack, &user).await;
    let unknown = json!({ "collection_ids": [collection, "00000000-0000-0000-0000-000000000000"] });
    user.post("/api/v2/admin/rebuild", &unknown).await.expect(404);
    let path = format!("/api/v2/collections/{collection}/operations?type=rebuild");
    assert_eq!(user.get(&path).await.expect(200), json!([]), "nothing was queued");
}

/// Makes the user a superuser.
async fn promote(stack: &Stack, user: &TestUser) {
    let me = user.get("/api/auth/me").await.expect(200);
    let db = db::Db::connect(&db::DbConfig::by_url(stack.database_url.as_str())).unwrap();
    let id = domain::UserId(me["id"].as_i64().unwrap());
    assert!(db.connection().await.unwrap().users().administer(id, None, true, true).await.unwrap().is_some());
}
