//! Deleting, restoring and retrying documents.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload, unique};

/// Long enough for several chunks.
fn chapter(subject: &str) -> String {
    (1..=60).map(|n| format!("Paragraph {n} tells of {subject} and of what follows from it.\n\n")).collect()
}

async fn points(stack: &Stack, user: &TestUser, collection: &str) -> u64 {
    let row = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    let qdrant = vectors::VectorDatabase::connect(&vectors::VectorsConfig::new(&stack.qdrant_url)).unwrap();
    qdrant.count(row["vector_store_name"].as_str().unwrap()).await.unwrap()
}

fn files(results: &[Value]) -> Vec<&str> {
    results.iter().map(|result| result["file_name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_deleted_document_is_not_found_and_is_restored_without_embedding() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let uploads = [Upload::text("tides.txt", chapter("tides")), Upload::text("bread.txt", chapter("bread"))];
    let documents = user.upload(&collection, &uploads).await;
    user.wait_until_idle(&collection).await;
    let chunks: Vec<u64> =
        documents.iter().map(|document| document["chunk_count"].as_u64().unwrap()).collect();
    assert!(chunks[0] > 3, "{documents:?}");
    assert_eq!(points(&stack, &user, &collection).await, chunks[0] + chunks[1]);
    let before = user.search(&collection, "what follows from tides").await;
    assert_eq!(before[0]["file_name"], "tides.txt");

    let tides =
        format!("/api/v2/collections/{collection}/documents/{}", documents[0]["id"].as_str().unwrap());
    let deleted = user.delete(&tides).await;
    // At once, even before its points are deleted.
    let found = user.search(&collection, "what follows from tides").await;
    assert!(files(&found).iter().all(|name| *name == "bread.txt"), "{found:?}");
    deleted.expect(204);
    let operation = deleted.headers["location"].to_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let removal = user.wait_for_operation(&operation).await;
    assert_eq!((&removal["status"], &removal["meta"]["counts"]["removed"]), (&json!("completed"), &json!(1)));
    assert_eq!(points(&stack, &user, &collection).await, chunks[1]);
    let row = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    assert_eq!((&row["document_count"], &row["vector_count"]), (&json!(1), &json!(chunks[1])));

    let restore = user.post(&format!("{tides}/restore"), &json!({})).await.expect(202);
    let restored = user.wait_for_operation(restore["id"].as_str().unwrap()).await;
    assert_eq!(restored["meta"]["chunks"], json!({ "embedded": 0, "reused": chunks[0] }), "{restored}");
    assert_eq!(points(&stack, &user, &collection).await, chunks[0] + chunks[1]);
    let after = user.search(&collection, "what follows from tides").await;
    let answers = |results: &[Value]| -> Vec<(Value, Value)> {
        results.iter().map(|result| (result["text"].clone(), result["score"].clone())).collect()
    };
    assert_eq!(answers(&after), answers(&before), "the same vectors");
    user.post(&format!("{tides}/restore"), &json!({})).await.expect(409);
}

#[tokio::test]
async fn only_changed_chunks_of_a_document_are_embedded() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let paragraph = |subject: &str, n: usize| {
        format!("Paragraph {n} tells of {subject} and of what follows from {subject} for everybody.\n\n")
    };
    let book: String = (1..=80).map(|n| paragraph("tides", n)).collect();
    user.upload(&collection, &[Upload::text("book.md", book.clone())]).await;
    user.wait_until_idle(&collection).await;

    // Only the last paragraph changes.
    let text = book.replace(&paragraph("tides", 80), &paragraph("clay", 80));
    let announced = user.announce(&collection, &Upload::text("book.md", text.clone())).await;
    assert!(user.put(&announced, text.into()).await.is_success());
    let path = format!("/api/v2/collections/{collection}/operations?status=completed&type=append");
    let operations =
        user.wait_until(&path, |operations| operations.as_array().is_some_and(|all| all.len() == 2)).await;
    let report = &operations[0]["meta"];
    assert_eq!(report["counts"]["changed"], 1, "{report}");
    let there = points(&stack, &user, &collection).await;
    assert!(there > 4, "{there} chunks");
    assert_eq!(report["chunks"], json!({ "embedded": 1, "reused": there - 1 }), "{report}");
    let found = user.search(&collection, "what is told of clay").await;
    assert!(found.iter().any(|result| result["text"].as_str().unwrap().contains("clay")), "{found:?}");
}

#[tokio::test]
async fn failed_documents_are_retried_from_staged_bytes_or_else_from_their_source() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let folder = Path::new(&stack.directory_root).join(unique("retry"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("good.txt"), "Granite is an igneous rock.").unwrap();
    let binary: Vec<u8> = (0..5000_u32).map(|n| u8::try_from(n % 251).unwrap()).collect();
    for name in ["bad.txt", "worse.txt"] {
        std::fs::write(folder.join(name), [name.as_bytes(), &binary].concat()).unwrap();
    }
    let source = json!({ "source_type": "directory", "source_config": { "path": folder } });
    let added = user.post(&format!("/api/v2/collections/{collection}/sources"), &source).await.expect(202);
    let added = user.wait_for_operation(added["id"].as_str().unwrap()).await;
    assert_eq!((&added["meta"]["counts"]["new"], &added["meta"]["counts"]["failed"]), (&json!(1), &json!(2)));
    let collection_path = format!("/api/v2/collections/{collection}");
    let row = user.get(&collection_path).await.expect(200);
    assert_eq!(row["status"], "degraded");
    assert_eq!(row["status_message"], "2 of 3 documents could not be indexed");

    // Bytes that could not be read are not read again, unless that is asked for.
    let retry_all = format!("{collection_path}/documents/retry-failed");
    let retried = user.post(&retry_all, &json!({})).await.expect(200);
    assert_eq!((&retried["reset_count"], &retried["operation_id"]), (&json!(0), &Value::Null), "{retried}");
    // Then they fail for the same reason, and no other document is affected.
    let retried = user.post(&format!("{retry_all}?force=true"), &json!({})).await.expect(200);
    assert_eq!(retried["reset_count"], 2);
    let again = user.wait_for_operation(retried["operation_id"].as_str().unwrap()).await;
    assert_eq!((&again["meta"]["counts"]["failed"], &again["progress"]["total"]), (&json!(2), &json!(2)));

    // Their staged bytes are lost, and the source has valid files.
    for name in ["bad.txt", "worse.txt"] {
        std::fs::write(folder.join(name), format!("{name} tells of marble, a metamorphic rock.")).unwrap();
    }
    let bucket = artifacts::ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    while bucket.delete_page("raw", collection.parse().unwrap()).await.unwrap() {}
    let documents = user.get(&format!("{collection_path}/documents?status=failed")).await.expect(200);
    let failed = documents["documents"].as_array().unwrap();
    assert_eq!(failed.len(), 2, "{documents}");
    assert!(failed.iter().all(|document| document["retry_count"] == 1), "{documents}");
    assert!(failed[0]["error_message"].as_str().unwrap().contains("binary"), "{documents}");
    let one = format!("{collection_path}/documents/{}/retry", failed[0]["id"].as_str().unwrap());
    let refused = user.post(&one, &json!({})).await.expect(409);
    assert!(refused["detail"].as_str().unwrap().contains("binary"), "{refused}");
    let retried = user.post(&format!("{one}?force=true"), &json!({})).await.expect(200);
    let retry = user.wait_for_operation(retried["operation_id"].as_str().unwrap()).await;
    assert_eq!((&retry["meta"]["counts"]["new"], &retry["progress"]["total"]), (&json!(1), &json!(1)));
    assert_eq!(user.get(&collection_path).await.expect(200)["status"], "degraded");
    let retried = user.post(&format!("{retry_all}?force=true"), &json!({})).await.expect(200);
    user.wait_for_operation(retried["operation_id"].as_str().unwrap()).await;
    let row = user.get(&collection_path).await.expect(200);
    assert_eq!((&row["status"], &row["status_message"]), (&json!("ready"), &Value::Null), "{row}");
    assert_eq!(points(&stack, &user, &collection).await, 3);
}
