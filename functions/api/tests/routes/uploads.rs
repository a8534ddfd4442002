//! Announcing uploads and showing their status.

use serde_json::json;
use sqlx::PgPool;

use crate::harness::{Api, text};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn each_announced_file_gets_a_presigned_url_for_itself_only(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let path = api.create_collection(&token, "notes").await;
    let files = json!({ "files": [
        { "name": "guides/🦀 été.md", "size": 12, "content_type": "text/markdown", "sha256": "ab".repeat(32) },
        { "name": "empty", "size": 0 },
    ] });
    let answer = api.post(&format!("{path}/uploads"), &token, files).await.expect(201);
    let crab = &answer["uploads"][0];
    assert_eq!((&crab["name"], &crab["method"]), (&json!("guides/🦀 été.md"), &json!("PUT")));
    assert_eq!(crab["headers"]["content-length"], "12");
    assert_eq!(crab["headers"]["content-type"], "text/markdown");
    assert_eq!(crab["headers"]["x-amz-checksum-sha256"], "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=");
    let url = text(&crab["url"]);
    assert!(url.contains("/guides/%F0%9F%A6%80%20%C3%A9t%C3%A9.md?"), "{url}");
    assert!(url.contains("X-Amz-Expires=3600"), "{url}");
    assert_eq!(answer["uploads"][1]["headers"]["content-type"], "application/octet-stream");

    let list = api.get(&format!("{path}/uploads?status=expected"), &token).await.expect(200);
    assert_eq!((&list["total"], &list["uploads"][0]["size"]), (&json!(2), &json!(12)));
    let audit =
        api.select("SELECT details::text FROM collection_audit_log WHERE action = 'uploads_announced'").await;
    assert_eq!(audit, r#"{"bytes": 12, "files": 2}"#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn names_with_parent_folders_are_refused(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let path = api.create_collection(&token, "notes").await;
    let files = json!({ "files": [{ "name": "a/../../b", "size": 1 }, { "name": "ok", "size": -1 }] });
    let refused = api.post(&format!("{path}/uploads"), &token, files).await.expect(422);
    insta::assert_json_snapshot!(refused, {".request_id" => "[id]"}, @r#"
    {
      "detail": "files[0].name: contains the folder \"..\"; names of folders allowed between two '/', got \"a/../../b\"; files[1].size: out of range; 0 to 5368709120 bytes allowed, got -1",
      "errors": [
        {
          "field": "files[0].name",
          "message": "contains the folder \"..\"; names of folders allowed between two '/', got \"a/../../b\""
        },
        {
          "field": "files[1].size",
          "message": "out of range; 0 to 5368709120 bytes allowed, got -1"
        }
      ],
      "request_id": "[id]",
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM uploads").await, "0");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn metadata_of_a_file_is_validated_and_stored(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let uploads = format!("{}/uploads", api.create_collection(&token, "notes").await);
    let said = json!({ "topic": "tides", "year": 2024, "draft": false });
    let files = json!({ "files": [
        { "name": "a", "size": 1, "metadata": said },
        { "name": "b", "size": 1, "metadata": null },
        { "name": "c", "size": 1, "metadata": {} },
    ] });
    api.post(&uploads, &token, files).await.expect(201);
    let list = api.get(&uploads, &token).await.expect(200);
    let kept: Vec<_> = (0..3).map(|n| list["uploads"][n]["metadata"].clone()).collect();
    assert_eq!(kept, [said, json!(null), json!({})]);

    let wrong = json!({ "files": [{ "name": "d", "size": 1, "metadata": { "pages": 1.5, "tags": ["a"] } }] });
    let problem = api.post(&uploads, &token, wrong).await.problem(422);
    assert!(problem.contains(r#"files[0].metadata: "pages" has a wrong type"#), "{problem}");
    assert!(problem.contains(r#""tags" has a wrong type; a string, a 64-bit integer"#), "{problem}");
    let text = json!({ "files": [{ "name": "d", "size": 1, "metadata": "tides" }] });
    api.post(&uploads, &token, text).await.problem(422);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_message_of_an_expired_upload_says_what_to_do(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let path = api.create_collection(&token, "notes").await;
    let files = json!({ "files": [{ "name": "a.md", "size": 1 }] });
    let announced = api.post(&format!("{path}/uploads"), &token, files).await.expect(201);
    let upload = format!("{path}/uploads/{}", text(&announced["uploads"][0]["id"]));
    let expected = api.get(&upload, &token).await.expect(200);
    assert_eq!(expected["status"], "expected");
    assert!(text(&expected["message"]).starts_with("nothing uploaded yet; PUT the file"), "{expected}");

    api.sql("UPDATE uploads SET status = 'expired'").await;
    let expired = api.get(&upload, &token).await.expect(200);
    let message = text(&expired["message"]);
    assert!(message.contains("\"a.md\"") && message.contains("announce it again"), "{message}");

    let other = api.create_collection(&token, "other").await;
    let elsewhere = upload.replace(&path, &other);
    api.get(&elsewhere, &token).await.expect(404);
}
