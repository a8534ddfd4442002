//! A file whose name was typed on a Mac and on Linux is one document, found in either spelling.

use serde_json::json;
use testkit::{Stack, TestUser, Upload};

/// `ü/Größe é.txt` as Linux and Windows write it, and as a Mac's file system does.
const COMPOSED: &str = "\u{fc}/Gr\u{f6}\u{df}e \u{e9}.txt";
const DECOMPOSED: &str = "u\u{308}/Gro\u{308}\u{df}e e\u{301}.txt";

#[tokio::test]
async fn both_spellings_of_a_name_are_one_document() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    for (name, content) in [(COMPOSED, "The tide rises at noon."), (DECOMPOSED, "The tide rises at dusk.")] {
        let announced = user.announce(&collection, &Upload::text(name, content)).await;
        assert_eq!(announced["name"], COMPOSED);
        assert!(user.put(&announced, content.into()).await.is_success());
        let path = format!("/api/v2/collections/{collection}/uploads/{}", announced["id"].as_str().unwrap());
        let upload = user.wait_until(&path, |upload| upload["status"] == "received").await;
        user.wait_for_operation(upload["operation_id"].as_str().unwrap()).await;
    }
    let documents = user.get(&format!("/api/v2/collections/{collection}/documents")).await.expect(200);
    assert_eq!(documents["total"], 1, "{documents}");
    assert_eq!(documents["documents"][0]["file_path"], COMPOSED);
    for filter in [
        json!({ "file_name": "Gr\u{f6}\u{df}e \u{e9}.txt" }),
        json!({ "file_name": "Gro\u{308}\u{df}e e\u{301}.txt" }),
        json!({ "path_prefix": "\u{fc}" }),
        json!({ "path_prefix": "u\u{308}/" }),
    ] {
        let body = json!({ "collection_uuids": [collection], "query": "tide", "metadata_filter": filter });
        let answer = user.post("/api/v2/search", &body).await.expect(200);
        assert_eq!(answer["results"].as_array().unwrap().len(), 1, "{filter}: {answer}");
        assert!(answer["results"][0]["text"].as_str().unwrap().contains("dusk"), "{answer}");
    }
}
