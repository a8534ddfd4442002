//! Pushes documents, and finds and deletes them by their URIs.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api, text};
use crate::storage::Storage;

async fn push(api: &Api, token: &str, collection: &str, body: Value) -> Answer {
    api.send(Method::PUT, &format!("{collection}/documents/by-uri"), token, Some(&body)).await
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_pushed_document_is_announced_and_written_with_what_is_said_of_it(pool: PgPool) {
    let (storage, api) = Storage::with_api(pool).await;
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let body = json!({
        "uri": "CRM://tickets/17", "title": " Printer ", "text": "Out of order.", "source": "crm",
        "url": "https://crm.example.org/17", "metadata": { "status": "open" },
    });
    let answer = push(&api, &token, &collection, body).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let pushed = answer.expect(202);
    assert_eq!((&pushed["uri"], &pushed["source"]), (&json!("crm://tickets/17"), &json!("crm")));
    assert_eq!(pushed["upload"], location);
    let collection_id = collection.rsplit('/').next().unwrap();
    let id = domain::document_id(collection_id.parse().unwrap(), "crm://tickets/17");
    assert_eq!(pushed["document_id"], id.to_string());

    let key = format!("/staging/announced/{collection_id}/{}", text(&pushed["upload_id"]));
    let content_type = "text/plain; charset=utf-8".to_owned();
    assert_eq!(storage.take(), [(key, content_type, text(&pushed["upload_id"]), b"Out of order.".to_vec())]);
    let upload = api.get(&location, &token).await.expect(200);
    assert_eq!(
        (&upload["uri"], &upload["source"], &upload["title"], &upload["url"], &upload["name"]),
        (
            &json!("crm://tickets/17"),
            &json!("crm"),
            &json!("Printer"),
            &json!("https://crm.example.org/17"),
            &json!("tickets/17")
        )
    );
    assert_eq!((&upload["size"], &upload["metadata"]), (&json!(13), &json!({ "status": "open" })));

    let base64 =
        json!({ "uri": "crm://a.pdf", "content_base64": "JVBERi0=", "mime_type": "application/pdf" });
    push(&api, &token, &collection, base64).await.expect(202);
    let written = storage.take();
    assert_eq!((written[0].1.as_str(), written[0].3.as_slice()), ("application/pdf", b"%PDF-".as_slice()));
    let sources = api.get(&format!("{collection}/sources"), &token).await.expect(200);
    let paths: Vec<_> =
        sources["items"].as_array().unwrap().iter().map(|source| &source["source_path"]).collect();
    assert_eq!(paths, ["push:crm", "push:push"]);
    assert_eq!(sources["items"][0]["source_type"], "push");
    let audited = "SELECT string_agg(details ->> 'uri', ' ' ORDER BY id) FROM collection_audit_log
        WHERE action = 'document_pushed'";
    assert_eq!(api.select(audited).await, "crm://tickets/17 crm://a.pdf");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn content_that_is_too_large_is_refused_with_the_way_out(pool: PgPool) {
    let (storage, api) = Storage::with_api(pool).await;
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let fits = json!({ "uri": "crm:1", "text": "a".repeat(1_000_000) });
    push(&api, &token, &collection, fits).await.expect(202);
    storage.take();
    let over = json!({ "uri": "crm:1", "text": "a".repeat(1_000_001) });
    let refused = push(&api, &token, &collection, over).await.problem(413);
    assert_eq!(
        refused,
        format!(
            "the content, 1000001 bytes, is too large to be pushed in one request; at most 1000000 bytes allowed. \
             Announce the content with POST {collection}/uploads, with the same uri, and PUT it to the presigned URL"
        )
    );
    let far_over = json!({ "uri": "crm:1", "text": "a".repeat(2 << 20) });
    let refused = push(&api, &token, &collection, far_over).await.problem(413);
    assert!(refused.starts_with("the request body is too large") && refused.contains("2 MiB"), "{refused}");
    assert_eq!(storage.take(), []);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn larger_documents_are_announced_under_their_uris(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let uploads = format!("{collection}/uploads");
    let file = |uri: &str| json!({ "name": "large.txt", "size": 5_000_000, "uri": uri, "title": "Large" });
    let files = json!({ "source": "crm", "files": [file("crm:1"), file("crm:2"), { "name": "large.txt", "size": 1 }] });
    api.post(&uploads, &token, files).await.expect(201);
    let stored =
        "SELECT string_agg(concat_ws(' ', name, uri, push_source, title), ', ' ORDER BY id) FROM uploads";
    assert_eq!(api.select(stored).await, "large.txt crm:1 crm Large, large.txt crm:2 crm Large, large.txt");
    let twice = json!({ "files": [file("crm:1"), file("CRM:1"), file("s3://a/b")] });
    let refused = api.post(&uploads, &token, twice).await.problem(422);
    assert!(
        refused.contains(r#"files[1].uri: not unique; one file of each URI allowed, got "crm:1" twice"#),
        "{refused}"
    );
    assert!(refused.contains(r#"files[2].uri: the scheme "s3" belongs"#), "{refused}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_push_whose_object_cannot_be_written_counts_no_more(pool: PgPool) {
    // S3 is unreachable.
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let answer = push(&api, &token, &collection, json!({ "uri": "crm:1", "text": "a" })).await;
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(answer.problem(503), "the document could not be stored; repeat the request");
    assert_eq!(api.select("SELECT string_agg(status::text, ' ') FROM uploads").await, "withdrawn");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_belongs_to_one_source(pool: PgPool) {
    let (_, api) = Storage::with_api(pool).await;
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let body = |source: &str| json!({ "uri": "crm://tickets/17", "text": "a", "source": source });
    push(&api, &token, &collection, body("crm")).await.expect(202);
    api.sql(
        "INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, status)
        SELECT gen_random_uuid(), collection_id, id, 'crm://tickets/17', 'x', 'x', 1, 'completed'
        FROM collection_sources",
    )
    .await;
    push(&api, &token, &collection, body("crm")).await.expect(202);
    let refused = push(&api, &token, &collection, body("wiki")).await.problem(409);
    assert_eq!(
        refused,
        r#""crm://tickets/17" is a document of the source "push:crm", not of "push:wiki"; push it with "source": "crm", or delete it first"#
    );
    assert_eq!(api.select("SELECT count(*)::text FROM collection_sources").await, "1");
    api.sql("UPDATE documents SET status = 'deleted', deleted_at = now()").await;
    push(&api, &token, &collection, body("wiki")).await.expect(202);

    let unknown = json!({ "uri": "crm:2", "text": "a", "run_id": uuid::Uuid::nil() });
    let refused = push(&api, &token, &collection, unknown).await.problem(409);
    assert!(refused.ends_with("the source has no open run; begin one, or push without run_id"), "{refused}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_is_found_and_deleted_by_its_uri(pool: PgPool) {
    let (_, api) = Storage::with_api(pool).await;
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let by_uri = |uri: &str| format!("{collection}/documents/by-uri?uri={uri}");
    let document =
        |uri: &str| domain::document_id(collection.rsplit('/').next().unwrap().parse().unwrap(), uri);
    api.get(&by_uri("crm%3A%2F%2Ftickets%2F17"), &token).await.problem(404);
    // Still on its way.
    push(&api, &token, &collection, json!({ "uri": "crm://tickets/17", "text": "a" })).await.expect(202);
    api.delete(&by_uri("crm%3A%2F%2Ftickets%2F17"), &token).await.expect(204);
    assert_eq!(api.select("SELECT status::text FROM uploads").await, "withdrawn");
    let refused = api.delete(&by_uri("crm%3A%2F%2Ftickets%2F17"), &token).await.problem(404);
    assert!(refused.ends_with(r#""crm://tickets/17""#), "{refused}");

    for uri in ["crm://tickets/17", "upload://a.txt"] {
        sqlx::query(
            "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
            SELECT $1, id, $2, 'x', 'x', 1, 'completed' FROM collections",
        )
        .bind(document(uri).0)
        .bind(uri)
        .execute(&api.pool)
        .await
        .unwrap();
    }
    let shown = api.get(&by_uri("CRM%3A%2F%2Ftickets%2F17"), &token).await.expect(200);
    assert_eq!(shown["id"], document("crm://tickets/17").to_string());
    api.get(&by_uri("upload%3A%2F%2Fa.txt"), &token).await.expect(200);
    let deleted = api.delete(&by_uri("crm%3A%2F%2Ftickets%2F17"), &token).await;
    let operation = deleted.headers["location"].to_str().unwrap().to_owned();
    deleted.expect(204);
    assert_eq!(api.get(&operation, &token).await.expect(200)["type"], "remove_documents");
    api.delete(&by_uri("crm%3A%2F%2Ftickets%2F17"), &token).await.problem(404);
    api.delete(&format!("{}&purge=true", by_uri("crm%3A%2F%2Ftickets%2F17")), &token).await.expect(202);
}
