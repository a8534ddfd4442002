//! Which generations are erased, and what a purge leaves.

use chrono::{TimeDelta, Utc};
use domain::{Actor, DocumentStatus, ItemId, ItemState, OperationType};
use sqlx::PgPool;

use crate::operations::{BatchChunks, StagedItem, StagingOutcome};
use crate::testing::{Fixture, binary};

impl Fixture {
    /// Uploads a new version of a file and indexes it.
    async fn replace(&self, name: &str, hash: &str) {
        let (operation, items) = self.run_append(&[name]).await;
        self.index(items[0], name, hash).await;
        self.finish(operation).await;
    }

    async fn request_purge(&self, name: &str) -> bool {
        let id = self.document_id(name);
        self.connection().await.documents().request_purge(id, Actor::user(self.user_id)).await.unwrap()
    }

    /// Stages an uploaded file. Only an upload brings a document back that a user has deleted.
    async fn stage_upload(&self, item_id: ItemId, name: &str, hash: &str) -> bool {
        let mut connection = self.connection().await;
        let source = connection.collection_sources().find_or_create_upload(self.collection_id).await.unwrap();
        let staged = StagedItem {
            item_id,
            collection_id: self.collection_id,
            source_id: Some(source.id),
            document_id: self.document_id(name),
            content_hash: Some(hash),
            size_bytes: 10,
            mime_type: Some("text/plain"),
            change_hint: None,
            outcome: &StagingOutcome::Staged,
        };
        connection.operation_items().mark_staged(&staged).await.unwrap()
    }

    /// Embeds a staged document in one batch.
    async fn embed(&self, item_id: ItemId) {
        let mut connection = self.connection().await;
        assert!(connection.operation_items().mark_chunked(item_id, 2, 1, &[]).await.unwrap());
        connection
            .operation_items()
            .mark_batch_done(item_id, 0, BatchChunks::default())
            .await
            .unwrap()
            .unwrap();
    }

    /// Runs the removal of a deleted document to its end.
    async fn run_removal(&self, operation: domain::OperationId) {
        let items = self.claim(operation).await;
        self.remove(&items).await;
        self.finish(operation).await;
    }

