//! The state machine of operations, items and documents, on a real PostgreSQL.

use std::time::Duration;

use domain::{
    CollectionId, DocumentId, DocumentStatus, ErrorCategory, ItemId, ItemState, OperationId, OperationStatus,
    OperationType, UserId, document_id,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::documents::{Document, Documents};
use crate::item_work::ItemFailure;
use crate::operation_items::NewItem;
use crate::operations::{ItemCounts, NewOperation, OperationQuery};
use crate::staging::{StagedItem, StagingOutcome};
use crate::{Connection, Db};

/// A collection with its upload source, and shorthands for what the stages do.
struct Bench {
    db: Db,
    pool: PgPool,
    user_id: UserId,
    collection_id: CollectionId,
}

impl Bench {
    async fn new(pool: PgPool) -> Self {
        let user_id: i64 = sqlx::query_scalar(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x') RETURNING id",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        let collection_id = Uuid::new_v4();
        sqlx::query(
            "INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            VALUES ($1, 'notes', $2, $1::text, 'model', 256, 51)",
        )
        .bind(collection_id)
        .bind(user_id)
        .execute(&pool)
        .await
        .unwrap();
        Self {
            db: Db::from_pool(pool.clone()),
            pool,
            user_id: UserId(user_id),
            collection_id: CollectionId(collection_id),
        }
    }

    async fn connection(&self) -> Connection {
        self.db.connection().await.unwrap()
    }

    async fn insert_operation(&self, operation_type: OperationType) -> OperationId {
        let mut connection = self.connection().await;
        let source = connection.collection_sources().find_or_create_upload(self.collection_id).await.unwrap();
        let new = NewOperation {
            id: OperationId(Uuid::new_v4()),
            collection_id: self.collection_id,
            user_id: self.user_id,
            source_id: Some(source.id),
            operation_type,
            config: json!({}),
        };
        connection.operations().insert(&new).await.unwrap().id
    }

    /// A running append operation with these files on its work list.
    async fn run_append(&self, names: &[&str]) -> (OperationId, Vec<ItemId>) {
        let operation_id = self.insert_operation(OperationType::Append).await;
        let mut connection = self.connection().await;
        let items: Vec<NewItem> = names.iter().map(|name| item(name, "v1")).collect();
        connection.operation_items().insert_many(operation_id, &items).await.unwrap();
        assert!(connection.operations().claim(operation_id).await.unwrap());
        let mut items = connection.operation_items();
        let ids = items.list_undispatched(operation_id, ItemId(0), 100).await.unwrap();
        items.begin_staging(operation_id, &ids).await.unwrap();
        (operation_id, ids)
    }

    async fn stage(
        &self,
        item_id: ItemId,
        name: &str,
        hash: &str,
        outcome: &StagingOutcome,
    ) -> Result<bool, crate::DbError> {
        let staged = StagedItem {
            item_id,
            collection_id: self.collection_id,
            source_id: None,
            document_id: self.document_id(name),
            content_hash: Some(hash),
            size_bytes: 10,
            mime_type: Some("text/plain"),
            change_hint: None,
            outcome,
        };
        self.connection().await.operation_items().mark_staged(&staged).await
    }

    /// Everything that happens to a file that is indexed in one batch of two chunks.
    async fn index(&self, item_id: ItemId, name: &str, hash: &str) {
        assert!(self.stage(item_id, name, hash, &StagingOutcome::Staged).await.unwrap());
        let mut connection = self.connection().await;
        assert!(connection.operation_items().mark_chunked(item_id, 2, 1).await.unwrap());
        let done = connection.operation_items().mark_batch_done(item_id, 0).await.unwrap().unwrap();
        assert!(done.replaced_generation.is_some());
    }

    async fn finish(&self, operation_id: OperationId) {
        let mut connection = self.connection().await;
        assert!(connection.operations().mark_scan_finished(operation_id).await.unwrap());
        assert!(connection.operations().complete_if_done(operation_id).await.unwrap().is_some());
    }

    fn document_id(&self, name: &str) -> DocumentId {
        document_id(self.collection_id, &format!("upload://{name}"))
    }

    async fn document(&self, name: &str) -> Document {
        self.connection().await.documents().find(self.document_id(name)).await.unwrap().unwrap()
    }

    async fn counts(&self, operation_id: OperationId) -> ItemCounts {
        self.connection().await.operations().item_counts(operation_id).await.unwrap()
    }

    async fn fail(&self, item_id: ItemId, failure: &ItemFailure) -> bool {
        let mut tx = self.db.begin().await.unwrap();
        let failed = tx.operation_items().mark_failed(item_id, failure).await.unwrap();
        tx.commit().await.unwrap();
        failed
    }
}

fn item(name: &str, hint: &str) -> NewItem {
    NewItem {
        uri: format!("upload://{name}"),
        location: format!("uploads/x/{name}"),
        file_name: name.to_owned(),
        size_bytes: 10,
        mime_type: None,
        change_hint: Some(hint.to_owned()),
    }
}

fn binary() -> ItemFailure {
    ItemFailure::Failed { reason: "this is a binary file".to_owned(), category: ErrorCategory::Permanent }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn one_of_many_simultaneous_claimers_starts_the_oldest_operation(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let oldest = bench.insert_operation(OperationType::Append).await;
    let later = bench.insert_operation(OperationType::Append).await;
    let mut claims = tokio::task::JoinSet::new();
    for round in 0..12 {
        let (db, id) = (bench.db.clone(), if round % 3 == 0 { later } else { oldest });
        claims
            .spawn(async move { (id, db.connection().await.unwrap().operations().claim(id).await.unwrap()) });
    }
    let winners: Vec<OperationId> =
        claims.join_all().await.into_iter().filter_map(|(id, is_claimed)| is_claimed.then_some(id)).collect();
    assert_eq!(winners, [oldest]);

    bench.finish(oldest).await;
    let mut connection = bench.connection().await;
    assert_eq!(connection.operations().next_pending(bench.collection_id).await.unwrap(), Some(later));
    assert!(connection.operations().claim(later).await.unwrap());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_older_operation_that_appears_late_waits(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let mut slow = bench.pool.begin().await.unwrap();
    let older = Uuid::new_v4();
    sqlx::query("INSERT INTO operations (uuid, collection_id, user_id, type) VALUES ($1, $2, $3, 'append')")
        .bind(older)
        .bind(bench.collection_id.0)
        .bind(bench.user_id.0)
        .execute(&mut *slow)
        .await
        .unwrap();
    let newer = bench.insert_operation(OperationType::Append).await;
    assert!(bench.connection().await.operations().claim(newer).await.unwrap());
    slow.commit().await.unwrap();
    assert!(!bench.connection().await.operations().claim(OperationId(older)).await.unwrap());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn two_last_finishers_complete_the_operation_once(pool: PgPool) {
    let bench = Bench::new(pool).await;
    for round in 0..10 {
        let names = [format!("{round}-a"), format!("{round}-b")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (operation_id, items) = bench.run_append(&names).await;
        for (id, name) in items.iter().zip(&names) {
            bench.stage(*id, name, name, &StagingOutcome::Staged).await.unwrap();
            bench.connection().await.operation_items().mark_chunked(*id, 1, 1).await.unwrap();
        }
        bench.connection().await.operations().mark_scan_finished(operation_id).await.unwrap();
        let mut finishers = tokio::task::JoinSet::new();
        for id in items {
            let db = bench.db.clone();
            finishers.spawn(async move {
                let mut connection = db.connection().await.unwrap();
                connection.operation_items().mark_batch_done(id, 0).await.unwrap().unwrap();
                connection.operations().complete_if_done(operation_id).await.unwrap()
            });
        }
        let completed = finishers.join_all().await.into_iter().flatten().count();
        assert_eq!(completed, 1, "round {round}");
    }
    let metrics: i64 =
        sqlx::query_scalar("SELECT count(*) FROM operation_metrics WHERE name = 'documents_indexed'")
            .fetch_one(&bench.pool)
            .await
            .unwrap();
    assert_eq!(metrics, 10);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn batches_that_end_at_once_flip_the_document_once(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (_, items) = bench.run_append(&["a"]).await;
    bench.stage(items[0], "a", "h", &StagingOutcome::Staged).await.unwrap();
    bench.connection().await.operation_items().mark_chunked(items[0], 2000, 8).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for batch in (0..8).chain(0..8) {
        let (db, id) = (bench.db.clone(), items[0]);
        workers.spawn(async move {
            db.connection().await.unwrap().operation_items().mark_batch_done(id, batch).await.unwrap()
        });
    }
    let done: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let last = done.iter().filter(|done| done.replaced_generation.is_some()).count();
    assert_eq!(last, 1);
    let document = bench.document("a").await;
    assert_eq!(
        (document.status, document.generation, document.chunk_count),
        (DocumentStatus::Completed, 1, 2000)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn terminal_items_and_operations_never_change(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation_id, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    bench.finish(operation_id).await;
    let before = bench.connection().await.operations().find(operation_id).await.unwrap();

    assert!(!bench.stage(items[0], "a", "other", &StagingOutcome::Staged).await.unwrap());
    assert!(!bench.fail(items[0], &binary()).await);
    let mut connection = bench.connection().await;
    assert!(!connection.operation_items().mark_chunked(items[0], 9, 9).await.unwrap());
    assert!(!connection.operation_items().mark_cancelled(items[0]).await.unwrap());
    assert_eq!(connection.operation_items().mark_batch_done(items[0], 0).await.unwrap(), None);
    assert!(!connection.operations().claim(operation_id).await.unwrap());
    assert!(!connection.operations().mark_scan_finished(operation_id).await.unwrap());
    assert!(!connection.operations().advance_cursor(operation_id, None, Some("x")).await.unwrap());
    assert_eq!(connection.operations().complete_if_done(operation_id).await.unwrap(), None);
    let failed =
        connection.operations().mark_failed(operation_id, "late", ErrorCategory::Unknown).await.unwrap();
    assert_eq!(failed, None);

    assert_eq!(connection.operations().find(operation_id).await.unwrap(), before);
    assert_eq!(bench.document("a").await.content_hash.as_deref(), Some("h"));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn completion_waits_for_the_listing_and_settles_every_count(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation_id, items) = bench.run_append(&["a", "b", "c"]).await;
    bench.index(items[0], "a", "1").await;
    assert!(bench.stage(items[1], "b", "2", &StagingOutcome::Staged).await.unwrap());
    assert!(bench.fail(items[1], &binary()).await);
    let empty = StagingOutcome::Skipped { reason: "the file is empty: 0 bytes".to_owned() };
    assert!(bench.stage(items[2], "c", "3", &empty).await.unwrap());
    let mut connection = bench.connection().await;
    assert_eq!(connection.operations().complete_if_done(operation_id).await.unwrap(), None);
    bench.finish(operation_id).await;

    let operation = connection.operations().find(operation_id).await.unwrap().unwrap();
    assert_eq!(operation.status, OperationStatus::Completed);
    assert_eq!(operation.meta, json!({"counts": {"completed": 1, "failed": 1, "skipped": 1}}));
    let collection = connection.collections().find_any(bench.collection_id).await.unwrap().unwrap();
    assert_eq!((collection.document_count, collection.vector_count, collection.total_size_bytes), (3, 2, 30));
    assert_eq!(collection.status.as_str(), "degraded");
    assert_eq!(collection.status_message.as_deref(), Some("1 of 3 documents could not be indexed"));
    let source = connection.collection_sources().find_or_create_upload(bench.collection_id).await.unwrap();
    assert_eq!(source.last_run_status.as_deref(), Some("partial"));
    let counts = bench.counts(operation_id).await;
    assert_eq!(
        counts,
        ItemCounts { completed: 1, failed: 1, skipped: 1, bytes: 30, ..ItemCounts::default() }
    );
    let audit: String =
        sqlx::query_scalar("SELECT action FROM collection_audit_log").fetch_one(&bench.pool).await.unwrap();
    assert_eq!(audit, "operation_completed");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_changed_document_shows_its_old_version_until_the_new_one_is_indexed(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "old").await;
    bench.finish(first).await;

    let (_, items) = bench.run_append(&["a"]).await;
    let staging = bench
        .connection()
        .await
        .operation_items()
        .begin_staging(OperationId(Uuid::nil()), &items)
        .await
        .unwrap();
    assert_eq!(staging, [], "items are found by their own operation only");
    bench.stage(items[0], "a", "new", &StagingOutcome::Staged).await.unwrap();
    let between = bench.document("a").await;
    assert_eq!(
        (between.status, between.generation, between.last_generation),
        (DocumentStatus::Completed, 1, 2)
    );
    let mut connection = bench.connection().await;
    connection.operation_items().mark_chunked(items[0], 5, 1).await.unwrap();
    let done = connection.operation_items().mark_batch_done(items[0], 0).await.unwrap().unwrap();
    assert_eq!(done.replaced_generation, Some(1));
    let after = bench.document("a").await;
    assert_eq!((after.generation, after.chunk_count, after.content_hash.as_deref()), (2, 5, Some("new")));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_same_change_hint_needs_no_staging(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a", "b"]).await;
    bench.index(items[0], "a", "1").await;
    bench.index(items[1], "b", "2").await;
    bench.finish(first).await;

    let second = bench.insert_operation(OperationType::Append).await;
    let mut connection = bench.connection().await;
    let mut items = connection.operation_items();
    items.insert_many(second, &[item("a", "v1"), item("b", "v2"), item("c", "v1")]).await.unwrap();
    assert_eq!(items.mark_unchanged(second, ItemId(0)).await.unwrap(), 1);
    let left = items.list_undispatched(second, ItemId(0), 10).await.unwrap();
    assert_eq!(left.len(), 2);
    items.mark_dispatched(&left).await.unwrap();
    assert_eq!(items.list_undispatched(second, ItemId(0), 10).await.unwrap(), []);
    // Listing the page again changes nothing.
    assert_eq!(items.insert_many(second, &[item("a", "v1"), item("c", "v9")]).await.unwrap(), 0);
    assert_eq!(bench.counts(second).await.unchanged, 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn equal_bytes_are_claimed_by_one_document(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation_id, items) = bench.run_append(&["a", "b"]).await;
    bench.stage(items[0], "a", "same", &StagingOutcome::Staged).await.unwrap();
    let refused = bench.stage(items[1], "b", "same", &StagingOutcome::Staged).await.unwrap_err();
    assert_eq!(refused.constraint(), Some(Documents::HASH_CONSTRAINT));

    let mut connection = bench.connection().await;
    let context = connection
        .documents()
        .staging_context(bench.collection_id, bench.document_id("b"), "same")
        .await
        .unwrap();
    let twin = context.twin.unwrap();
    assert_eq!((twin.id, twin.is_indexed), (bench.document_id("a"), true));
    let duplicate = StagingOutcome::Duplicate { original: twin.id };
    assert!(bench.stage(items[1], "b", "same", &duplicate).await.unwrap());

    // What cannot be indexed under one name cannot be indexed under the other.
    assert!(bench.fail(items[0], &binary()).await);
    let (original, copy) = (bench.document("a").await, bench.document("b").await);
    assert_eq!((original.status, copy.status), (DocumentStatus::Failed, DocumentStatus::Failed));
    assert_eq!(copy.error_message, original.error_message);
    bench.finish(operation_id).await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_duplicate_takes_the_place_of_an_original_that_changes(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a", "b"]).await;
    bench.index(items[0], "a", "same").await;
    let duplicate = StagingOutcome::Duplicate { original: bench.document_id("a") };
    assert!(bench.stage(items[1], "b", "same", &duplicate).await.unwrap());
    bench.finish(first).await;
    assert_eq!(bench.connection().await.operations().next_pending(bench.collection_id).await.unwrap(), None);

    let (second, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "different").await;
    bench.finish(second).await;
    let mut connection = bench.connection().await;
    let third = connection.operations().next_pending(bench.collection_id).await.unwrap().unwrap();
    assert_eq!(connection.operation_items().mark_unchanged(third, ItemId(0)).await.unwrap(), 0);
    let items = connection.operation_items().list_undispatched(third, ItemId(0), 10).await.unwrap();
    connection.operations().claim(third).await.unwrap();
    let staging = connection.operation_items().begin_staging(third, &items).await.unwrap();
    assert_eq!(staging.iter().map(|item| item.uri.as_str()).collect::<Vec<_>>(), ["upload://b"]);
    bench.index(items[0], "b", "same").await;
    let promoted = bench.document("b").await;
    assert_eq!((promoted.duplicate_of, promoted.chunk_count), (None, 2));
    bench.finish(third).await;
    assert_eq!(connection.operations().next_pending(bench.collection_id).await.unwrap(), None);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_claim_left_over_by_a_stopped_run_is_seen_through(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "old").await;
    bench.finish(first).await;
    let (second, items) = bench.run_append(&["a"]).await;
    bench.stage(items[0], "a", "new", &StagingOutcome::Staged).await.unwrap();
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations()
        .mark_failed(second, "the source is gone", ErrorCategory::Permanent)
        .await
        .unwrap()
        .unwrap();
    tx.commit().await.unwrap();
    assert_eq!(bench.document("a").await.status, DocumentStatus::Completed, "what was searchable stays so");
    assert_eq!(bench.counts(second).await.failed, 1);

    let mut connection = bench.connection().await;
    let context = connection
        .documents()
        .staging_context(bench.collection_id, bench.document_id("b"), "new")
        .await
        .unwrap();
    assert!(!context.twin.unwrap().is_indexed);
    connection.documents().release_hash(bench.document_id("a"), "new").await.unwrap();
    let (_, items) = bench.run_append(&["b"]).await;
    bench.index(items[0], "b", "new").await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_removed_document_comes_back_under_a_new_generation(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    bench.finish(first).await;
    sqlx::query("UPDATE documents SET status = 'deleted', deleted_at = now()")
        .execute(&bench.pool)
        .await
        .unwrap();
    let (_, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    let revived = bench.document("a").await;
    assert_eq!(
        (revived.status, revived.generation, revived.deleted_at),
        (DocumentStatus::Completed, 2, None)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn uploads_that_come_while_an_operation_waits_join_it(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let waiting = bench.insert_operation(OperationType::Append).await;
    let mut tx = bench.db.begin().await.unwrap();
    let source = tx.collection_sources().find_or_create_upload(bench.collection_id).await.unwrap();
    assert_eq!(tx.operations().lock_pending_append(source.id).await.unwrap(), Some(waiting));
    tx.operation_items().upsert_many(waiting, &[item("a", "v1")]).await.unwrap();

    // The operation cannot start between the look and the commit.
    let claim = tokio::spawn({
        let db = bench.db.clone();
        async move { db.connection().await.unwrap().operations().claim(waiting).await.unwrap() }
    });
    tx.operation_items().upsert_many(waiting, &[item("a", "v2"), item("b", "v1")]).await.unwrap();
    assert!(!claim.is_finished());
    tx.commit().await.unwrap();
    assert!(claim.await.unwrap());
    assert_eq!(bench.counts(waiting).await.listed, 2);

    let mut connection = bench.connection().await;
    assert_eq!(connection.operations().lock_pending_append(source.id).await.unwrap(), None);
    let ids = connection.operation_items().list_undispatched(waiting, ItemId(0), 10).await.unwrap();
    let items = connection.operation_items().begin_staging(waiting, &ids).await.unwrap();
    assert_eq!(items[0].change_hint.as_deref(), Some("v2"), "the newer version is taken");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn cancelling_ends_what_is_open_and_keeps_what_is_indexed(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation_id, items) = bench.run_append(&["a", "b", "c"]).await;
    bench.index(items[0], "a", "1").await;
    bench.stage(items[1], "b", "2", &StagingOutcome::Staged).await.unwrap();
    sqlx::query("UPDATE operations SET cancel_requested_at = now()").execute(&bench.pool).await.unwrap();
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations().cancel_open_items(operation_id).await.unwrap();
    tx.commit().await.unwrap();
    let mut connection = bench.connection().await;
    let finished = connection.operations().complete_if_done(operation_id).await.unwrap().unwrap();
    assert_eq!(finished.status, OperationStatus::Cancelled);
    let counts = bench.counts(operation_id).await;
    assert_eq!((counts.completed, counts.cancelled, counts.open()), (1, 2, 0));
    assert_eq!(bench.document("b").await.status, DocumentStatus::Cancelled);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn lists_filter_and_count_the_whole(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a", "b", "c"]).await;
    for (id, name) in items.iter().zip(["a", "b", "c"]) {
        bench.index(*id, name, name).await;
    }
    bench.finish(first).await;
    let second = bench.insert_operation(OperationType::Index).await;
    let third = bench.insert_operation(OperationType::Append).await;
    let mut connection = bench.connection().await;
    let mut query = OperationQuery {
        collection_id: Some(bench.collection_id),
        user_id: None,
        statuses: Vec::new(),
        types: Vec::new(),
        limit: 2,
        offset: 0,
    };
    let page = connection.operations().list(&query).await.unwrap();
    assert_eq!(page.items.iter().map(|operation| operation.id).collect::<Vec<_>>(), [third, second]);
    assert_eq!(page.total, 3);
    query.statuses = vec![OperationStatus::Pending];
    query.types = vec![OperationType::Append];
    let page = connection.operations().list(&query).await.unwrap();
    assert_eq!((page.items[0].id, page.total), (third, 1));
    query.user_id = Some(UserId(-1));
    assert_eq!(connection.operations().list(&query).await.unwrap().total, 0);

    sqlx::query("UPDATE documents SET status = 'deleted' WHERE file_name = 'b'")
        .execute(&bench.pool)
        .await
        .unwrap();
    let mut query = crate::documents::DocumentQuery {
        collection_id: bench.collection_id,
        status: None,
        source_id: None,
        limit: 1,
        offset: 1,
    };
    let page = connection.documents().list(&query).await.unwrap();
    assert_eq!((page.items.len(), page.total), (1, 2));
    query.status = Some(DocumentStatus::Deleted);
    query.offset = 0;
    let page = connection.documents().list(&query).await.unwrap();
    assert_eq!(page.items[0].file_name, "b");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_lost_its_message_is_found_again(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (running, items) = bench.run_append(&["a", "b"]).await;
    bench.stage(items[0], "a", "1", &StagingOutcome::Staged).await.unwrap();
    bench.connection().await.operation_items().mark_chunked(items[0], 700, 3).await.unwrap();
    bench.connection().await.operation_items().mark_batch_done(items[0], 1).await.unwrap();
    let waiting = bench.insert_operation(OperationType::Append).await;
    let minute = Duration::from_secs(60);
    let mut connection = bench.connection().await;
    assert_eq!(connection.operations().list_overdue(minute, minute, 10).await.unwrap(), []);
    assert_eq!(
        connection.operation_items().list_stalled(ItemState::Chunked, minute, ItemId(0), 10).await.unwrap(),
        []
    );

    for table in ["operations", "operation_items"] {
        let older = format!(
            "UPDATE {table} SET created_at = created_at - interval '1 hour', updated_at = updated_at - interval '1 hour',
            dispatched_at = dispatched_at - interval '1 hour'"
        );
        sqlx::query(sqlx::AssertSqlSafe(older)).execute(&bench.pool).await.unwrap();
    }
    // The waiting one is not due: another one runs before it.
    assert_eq!(connection.operations().list_overdue(minute, minute, 10).await.unwrap(), [running]);
    let stalled =
        connection.operation_items().list_stalled(ItemState::Chunked, minute, ItemId(0), 10).await.unwrap();
    assert_eq!((stalled.len(), stalled[0].id, stalled[0].operation_id), (1, items[0], running));
    assert_eq!(stalled[0].missing_batches, [0, 2]);
    let listed =
        connection.operation_items().list_stalled(ItemState::Listed, minute, ItemId(0), 10).await.unwrap();
    assert_eq!(listed[0].id, items[1]);
    assert_eq!(connection.operations().list_finishable(10).await.unwrap(), []);

    connection.operation_items().mark_cancelled(items[0]).await.unwrap();
    connection.operation_items().mark_cancelled(items[1]).await.unwrap();
    connection.operations().mark_scan_finished(running).await.unwrap();
    assert_eq!(connection.operations().list_finishable(10).await.unwrap(), [running]);
    connection.operations().complete_if_done(running).await.unwrap();
    assert_eq!(connection.operations().list_overdue(minute, minute, 10).await.unwrap(), [waiting]);
}
