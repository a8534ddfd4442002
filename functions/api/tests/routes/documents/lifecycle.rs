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

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_purge_needs_admin_access_and_cannot_be_undone(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, writer) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let collection = api.create_collection(&ada, "notes").await;
    insert_documents(&api).await;
    api.sql(
        "INSERT INTO collection_permissions (collection_id, user_id, permission)
        SELECT c.id, u.id, 'write' FROM collections c, users u WHERE u.username = 'grace'",
    )
    .await;
    let purge = format!("{}?purge=true", document(&collection, 1));
    let refused = api.delete(&purge, &writer).await.problem(403);
    assert!(refused.contains("admin access required, got write"), "{refused}");
    api.delete(&format!("{}?purge=maybe", document(&collection, 1)), &ada).await.problem(422);
    api.delete(&document(&collection, 1), &writer).await.expect(204);

    // A deleted document can be purged; a document that is not deleted is deleted at once.
    let first = api.delete(&purge, &ada).await;
    let location = first.headers["location"].clone();
    first.expect(202);
    assert_eq!(api.get(location.to_str().unwrap(), &ada).await.expect(200)["type"], "remove_documents");
    let again = api.delete(&purge, &ada).await;
    assert_eq!(again.headers["location"], location);
    again.expect(202);
    api.delete(&format!("{}?purge=true", document(&collection, 2)), &ada).await.expect(202);
    assert_eq!(api.get(&collection, &ada).await.expect(200)["document_count"], 1);
    let restore = format!("{}/restore", document(&collection, 1));
    let refused = api.post(&restore, &ada, json!({})).await.problem(409);
    assert_eq!(refused, "the document is being purged; upload it again");

    // Until then, it is listed among the deleted ones.
    let deleted = format!("{collection}/documents?status=deleted");
    assert_eq!(api.get(&deleted, &ada).await.expect(200)["total"], 2);
    api.sql("UPDATE documents SET purged_at = now() WHERE purge_requested_at IS NOT NULL").await;
    assert_eq!(api.get(&deleted, &ada).await.expect(200)["total"], 0);
    api.get(&document(&collection, 1), &ada).await.problem(404);
    api.delete(&purge, &ada).await.problem(404);
    api.post(&restore, &ada, json!({})).await.problem(404);

    let audited =
        "SELECT string_agg(action || ' ' || (details ? 'uri'), ', ' ORDER BY id) FROM collection_audit_log
        WHERE action LIKE 'document_%'";
    assert_eq!(
        api.select(audited).await,
        "document_deleted true, document_purge_requested false, document_purge_requested false"
    );
}
