//! Invalid input is rejected with what was received, what is allowed and what to do.

use bytes::Bytes;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload, unique};

async fn user() -> TestUser {
    TestUser::register(&Stack::from_env()).await
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_indistinguishable() {
    let user = user().await;
    let wrong = json!({ "username": user.username, "password": "not the password" });
    let unknown = json!({ "username": unique("nobody"), "password": "not the password" });
    let mut answers = Vec::new();
    for body in [wrong, unknown] {
        let mut problem = user.post("/api/auth/login", &body).await.expect(401);
        problem["request_id"] = Value::Null;
        answers.push(problem);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["status"], 401);
}

#[tokio::test]
async fn a_token_of_another_signer_is_rejected() {
    let mut user = user().await;
    user.access_token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4IiwiZXhwIjoxfQ.c2lnbmF0dXJl".to_owned();
    let refusal = user.get("/api/auth/me").await;
    assert!(refusal.headers.contains_key("www-authenticate"));
    let problem = refusal.expect(401);
    assert!(problem["detail"].as_str().unwrap().contains("token"), "{problem}");
}

#[tokio::test]
async fn the_collection_of_another_user_does_not_exist() {
    let (owner, stranger) = (user().await, user().await);
    let collection = owner.create_collection().await;
    let path = format!("/api/v2/collections/{collection}");
    stranger.get(&path).await.expect(404);
    stranger.delete(&path).await.expect(404);
    stranger.get(&format!("{path}/documents")).await.expect(404);
    let files = json!({ "files": [{ "name": "a.txt", "size": 1, "content_type": "text/plain" }] });
    stranger.post(&format!("{path}/uploads"), &files).await.expect(404);
    let search = json!({ "collection_uuids": [collection], "query": "anything" });
    let problem = stranger.post("/api/v2/search", &search).await.expect(404);
    assert!(problem["detail"].as_str().unwrap().contains(&collection), "{problem}");
    owner.get(&path).await.expect(200);
}

#[tokio::test]
async fn anonymous_callers_are_rejected() {
    let anonymous = TestUser::anonymous(&Stack::from_env());
    anonymous.get("/api/v2/collections").await.expect(401);
    anonymous.post("/api/v2/search", &json!({ "collection_uuids": [], "query": "x" })).await.expect(401);
}

#[tokio::test]
async fn an_unknown_model_names_the_known_ones() {
    let body = json!({ "name": unique("c"), "embedding_model": "acme/none" });
    let problem = user().await.post("/api/v2/collections", &body).await.expect(422);
    assert_json_snapshot!(problem, { ".request_id" => "[id]" }, @r#"
    {
      "type": "about:blank",
      "title": "Unprocessable Entity",
      "status": 422,
      "detail": "embedding_model: unknown model; semantik/all-MiniLM-L3-128, sentence-transformers/all-MiniLM-L6-v2 allowed, got \"acme/none\"",
      "request_id": "[id]",
      "errors": [
        {
          "field": "embedding_model",
          "message": "unknown model; semantik/all-MiniLM-L3-128, sentence-transformers/all-MiniLM-L6-v2 allowed, got \"acme/none\""
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn an_overlap_as_long_as_the_chunk_is_rejected() {
    let body = json!({ "name": unique("c"), "chunk_size": 100, "chunk_overlap": 100 });
    let problem = user().await.post("/api/v2/collections", &body).await.expect(422);
    assert_json_snapshot!(problem, { ".request_id" => "[id]" }, @r#"
    {
      "type": "about:blank",
      "title": "Unprocessable Entity",
      "status": 422,
      "detail": "chunk_overlap: 100 tokens are not less than a chunk of 100; choose 0 to 99",
      "request_id": "[id]",
      "errors": [
        {
          "field": "chunk_overlap",
          "message": "100 tokens are not less than a chunk of 100; choose 0 to 99"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_chunk_size_above_the_models_limit_is_rejected() {
    let body = json!({ "name": unique("c"), "chunk_size": 512 });
    let problem = user().await.post("/api/v2/collections", &body).await.expect(422);
    assert_json_snapshot!(problem, { ".request_id" => "[id]" }, @r#"
    {
      "type": "about:blank",
      "title": "Unprocessable Entity",
      "status": 422,
      "detail": "chunk_size: 512 tokens are more than the 256 that sentence-transformers/all-MiniLM-L6-v2 reads; choose 16 to 256",
      "request_id": "[id]",
      "errors": [
        {
          "field": "chunk_size",
          "message": "512 tokens are more than the 256 that sentence-transformers/all-MiniLM-L6-v2 reads; choose 16 to 256"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn an_empty_file_is_skipped_with_a_reason() {
    let user = user().await;
    let collection = user.create_collection().await;
    let files = [Upload::text("empty.txt", ""), Upload::text("blank.txt", " \n\t\n")];
    for document in user.upload(&collection, &files).await {
        assert_eq!(document["status"], "skipped", "{document}");
        assert!(document["error_message"].as_str().is_some_and(|reason| !reason.is_empty()), "{document}");
    }
    user.wait_until_idle(&collection).await;
    let row = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    assert_eq!(row["status"], "ready", "a skipped document is not a failure");
}

#[tokio::test]
async fn a_binary_file_named_txt_fails_with_a_reason() {
    let user = user().await;
    let collection = user.create_collection().await;
    let binary = Upload {
        name: "program.txt".to_owned(),
        bytes: Bytes::from([b'a', 0, 1, 2, 3, 4, 5, 6].repeat(100)),
        content_type: "text/plain".to_owned(),
    };
    let document = &user.upload(&collection, &[binary]).await[0];
    assert_eq!(document["status"], "failed", "{document}");
    assert_eq!(document["error_category"], "permanent", "{document}");
    let reason = document["error_message"].as_str().unwrap();
    assert!(reason.contains("binary") || reason.contains("NUL"), "{reason}");
    user.wait_until_idle(&collection).await;
    let row = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    assert_eq!(row["status"], "degraded");
}

#[tokio::test]
async fn names_with_path_traversal_are_rejected_and_unusual_ones_accepted() {
    let user = user().await;
    let collection = user.create_collection().await;
    let path = format!("/api/v2/collections/{collection}/uploads");
    for name in ["../secrets.txt", "a/../../b.txt", "/etc/passwd", "", "a\\b.txt", "a\u{0}b.txt"] {
        let files = json!({ "files": [{ "name": name, "size": 1, "content_type": "text/plain" }] });
        let problem = user.post(&path, &files).await.expect(422);
        assert_eq!(problem["errors"][0]["field"], "files[0].name", "{problem}");
    }
    let document =
        &user.upload(&collection, &[Upload::text("Größe 📏 100%+.txt", "A ruler measures length.")]).await[0];
    assert_eq!(document["status"], "completed", "{document}");
    assert_eq!(document["file_name"], "Größe 📏 100%+.txt");
}

#[tokio::test]
async fn identical_files_are_searchable_each() {
    let user = user().await;
    let collection = user.create_collection().await;
    let text = "Granite is a coarse-grained igneous rock.";
    let first = &user.upload(&collection, &[Upload::text("granite.txt", text)]).await[0];
    user.wait_until_idle(&collection).await;
    // The same name again is unchanged. The same bytes under another name are a document of its own.
    let again = &user.upload(&collection, &[Upload::text("granite.txt", text)]).await[0];
    let copy = &user.upload(&collection, &[Upload::text("copy of granite.txt", text)]).await[0];
    user.wait_until_idle(&collection).await;
    assert_eq!(again["id"], first["id"]);
    assert_eq!(copy["duplicate_of"], first["id"], "{copy}");
    assert_eq!(copy["status"], "completed");
    assert_eq!(user.search(&collection, "igneous rock").await.len(), 1);
}

#[tokio::test]
async fn an_upload_of_another_size_than_announced_is_rejected_by_the_bucket() {
    let user = user().await;
    let collection = user.create_collection().await;
    let announced = user.announce(&collection, &Upload::text("a.txt", "twelve bytes")).await;
    let status = user.put(&announced, "more than twelve bytes".into()).await;
    // The length is signed: S3 answers SignatureDoesNotMatch.
    assert_eq!(status, 403);
}

#[tokio::test]
async fn incomplete_bodies_are_explained() {
    let user = user().await;
    let missing = user.post("/api/v2/collections", &json!({ "description": "no name" })).await.expect(422);
    assert!(missing["detail"].as_str().unwrap().contains("name"), "{missing}");
    let search =
        user.post("/api/v2/search", &json!({ "collection_uuids": [], "query": "" })).await.expect(422);
    let fields: Vec<&str> =
        search["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["collection_uuids", "query"]);
}
