//! From an upload to a search result.

use domain::ArtifactKey;
use serde_json::json;
use testkit::{Stack, TestUser, Upload};

const TIDES: &str = "The tide rises twice a day because the Moon's pull is stronger on the near side of the Earth than on the far side.";
const BREAD: &str = "A sourdough starter is flour and water in which wild yeast and lactic acid bacteria live. Feed it daily.";
const LOCKS: &str =
    "A mutex lets one thread at a time into a critical section; the others wait until it is released.";

#[tokio::test]
async fn uploaded_files_are_found_by_meaning() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let files = [
        Upload::text("nature/tides.txt", TIDES),
        Upload::text("kitchen/bread.md", BREAD),
        Upload::text("code/locks.txt", LOCKS),
    ];
    for document in user.upload(&collection, &files).await {
        assert_eq!(document["status"], "completed", "{document}");
        assert_eq!(document["chunk_count"], 1, "{document}");
    }
    for (question, file) in [
        ("why does the sea level change during the day", "nature/tides.txt"),
        ("how do I bake without bought yeast", "kitchen/bread.md"),
        ("protecting shared data between concurrent tasks", "code/locks.txt"),
    ] {
        let results = user.search(&collection, question).await;
        assert_eq!(results[0]["file_path"], file, "{question}");
    }
}

#[tokio::test]
async fn a_search_reports_its_timings_and_results() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    user.upload(&collection, &[Upload::text("tides.txt", TIDES)]).await;
    let body = json!({ "collection_uuids": [collection], "query": "the Moon", "k": 3 });
    let answer = user.post("/api/v2/search", &body).await.expect(200);

    assert_eq!(answer["total_results"], 1);
    assert_eq!(answer["results"][0]["text"], TIDES);
    assert_eq!(answer["results"][0]["collection_id"], json!(collection));
    assert_eq!(answer["search_mode_used"], "dense");
    assert_eq!(answer["partial_failure"], false);
    let total = answer["total_time_ms"].as_f64().unwrap();
    let parts: f64 = ["embedding_ms", "qdrant_ms", "postgres_ms", "rest_ms"]
        .iter()
        .map(|part| answer["timings"][part].as_f64().unwrap())
        .sum();
    assert!((total - parts).abs() < 1.0, "{parts} ms of parts in {total} ms: {answer}");
}

#[tokio::test]
async fn files_written_to_the_bucket_become_searchable() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let bucket = artifacts::ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    let key = ArtifactKey::Dropped {
        collection_id: collection.parse().unwrap(),
        name: "dropped/über 🍞.txt".to_owned(),
    };
    bucket.write(&key, BREAD, "text/plain").await.unwrap();

    let document = user.wait_for_document(&collection, "dropped/über 🍞.txt").await;
    assert_eq!(document["status"], "completed", "{document}");
    let results = user.search(&collection, "baking with wild yeast").await;
    assert_eq!(results[0]["document_id"], document["id"]);
}

#[tokio::test]
async fn a_replaced_file_is_found_by_its_new_content_only() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let first = &user.upload(&collection, &[Upload::text("note.txt", TIDES)]).await[0];

    let announced = user.announce(&collection, &Upload::text("note.txt", LOCKS)).await;
    assert!(user.put(&announced, LOCKS.into()).await.is_success());
    let upload = format!("/api/v2/collections/{collection}/uploads/{}", announced["id"].as_str().unwrap());
    let upload = user.wait_until(&upload, |upload| upload["status"] == "received").await;
    user.wait_for_operation(upload["operation_id"].as_str().unwrap()).await;

    let results = user.search(&collection, "the Moon pulls the sea").await;
    assert_eq!(results.len(), 1, "old chunks are still found: {results:?}");
    assert_eq!(results[0]["text"], LOCKS);
    assert_eq!(results[0]["document_id"], first["id"], "the document keeps its id");
}

#[tokio::test]
async fn counts_and_progress_add_up() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let files: Vec<Upload> = (0..12)
        .map(|number| Upload::text(&format!("{number}.txt"), format!("{TIDES} Version {number}.")))
        .collect();
    user.upload(&collection, &files).await;
    user.wait_until_idle(&collection).await;

    let row = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    assert_eq!(row["document_count"], 12);
    assert_eq!(row["vector_count"], 12);
    assert_eq!(row["status"], "ready");
    let bytes: usize = files.iter().map(|file| file.bytes.len()).sum();
    assert_eq!(row["total_size_bytes"], bytes);
    let listed = user.get(&format!("/api/v2/collections/{collection}/operations")).await.expect(200);
    let operations = listed["operations"].as_array().or(listed.as_array()).cloned().unwrap();
    let done: i64 = operations.iter().filter_map(|operation| operation["progress"]["done"].as_i64()).sum();
    assert_eq!(done, 12, "{operations:?}");
}

#[tokio::test]
async fn a_documents_content_is_downloaded_unchanged_and_never_executed() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let page = Upload {
        name: "page.html".to_owned(),
        bytes: "<html><body><h1>Tides</h1><script>alert(1)</script><p>The Moon pulls.</p></body></html>"
            .into(),
        content_type: "text/html".to_owned(),
    };
    let document = &user.upload(&collection, std::slice::from_ref(&page)).await[0];
    let id = document["id"].as_str().unwrap();
    let content = user.get(&format!("/api/v2/collections/{collection}/documents/{id}/content")).await;
    assert_eq!(content.status.as_u16(), 200);
    assert_eq!(content.bytes, page.bytes);
    // A stored page must not run in the browser.
    assert_eq!(content.headers["x-content-type-options"], "nosniff");
    let disposition = content.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment"), "{disposition}");

    let results = user.search(&collection, "Moon").await;
    let text = results[0]["text"].as_str().unwrap();
    assert!(text.contains("The Moon pulls.") && !text.contains("alert"), "{text}");
}
