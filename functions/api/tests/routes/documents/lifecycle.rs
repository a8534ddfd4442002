//! Deletes, restores and retries documents; removes sources.

use serde_json::json;
use sqlx::PgPool;

use crate::harness::{Api, text};

/// Documents 1 to 3: completed with two chunks, failed, cancelled.
async fn insert_documents(api: &Api) {
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, chunk_count, generation)
        SELECT lpad(n::text, 32, '0')::uuid, (SELECT id FROM collections WHERE name = 'notes'),
            n::text, 'a/' || n, n::text, 10, (ARRAY['completed', 'failed', 'cancelled'])[n]::document_status,
            CASE n WHEN 1 THEN 2 ELSE 0 END, CASE n WHEN 1 THEN 1 ELSE 0 END
        FROM generate_series(1, 3) n;
        UPDATE documents SET error_category = 'unknown', error_message = 'x' WHERE status = 'failed';
        UPDATE collections SET document_count = 3, vector_count = 2, total_size_bytes = 30",
    )
    .await;
}

fn document(collection: &str, number: u8) -> String {
    format!("{collection}/documents/00000000-0000-0000-0000-00000000000{number}")
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn document_is_deleted_at_once_and_can_be_restored(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    insert_documents(&api).await;
    let first = api.delete(&document(&collection, 1), &token).await;
    let location = first.headers["location"].to_str().unwrap().to_owned();
    first.expect(204);
    assert_eq!(api.get(&location, &token).await.expect(200)["type"], "remove_documents");
    let shown = api.get(&collection, &token).await.expect(200);
    assert_eq!((&shown["document_count"], &shown["vector_count"]), (&json!(2), &json!(0)));
    // A second deletion shares the pending operation.
    let second = api.delete(&document(&collection, 2), &token).await;
    assert_eq!(second.headers["location"], location.as_str());
    api.delete(&document(&collection, 1), &token).await.problem(404);
    let refused = api.delete(&location, &token).await.problem(409);
    assert!(refused.contains("restore the documents instead"), "{refused}");

    let restore = format!("{}/restore", document(&collection, 1));
    assert_eq!(api.post(&restore, &token, json!({})).await.expect(202)["type"], "restore_documents");
    assert_eq!(api.get(&document(&collection, 1), &token).await.expect(200)["status"], "pending");
    let again = api.post(&restore, &token, json!({})).await.problem(409);
    assert_eq!(again, "the document is pending; only deleted documents can be restored");
    let actions =
        "SELECT string_agg(action, ' ' ORDER BY id) FROM collection_audit_log WHERE action LIKE 'document_%'";
    assert_eq!(api.select(actions).await, "document_deleted document_deleted document_restored");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn only_failed_documents_are_retried(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let all = format!("{collection}/documents/retry-failed");
    let nothing = api.post(&all, &token, json!({})).await.expect(200);
    assert_eq!((&nothing["reset_count"], &nothing["operation_id"]), (&json!(0), &json!(null)));
    assert_eq!(api.select("SELECT count(*)::text FROM operations WHERE type = 'retry_documents'").await, "0");

    insert_documents(&api).await;
    let retried = api.post(&all, &token, json!({})).await.expect(200);
    assert_eq!((&retried["reset_count"], &retried["pending_count"]), (&json!(1), &json!(1)));
    assert_eq!(retried["message"], "retrying 1 document");
    let operation = format!("/api/v2/operations/{}", text(&retried["operation_id"]));
    assert_eq!(api.get(&operation, &token).await.expect(200)["progress"]["total"], 1);
    let shown = api.get(&document(&collection, 2), &token).await.expect(200);
    assert_eq!((&shown["status"], &shown["retry_count"]), (&json!("pending"), &json!(1)));

    let cancelled = format!("{}/retry", document(&collection, 3));
    assert_eq!(api.post(&cancelled, &token, json!({})).await.expect(200)["reset_count"], 1);
    let indexed = format!("{}/retry", document(&collection, 1));
    let refused = api.post(&indexed, &token, json!({})).await.problem(409);
    assert_eq!(refused, "the document is completed; only failed or cancelled documents can be retried");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn source_is_removed_once_by_id_or_path(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let sources = format!("{collection}/sources");
    let reading = api.post(&sources, &token, json!({ "source_path": "/srv/docs/a" })).await.expect(202);
    let removal = api.delete(&format!("{sources}/{}", reading["source_id"]), &token).await.expect(202);
    assert_eq!(removal["type"], "remove_source");
    let stopped = format!("/api/v2/operations/{}", text(&reading["id"]));
    assert_eq!(
        api.get(&stopped, &token).await.expect(200)["status"],
        "cancelled",
        "the source is no longer read"
    );
    let again = api.delete(&format!("{sources}?source_path=/srv/docs/a"), &token).await.expect(202);
    assert_eq!(again["id"], removal["id"]);
    api.delete(&format!("{sources}?source_path=/srv/docs/b"), &token).await.problem(404);
    api.delete(&format!("{sources}/999"), &token).await.problem(404);
    api.delete(&sources, &token).await.problem(422);
    let other = api.create_collection(&token, "other").await;
    api.delete(&format!("{other}/sources/{}", reading["source_id"]), &token).await.problem(404);
}