    async fn queued(&self) -> i64 {
        sqlx::query_scalar("SELECT count(*) FROM erasures").fetch_one(&self.pool).await.unwrap()
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_first_version_queues_nothing(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a", "b"]).await;
    assert_eq!(fixture.queued().await, 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn replaced_generations_are_erased_when_the_next_one_is_searchable(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a"]).await;
    for version in 2..=5 {
        let (operation, items) = fixture.run_append(&["a"]).await;
        let hash = format!("h{version}");
        assert!(fixture.stage(items[0], "a", &hash, &StagingOutcome::Staged).await.unwrap());
        fixture.erase_due().await;
        assert_eq!(fixture.staged("a").await, [version - 1, version], "the former is searchable");
        fixture.embed(items[0]).await;
        fixture.erase_due().await;
        assert_eq!(fixture.staged("a").await, [version]);
        fixture.finish(operation).await;
    }
    assert_eq!(fixture.queued().await, 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_failed_version_is_kept_for_a_retry_until_another_one_is_staged(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a"]).await;
    let (operation, items) = fixture.run_append(&["a"]).await;
    assert!(fixture.stage(items[0], "a", "h2", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[0], &binary()).await);
    fixture.finish(operation).await;
    fixture.erase_due().await;
    assert_eq!(fixture.staged("a").await, [1, 2]);

    // A retry reads generation 2 until it ends.
    let retry = fixture.insert_operation(OperationType::RetryDocuments).await;
    let mut connection = fixture.connection().await;
    connection.documents().retry(fixture.collection_id, None, retry, true).await.unwrap();
    let items = fixture.claim(retry).await;
    connection.operation_items().begin_staging(retry, &items).await.unwrap();
    assert!(fixture.stage(items[0], "a", "h2", &StagingOutcome::Staged).await.unwrap());
    fixture.erase_due().await;
    assert_eq!(fixture.staged("a").await, [1, 2, 3]);
    fixture.embed(items[0]).await;
    fixture.erase_due().await;
    assert_eq!(fixture.staged("a").await, [3]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_an_open_item_reads_is_kept_until_it_ends(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a", "b"]).await;
    for column in ["copy", "base"] {
        // An item of b that reads the present generation of a.
        let before = fixture.document("a").await.generation.0;
        let operation = fixture.insert_operation(OperationType::Append).await;
        let a = fixture.document_id("a");
        fixture
            .execute(&format!(
                "INSERT INTO operation_items (operation_id, uri, location, file_name, {column}_document_id, {column}_generation)
                SELECT id, 'upload://b', 'x', 'b', '{a}', {before} FROM operations WHERE uuid = '{operation}'"
            ))
            .await;
        // A version that another operation, which ran before, makes searchable now.
        fixture
            .execute(&format!(
                "INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
                SELECT id, collection_id, {before} + 1, 'text/plain', 'raw/x', 'h', 10 FROM documents WHERE id = '{a}';
                UPDATE documents SET generation = {before} + 1, last_generation = {before} + 1 WHERE id = '{a}'"
            ))
            .await;
        fixture.erase_due().await;
        assert_eq!(fixture.staged("a").await, [before, before + 1], "{column}");
        fixture.execute("UPDATE operation_items SET state = 'cancelled' WHERE state = 'listed'").await;
        fixture.erase_due().await;
        assert_eq!(fixture.staged("a").await, [before + 1], "{column}");
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_rollback_finds_what_it_returns_to_until_the_replaced_index_is_dropped(pool: PgPool) {
    let (fixture, _) = Fixture::reindexed(pool, &["a", "b"]).await;
    fixture.erase_due().await;
    assert_eq!(fixture.staged("a").await, [1, 2]);
    let left: TimeDelta = {
        let due: chrono::DateTime<Utc> =
            sqlx::query_scalar("SELECT min(due_at) FROM erasures").fetch_one(&fixture.pool).await.unwrap();
        due - Utc::now()
    };
    assert!(left > TimeDelta::hours(23), "due when the index is: in {left}");

    // The grace period ends.
    fixture.execute("UPDATE retired_vector_stores SET drop_after = now()").await;
    fixture.connection().await.retired_vector_stores().claim_due(10).await.unwrap();
    fixture.let_time_pass().await;
    fixture.erase_due().await;
    assert_eq!((fixture.staged("a").await, fixture.staged("b").await), (vec![2], vec![2]));
    assert_eq!(fixture.queued().await, 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_rollback_makes_the_newer_generation_erasable(pool: PgPool) {
    let (fixture, _) = Fixture::reindexed(pool, &["a"]).await;
    let mut tx = fixture.db.begin().await.unwrap();
    tx.collections().roll_back(fixture.collection_id).await.unwrap();
    tx.commit().await.unwrap();
    fixture.let_time_pass().await;
    fixture.erase_due().await;
    assert_eq!(fixture.staged("a").await, [1]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_cancelled_reindex_leaves_nothing_staged(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a", "b"]).await;
    let (id, items, _) = fixture.run_reindex().await;
    fixture.index_anew(items[0]).await;
    assert!(fixture.connection().await.operation_items().mark_copied(items[1]).await.unwrap());
    fixture.let_time_pass().await;
    fixture.erase_due().await;
    assert_eq!((fixture.staged("a").await, fixture.staged("b").await), (vec![1, 2], vec![1, 2]));
    let mut tx = fixture.db.begin().await.unwrap();
    tx.operations().request_cancel(id).await.unwrap();
    tx.operations().cancel_open_items(id).await.unwrap();
    assert!(tx.operations().complete_if_done(id).await.unwrap().is_some());
    tx.commit().await.unwrap();
    fixture.erase_due().await;
    assert_eq!((fixture.staged("a").await, fixture.staged("b").await), (vec![1], vec![1]));
    assert_eq!(fixture.queued().await, 2, "once more in an hour, after stages that were still at it");
    fixture.let_time_pass().await;
    fixture.erase_due().await;
    assert_eq!(fixture.queued().await, 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_deleted_document_is_kept_and_restored_from_its_staged_bytes(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a"]).await;
    fixture.replace("a", "h2").await;
    let removal = fixture.delete("a").await;
    fixture.run_removal(removal).await;
    fixture.let_time_pass().await;
    assert_eq!((fixture.erase_due().await, fixture.staged("a").await), (0, vec![2]));
    let restoring = fixture.insert_operation(OperationType::RestoreDocuments).await;
    assert!(
        fixture.connection().await.documents().restore(fixture.document_id("a"), restoring).await.unwrap()
    );
    let items = fixture.claim(restoring).await;
    let mut connection = fixture.connection().await;
    let staging = connection.operation_items().begin_staging(restoring, &items).await.unwrap();
    assert_eq!(staging[0].staged_bytes.unwrap().generation.0, 2);
    drop(connection);
    fixture.index(items[0], "a", "h2").await;
    fixture.finish(restoring).await;
    fixture.erase_due().await;
    assert_eq!(fixture.staged("a").await, [3]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_purged_document_leaves_an_audit_entry_and_a_tombstone(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["marker-a", "b"]).await;
    fixture
        .execute(
            "INSERT INTO webhooks (id, user_id, url, events)
            SELECT gen_random_uuid(), owner_id, 'https://hooks.example.org', '{document.failed}' FROM collections",
        )
        .await;
    let (failing, items) = fixture.run_append(&["marker-a"]).await;
    let failure = crate::operations::ItemFailure::Failed {
        reason: "marker-text is not JSON".to_owned(),
        category: domain::ErrorCategory::Permanent,
    };
    assert!(fixture.stage(items[0], "marker-a", "marker-hash", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[0], &failure).await);
    fixture.finish(failing).await;
    // An upload and a push that arrived, a push run that has named the document, a listed item that was cancelled before its document was known, stored responses,
    // and messages that name the document.
    fixture
        .execute(
            r#"INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, status, expires_at)
            SELECT gen_random_uuid(), id, owner_id, 'marker-a', 'uploads/x/marker-a', 10, 'text/plain', 'received', now()
            FROM collections;
            INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, status, expires_at,
                uri, push_source, title, url)
            SELECT gen_random_uuid(), id, owner_id, 'other', 'x', 10, 'text/plain', 'received', now(),
                'upload://marker-a', 'crm', 'marker title', 'https://marker.example'
            FROM collections;
            INSERT INTO push_runs (id, collection_id, source_id, user_id)
            SELECT gen_random_uuid(), c.id, s.id, c.owner_id
            FROM collections c JOIN collection_sources s ON s.collection_id = c.id LIMIT 1;
            INSERT INTO push_run_documents (run_id, uri) SELECT id, 'upload://marker-a' FROM push_runs;
            INSERT INTO idempotency_keys (user_id, key, method, path, request_hash, response_status, response_body)
            SELECT owner_id, 'k', 'POST', '/api/v2/collections/' || id || '/uploads', '\x00', 201,
                '{"uploads": [{"name": "marker-a"}]}' FROM collections;
            UPDATE documents SET attributes = '{"topic": "marker"}', meta = '{"note": "marker"}' WHERE file_name = 'marker-a';
            INSERT INTO operations (uuid, collection_id, user_id, type, status, error_message)
            SELECT gen_random_uuid(), id, owner_id, 'reindex', 'failed',
                '1 of 2 documents cannot be reindexed; the first is marker-a: it was cancelled' FROM collections;
            INSERT INTO operation_items (operation_id, uri, location, file_name, state)
            SELECT id, 'upload://marker-a', 'uploads/x/marker-a', 'marker-a', 'cancelled'
            FROM operations WHERE type = 'reindex';
            INSERT INTO webhook_deliveries (id, webhook_id, collection_id, event_type, payload)
            SELECT gen_random_uuid(), w.id, c.id, 'operation.failed', jsonb_build_object(
                'data', jsonb_build_object('reason', '1 of 2 documents cannot be reindexed; the first is marker-a: cancelled'))
            FROM webhooks w, collections c;
            UPDATE collections SET status_message =
                'the last reindex failed: 1 of 2 documents cannot be reindexed; the first is marker-a: it was cancelled'"#,
        )
        .await;
    let id = fixture.document_id("marker-a");
    fixture
        .execute(&format!(
            "INSERT INTO collection_audit_log (collection_id, user_id, action, details)
            SELECT id, owner_id, 'document_deleted', jsonb_build_object('document_id', '{id}', 'uri', 'upload://marker-a')
            FROM collections"
        ))
        .await;
    let before = fixture.columns_with("marker").await;
    assert!(before.len() > 15, "{before:?}");
    assert!(before.contains(&"webhook_deliveries.payload".to_owned()), "{before:?}");

    assert!(!fixture.request_purge("marker-a").await, "it is not deleted");
    let removal = fixture.delete("marker-a").await;
    assert!(fixture.request_purge("marker-a").await);
    assert!(!fixture.request_purge("marker-a").await, "requested before");
    let mut connection = fixture.connection().await;
    assert_eq!(fixture.erase_due().await, 0, "its points are not deleted");
    assert_eq!(fixture.staged("marker-a").await, [1, 2]);
    let restoring = fixture.insert_operation(OperationType::RestoreDocuments).await;
    assert!(!connection.documents().restore(id, restoring).await.unwrap());
    fixture.run_removal(removal).await;
    fixture.let_time_pass().await;
    let plan = connection.erasures().plan(id).await.unwrap().unwrap();
    assert!(plan.erases(plan.newest), "also what was never registered");
    assert_eq!(fixture.erase_due().await, 1);

    assert_eq!(fixture.columns_with("marker").await, Vec::<String>::new());
    let told: Vec<(String, String)> = sqlx::query_as(
        "SELECT event_type, payload #>> '{data,reason}' FROM webhook_deliveries ORDER BY event_type",
    )
    .fetch_all(&fixture.pool)
    .await
    .unwrap();
    let purged = "the document was purged".to_owned();
    assert_eq!(
        told,
        [("document.failed".to_owned(), purged.clone()), ("operation.failed".to_owned(), purged)]
    );
    assert_eq!(connection.documents().find(id).await.unwrap(), None);
    assert_eq!(fixture.staged("marker-a").await, Vec::<i32>::new());
    assert_eq!(fixture.staged("b").await, [1], "another document");
    let (user_id, details): (Option<i64>, serde_json::Value) = sqlx::query_as(
        "SELECT user_id, details - 'requested_at' FROM collection_audit_log WHERE action = 'document_purged'",
    )
    .fetch_one(&fixture.pool)
    .await
    .unwrap();
    assert_eq!(
        (user_id, details),
        (Some(fixture.user_id.0), serde_json::json!({ "document_id": id, "reason": "request" }))
    );
    // Once more in an hour, and then never again.
    assert_eq!(fixture.queued().await, 1);
    fixture.let_time_pass().await;
    assert_eq!((fixture.erase_due().await, fixture.queued().await), (0, 0));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_purged_document_stays_away_from_its_source_and_comes_back_by_an_upload(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source = fixture.source("/srv/a").await;
    let reading = fixture.read_source(source, &["a"]).await;
    fixture.finish(reading).await;
    let removal = fixture.delete("a").await;
    assert!(fixture.request_purge("a").await);
    fixture.run_removal(removal).await;
    assert_eq!(fixture.erase_due().await, 1);

    let again = fixture.read_source(source, &["a"]).await;
    assert_eq!(fixture.counts(again).await.skipped, 1, "the source still lists it");
    fixture.finish(again).await;
    assert_eq!(fixture.connection().await.documents().find(fixture.document_id("a")).await.unwrap(), None);

    let (operation, items) = fixture.run_append(&["a"]).await;
    assert!(fixture.stage_upload(items[0], "a", "h9").await);
    fixture.embed(items[0]).await;
    fixture.finish(operation).await;
    let back = fixture.document("a").await;
    assert_eq!((back.status, back.uri.as_deref()), (DocumentStatus::Completed, Some("upload://a")));
    assert!(back.generation.0 > 1, "no number is handed out twice: {:?}", back.generation);
    fixture.let_time_pass().await;
    fixture.erase_due().await;
    assert_eq!(fixture.staged("a").await, [back.generation.0]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_upload_after_the_request_turns_the_purge_into_an_erasure(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a"]).await;
    let removal = fixture.delete("a").await;
    assert!(fixture.request_purge("a").await);
    fixture.run_removal(removal).await;
    let plan = fixture.connection().await.erasures().plan(fixture.document_id("a")).await.unwrap().unwrap();
    // It arrives while sweep deletes the objects of the plan.
    let (operation, items) = fixture.run_append(&["a"]).await;
    let mut connection = fixture.connection().await;
    assert!(fixture.stage_upload(items[0], "a", "h2").await);
    connection.erasures().record(&plan).await.unwrap();
    assert!(!connection.erasures().redact(&plan).await.unwrap());
    let staged = fixture.staged("a").await;
    assert_eq!(staged.len(), 1, "{staged:?}");
    assert!(!plan.erases(domain::Generation(staged[0])), "the upload's number is later");
    fixture.embed(items[0]).await;
    fixture.finish(operation).await;
    fixture.let_time_pass().await;
    assert_eq!((fixture.erase_due().await, fixture.staged("a").await), (0, staged));
    assert_eq!(fixture.document("a").await.status, DocumentStatus::Completed);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_upload_before_the_request_does_not_bring_the_document_back(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a"]).await;
    // Its item is listed when the purge is requested, and its bytes are being staged.
    let (operation, items) = fixture.run_append(&["a"]).await;
    let removal = fixture.delete("a").await;
    assert!(fixture.request_purge("a").await);
    assert_eq!(fixture.erase_due().await, 0, "a stage is reading it");
    let mut connection = fixture.connection().await;
    connection.operation_items().settle(operation, &items).await.unwrap();
    let item = connection.operation_items().find_latest_of_document(fixture.document_id("a")).await.unwrap();
    assert_eq!(item.unwrap().state, ItemState::Listed, "of the removal");
    assert_eq!(fixture.counts(operation).await.skipped, 1);
    fixture.finish(operation).await;
    fixture.run_removal(removal).await;
    fixture.let_time_pass().await;
    let plan = connection.erasures().plan(fixture.document_id("a")).await.unwrap().unwrap();
    assert!(plan.erases(domain::Generation(2)), "what the stage may have written");
    assert_eq!(fixture.erase_due().await, 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn deleted_documents_are_purged_after_the_retention_period(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["old", "recent", "live"]).await;
    for name in ["old", "recent"] {
        let removal = fixture.delete(name).await;
        fixture.run_removal(removal).await;
    }
    fixture
        .execute("UPDATE documents SET deleted_at = now() - interval '31 days' WHERE file_name = 'old'")
        .await;
    let before = Utc::now() - TimeDelta::days(30);
    let mut connection = fixture.connection().await;
    assert_eq!(connection.documents().request_expired_purges(before, 100).await.unwrap(), 1);
    assert_eq!(connection.documents().request_expired_purges(before, 100).await.unwrap(), 0);
    assert_eq!(fixture.erase_due().await, 1);
    assert_eq!(connection.documents().find(fixture.document_id("old")).await.unwrap(), None);
    assert_eq!(fixture.document("recent").await.status, DocumentStatus::Deleted);
    let (user_id, reason): (Option<i64>, String) = sqlx::query_as(
        "SELECT user_id, details ->> 'reason' FROM collection_audit_log WHERE action = 'document_purged'",
    )
    .fetch_one(&fixture.pool)
    .await
    .unwrap();
    assert_eq!((user_id, reason.as_str()), (None, "retention"));
}

#[sqlx::test(migrations = false)]
async fn what_was_replaced_before_the_upgrade_is_queued_and_the_bytes_are_counted_anew(pool: PgPool) {
    let db = crate::Db::from_pool(pool.clone());
    crate::migrate(&db).await.unwrap();
    crate::undo_to(&db, 20_261_130_000_299).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x');
        INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
        SELECT gen_random_uuid(), 'notes', id, 'v', 'model', 256, 51 FROM users;
        INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, generation, last_generation)
        SELECT gen_random_uuid(), id, n::text, 'p', 'n', 10, 'completed', n, n FROM collections, generate_series(1, 3) n;
        INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
        SELECT d.id, collection_id, n, 'text/plain', 'raw/x', 'h', 10 FROM documents d, generate_series(1, generation) n",
    )
    .execute(&pool)
    .await
    .unwrap();
    crate::migrate(&db).await.unwrap();
    let counted: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM erasures), used_documents, used_bytes FROM collection_resource_limits",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(counted, (2, 3, 60));
}
