//! Lists and shows documents.

mod chunks;
mod lifecycle;
mod list;
mod push;

use serde_json::json;
use sqlx::PgPool;

use crate::harness::{Api, text};

async fn insert_documents(api: &Api) {
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, error_message)
        SELECT lpad(n::text, 32, '0')::uuid, (SELECT id FROM collections WHERE name = 'notes'),
            n::text, 'a/' || n, n::text, 10, (ARRAY['completed', 'failed', 'deleted'])[n]::document_status,
            CASE n WHEN 2 THEN 'not a text file' END
        FROM generate_series(1, 3) n;
        INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
        SELECT id, collection_id, 0, 'text/plain', 'raw/x', 'abc', 10 FROM documents WHERE status = 'completed'",
    )
    .await;
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn lists_include_failed_documents_with_their_reason(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    insert_documents(&api).await;
    let all = api.get(&format!("{collection}/documents"), &token).await.expect(200);
    assert_eq!(all["total"], 2);
    let failed = api.get(&format!("{collection}/documents?status=failed"), &token).await.expect(200);
    assert_eq!(
        (&failed["total"], &failed["documents"][0]["error_message"]),
        (&json!(1), &json!("not a text file"))
    );
    assert_eq!(api.get(&collection, &token).await.expect(200)["error_count"], 1);
    let wrong = api.get(&format!("{collection}/documents?status=done"), &token).await.problem(422);
    assert!(wrong.starts_with(r#"status: unknown document status"#), "{wrong}");
    let none = api.get(&format!("{collection}/documents?source_id=7&page=3"), &token).await.expect(200);
    assert_eq!(none["total"], 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn document_is_found_in_its_own_collection_only(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let other = api.create_collection(&token, "other").await;
    insert_documents(&api).await;
    api.sql(r#"UPDATE documents SET attributes = '{"topic": "tides"}'"#).await;
    let document = "documents/00000000-0000-0000-0000-000000000001";
    let shown = api.get(&format!("{collection}/{document}"), &token).await.expect(200);
    assert_eq!(text(&shown["file_path"]), "a/1");
    assert_eq!(shown["metadata"], json!({ "topic": "tides" }));
    api.get(&format!("{other}/{document}"), &token).await.expect(404);
    api.get(&format!("{other}/{document}/content"), &token).await.expect(404);
    api.get(&format!("{collection}/documents/no-id"), &token).await.problem(404);
    // The bucket is unavailable, which is not a missing document.
    api.get(&format!("{collection}/{document}/content"), &token).await.problem(503);
    // Without staged content, the bucket is not read.
    let failed = "documents/00000000-0000-0000-0000-000000000002/content";
    let nothing = api.get(&format!("{collection}/{failed}"), &token).await.problem(404);
    assert!(nothing.ends_with(": not a text file"), "{nothing}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn documents_link_to_their_original_or_to_their_download(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    insert_documents(&api).await;
    api.sql(
        "UPDATE documents SET url = 'https://example.org/tides', title = 'Tides', mime_type = 'text/html'
        WHERE status = 'failed'",
    )
    .await;
    let get = async |api: &Api, path: &str| {
        // Whoever sends a request could name any host here.
        let headers = [("host", "api.example.org"), ("x-forwarded-host", "evil.example.org")];
        api.send_with(http::Method::GET, path, &token, None, &headers).await.expect(200)
    };
    let document = "documents/00000000-0000-0000-0000-000000000001";
    let download = format!("https://api.example.org{collection}/{document}/content");
    let listed = get(&api, &format!("{collection}/documents")).await;
    let links: Vec<_> =
        listed["documents"].as_array().unwrap().iter().map(|document| &document["url"]).collect();
    assert_eq!(json!(links), json!([download, "https://example.org/tides"]));
    assert_eq!(listed["documents"][1]["title"], "Tides");
    assert_eq!(get(&api, &format!("{collection}/{document}")).await["url"], json!(download));
    let api = api.with_state(|state| {
        let limits = std::sync::Arc::make_mut(&mut state.limits);
        limits.api_url = Some("https://search.example.org/prod/".to_owned());
    });
    let shown = get(&api, &format!("{collection}/{document}")).await;
    assert_eq!(
        shown["url"],
        json!(format!("https://search.example.org/prod{collection}/{document}/content"))
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn readers_see_neither_deleted_documents_nor_places_on_the_server(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace, eve) = (api.sign_up("ada").await, api.sign_up("grace").await, api.sign_up("eve").await);
    let collection = api.create_collection(&ada, "notes").await;
    let grant = json!({ "username": "grace", "permission": "write" });
    api.post(&format!("{collection}/permissions"), &ada, grant).await.expect(201);
    api.send(http::Method::PATCH, &collection, &ada, Some(&json!({ "is_public": true }))).await.expect(200);
    insert_documents(&api).await;
    api.sql(
        "UPDATE documents SET uri = 'file:///srv/secret-place/' || file_path,
            error_message = 'cannot read /srv/secret-place' WHERE status <> 'completed'",
    )
    .await;
    let list = format!("{collection}/documents");
    let deleted = format!("{list}/00000000-0000-0000-0000-000000000003");
    let failed = format!("{list}/00000000-0000-0000-0000-000000000002");
    let (_, key) = api.api_key("ada", "read", &[]).await;
    for reader in [&eve, &key] {
        let refused = api.get(&format!("{list}?status=deleted"), reader).await.problem(403);
        assert!(refused.contains("write access required, got read access"), "{refused}");
        api.get(&deleted, reader).await.problem(404);
        for path in [&list, &failed, &format!("{failed}/content")] {
            let seen = api.get(path, reader).await.body.to_string();
            assert!(!seen.contains("secret-place"), "{path}: {seen}");
        }
        assert_eq!(api.get(&failed, reader).await.expect(200)["file_path"], "a/2");
    }
    assert_eq!(api.get(&format!("{list}?status=deleted"), &grace).await.expect(200)["total"], 1);
    assert_eq!(api.get(&deleted, &grace).await.expect(200)["status"], "deleted");
    assert_eq!(api.get(&failed, &grace).await.expect(200)["uri"], "file:///srv/secret-place/a/2");
}
