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
    assert_eq!(crab["headers"]["x-amz-meta-upload-id"], crab["id"]);
    assert_eq!(crab["headers"]["if-none-match"], "*");
    let url = text(&crab["url"]);
    let (collection, id) = (path.rsplit('/').next().unwrap().to_owned(), text(&crab["id"]));
    assert!(url.contains(&format!("/announced/{collection}/{id}?")), "{url}");
    assert!(url.contains("X-Amz-Expires=900"), "{url}");
    assert!(url.contains("x-amz-meta-upload-id") && url.contains("if-none-match"), "signed: {url}");
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

    api.sql(
        "UPDATE uploads SET status = 'refused', reason = 'size: not as announced; must be 1 bytes, got 2'",
    )
    .await;
    let refused = api.get(&upload, &token).await.expect(200);
    assert_eq!(refused["reason"], "size: not as announced; must be 1 bytes, got 2");
    assert!(
        text(&refused["message"]).ends_with("size: not as announced; must be 1 bytes, got 2"),
        "{refused}"
    );

    let other = api.create_collection(&token, "other").await;
    let elsewhere = upload.replace(&path, &other);
    api.get(&elsewhere, &token).await.expect(404);
    api.delete(&elsewhere, &token).await.expect(404);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn large_files_get_more_time(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let path = api.create_collection(&token, "notes").await;
    let files = json!({ "files": [{ "name": "a", "size": 100 << 20 }] });
    let answer = api.post(&format!("{path}/uploads"), &token, files).await.expect(201);
    assert!(text(&answer["uploads"][0]["url"]).contains("X-Amz-Expires=1000"), "{answer}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_writer_withdraws_an_upload_any_number_of_times_until_it_arrives(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "notes").await;
    let files = json!({ "files": [{ "name": "a.md", "size": 1 }] });
    let announced = api.post(&format!("{path}/uploads"), &ada, files).await.expect(201);
    let upload = format!("{path}/uploads/{}", text(&announced["uploads"][0]["id"]));
    api.delete(&upload, &grace).await.expect(404);
    api.delete(&upload, &ada).await.expect(204);
    api.delete(&upload, &ada).await.expect(204);
    assert_eq!(api.get(&upload, &ada).await.expect(200)["status"], "withdrawn");
    let audit = "SELECT count(*)::text FROM collection_audit_log WHERE action = 'upload_withdrawn'";
    assert_eq!(api.select(audit).await, "1");
    api.sql("UPDATE uploads SET status = 'received'").await;
    assert_eq!(
        api.delete(&upload, &ada).await.problem(409),
        r#""a.md" has arrived; delete its document instead"#
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn open_announcements_are_limited_for_each_announcer(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "notes").await;
    api.sql(
        "INSERT INTO collection_permissions (collection_id, user_id, permission)
        SELECT c.id, u.id, 'write' FROM collections c, users u WHERE username = 'grace'",
    )
    .await;
    api.sql(
        "INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at)
        SELECT gen_random_uuid(), c.id, u.id, n::text, n::text, 1, 'text/plain', now() + interval '1 hour'
        FROM collections c, users u, generate_series(1, 999) AS n WHERE username = 'grace'",
    )
    .await;
    let announce = async |token: &str, size: i64| {
        let files = json!({ "files": [{ "name": "a.md", "size": size }] });
        api.post(&format!("{path}/uploads"), token, files).await
    };
    announce(&grace, 1).await.expect(201);
    assert_eq!(
        announce(&grace, 1).await.problem(409),
        "with these files you would have 1001 open announcements, and at most 1000 are allowed; upload or withdraw \
         some, or wait until they expire"
    );
    announce(&ada, 1).await.expect(201);

    // Bytes count against the announcer's own quota too.
    api.sql("DELETE FROM uploads").await;
    api.sql(
        "INSERT INTO user_resource_limits (user_id, max_storage_bytes) SELECT id, 10 FROM users WHERE username = 'grace'
        ON CONFLICT (user_id) DO UPDATE SET max_storage_bytes = 10",
    )
    .await;
    announce(&grace, 10).await.expect(201);
    let refused = announce(&grace, 1).await.problem(409);
    assert!(
        refused.starts_with("with these files you would have 11 open bytes in announcements"),
        "{refused}"
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn announcements_of_a_user_who_lost_access_do_not_fill_the_owners_quota(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "notes").await;
    let other = api.create_collection(&ada, "other").await;
    api.sql(
        "INSERT INTO collection_permissions (collection_id, user_id, permission)
        SELECT c.id, u.id, 'write' FROM collections c, users u WHERE username = 'grace' AND c.name = 'notes'",
    )
    .await;
    let gib = 5_i64 << 30;
    let files: Vec<_> = (0..10).map(|n| json!({ "name": n.to_string(), "size": gib })).collect();
    let body = json!({ "files": files, "expires_in_seconds": 86_400 });
    api.post(&format!("{path}/uploads"), &grace, body).await.expect(201);
    let more = json!({ "files": [{ "name": "a.md", "size": 1000 }] });
    api.post(&format!("{other}/uploads"), &ada, more.clone()).await.problem(409);
    api.sql("DELETE FROM collection_permissions").await;
    api.post(&format!("{other}/uploads"), &ada, more).await.expect(201);
}
