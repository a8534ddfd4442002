//! Documents that are deleted, restored, tried again, gone from their source.

use chrono::Utc;
use domain::{DeletionReason, SourceId};

use super::*;

impl Bench {
    async fn source(&self, path: &str) -> SourceId {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO collection_sources (collection_id, source_path, source_type)
            VALUES ($1, $2, 'directory') RETURNING id",
        )
        .bind(self.collection_id.0)
        .bind(path)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        SourceId(id)
    }

    async fn insert_of_source(
        &self,
        operation_type: OperationType,
        source_id: Option<SourceId>,
    ) -> OperationId {
        let new = NewOperation {
            id: OperationId(Uuid::new_v4()),
            collection_id: self.collection_id,
            user_id: self.user_id,
            source_id,
            operation_type,
            config: json!({}),
        };
        self.connection().await.operations().insert(&new).await.unwrap().id
    }

    /// A running operation and its listed items.
    async fn claim(&self, operation_id: OperationId) -> Vec<ItemId> {
        let mut connection = self.connection().await;
        assert!(connection.operations().claim(operation_id).await.unwrap());
        connection.operation_items().list_undispatched(operation_id, ItemId(0), 100).await.unwrap()
    }

    /// Reads a source that has these files, each with its name for its bytes.
    async fn read_source(&self, source_id: SourceId, names: &[&str]) -> OperationId {
        let operation_id = self.insert_of_source(OperationType::Append, Some(source_id)).await;
        let items: Vec<NewItem> = names.iter().map(|name| item(name, "v1")).collect();
        self.connection().await.operation_items().insert_many(operation_id, &items).await.unwrap();
        let items = self.claim(operation_id).await;
        let mut connection = self.connection().await;
        connection.operation_items().settle(operation_id, &items).await.unwrap();
        for staging in connection.operation_items().begin_staging(operation_id, &items).await.unwrap() {
            if staging.state == ItemState::Listed {
                self.index(staging.id, &staging.file_name, &staging.file_name).await;
            }
        }
        sqlx::query("UPDATE documents SET source_id = $1 WHERE source_id IS NULL")
            .bind(source_id.0)
            .execute(&self.pool)
            .await
            .unwrap();
        operation_id
    }

    async fn delete(&self, name: &str) -> OperationId {
        let operation_id = self.insert_of_source(OperationType::RemoveDocuments, None).await;
        let mut connection = self.connection().await;
        assert!(connection.documents().mark_deleted(self.document_id(name)).await.unwrap());
        let ids = [self.document_id(name)];
        assert_eq!(connection.operation_items().insert_removals(operation_id, &ids).await.unwrap(), 1);
        operation_id
    }

    async fn remove(&self, items: &[ItemId]) {
        let mut connection = self.connection().await;
        connection.operation_items().begin_removals(items).await.unwrap();
        let removed = connection.operation_items().finish_removals(items).await.unwrap();
        assert_eq!(usize::try_from(removed).unwrap(), items.len());
    }

    async fn counts_of_collection(&self) -> (i64, i64, i64) {
        let collection = self.connection().await.collections().find_any(self.collection_id).await.unwrap();
        let collection = collection.unwrap();
        (collection.document_count, collection.vector_count, collection.total_size_bytes)
    }

    async fn reason(&self, name: &str) -> Option<DeletionReason> {
        let reason: Option<String> =
            sqlx::query_scalar("SELECT deletion_reason::text FROM documents WHERE id = $1")
                .bind(self.document_id(name).0)
                .fetch_one(&self.pool)
                .await
                .unwrap();
        reason.map(|reason| reason.parse().unwrap())
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_deleted_document_is_hidden_at_once_and_its_duplicate_takes_its_place(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a", "b"]).await;
    bench.index(items[0], "a", "same").await;
    let duplicate = StagingOutcome::Duplicate { original: bench.document_id("a") };
    assert!(bench.stage(items[1], "b", "same", &duplicate).await.unwrap());
    bench.finish(first).await;
    assert_eq!(bench.counts_of_collection().await, (2, 2, 20));

    let removal = bench.delete("a").await;
    assert_eq!(bench.counts_of_collection().await, (1, 0, 10));
    let mut connection = bench.connection().await;
    let live = connection.search_documents().find_live(&[bench.document_id("a")]).await.unwrap();
    assert_eq!(live, [], "search drops its hits");
    assert_eq!(bench.document("a").await.chunk_count, 2, "its points are still there");
    let items = bench.claim(removal).await;
    bench.remove(&items).await;
    assert_eq!(bench.document("a").await.chunk_count, 0);
    bench.finish(removal).await;
    assert_eq!(bench.counts_of_collection().await, (1, 0, 10));

    let promotion = connection.operations().next_pending(bench.collection_id).await.unwrap().unwrap();
    let items = bench.claim(promotion).await;
    let staging = connection.operation_items().begin_staging(promotion, &items).await.unwrap();
    let copy = staging[0].copy.unwrap();
    assert_eq!((copy.document_id, copy.generation), (bench.document_id("a"), 1), "its bytes lie staged");
    bench.index(items[0], "b", "same").await;
    let work = connection.operation_items().find_work(&items).await.unwrap();
    assert_eq!(work[0].base, Some(copy), "and so do its vectors");
    bench.finish(promotion).await;
    assert_eq!(bench.counts_of_collection().await, (1, 2, 10));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_restored_document_is_read_from_its_staged_copy(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    bench.finish(first).await;
    let removal = bench.delete("a").await;
    let items = bench.claim(removal).await;
    bench.remove(&items).await;
    bench.finish(removal).await;

    let restoration = bench.insert_of_source(OperationType::RestoreDocuments, None).await;
    let mut connection = bench.connection().await;
    assert!(connection.documents().restore(bench.document_id("a"), restoration).await.unwrap());
    assert!(!connection.documents().restore(bench.document_id("a"), restoration).await.unwrap());
    let pending = bench.document("a").await;
    assert_eq!((pending.status, pending.deleted_at), (DocumentStatus::Pending, None));
    assert_eq!(bench.counts_of_collection().await, (1, 0, 10));
    let items = bench.claim(restoration).await;
    assert_eq!(connection.operation_items().settle(restoration, &items).await.unwrap(), 0);
    let staging = connection.operation_items().begin_staging(restoration, &items).await.unwrap();
    let copy = staging[0].copy.unwrap();
    assert_eq!((copy.document_id, copy.generation, staging[0].generation), (bench.document_id("a"), 1, 2));
    bench.index(items[0], "a", "h").await;
    assert_eq!(connection.operation_items().find_work(&items).await.unwrap()[0].base, Some(copy));
    bench.finish(restoration).await;
    let restored = bench.document("a").await;
    assert_eq!(
        (restored.status, restored.generation, restored.chunk_count),
        (DocumentStatus::Completed, 2, 2)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_document_restored_before_its_removal_and_deleted_again_stays_deleted(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    bench.finish(first).await;
    let removal = bench.delete("a").await;
    let restoration = bench.insert_of_source(OperationType::RestoreDocuments, None).await;
    let mut connection = bench.connection().await;
    assert!(connection.documents().restore(bench.document_id("a"), restoration).await.unwrap());
    assert!(connection.documents().mark_deleted(bench.document_id("a")).await.unwrap());
    let items = bench.claim(removal).await;
    bench.remove(&items).await;
    bench.finish(removal).await;
    let items = bench.claim(restoration).await;
    assert_eq!(connection.operation_items().settle(restoration, &items).await.unwrap(), 1);
    assert_eq!(bench.counts(restoration).await.skipped, 1);
    bench.finish(restoration).await;
    assert_eq!(bench.document("a").await.status, DocumentStatus::Deleted);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_a_person_deleted_stays_away_when_its_source_is_read_again(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let source = bench.source("/srv/docs").await;
    let first = bench.read_source(source, &["a", "b"]).await;
    bench.finish(first).await;
    let removal = bench.delete("a").await;
    let items = bench.claim(removal).await;
    bench.remove(&items).await;
    bench.finish(removal).await;

    let second = bench.read_source(source, &["a", "b"]).await;
    let counts = bench.counts(second).await;
    assert_eq!((counts.skipped, counts.open()), (1, 0), "{counts:?}");
    bench.finish(second).await;
    assert_eq!(bench.document("a").await.status, DocumentStatus::Deleted);

    // Another upload is what somebody wants: it brings the document back.
    let (third, items) = bench.run_append(&["a"]).await;
    assert_eq!(bench.connection().await.operation_items().settle(third, &items).await.unwrap(), 0);
    let staged = StagedItem {
        item_id: items[0],
        collection_id: bench.collection_id,
        source_id: bench.connection().await.operations().find(third).await.unwrap().unwrap().source_id,
        document_id: bench.document_id("a"),
        content_hash: Some("a"),
        size_bytes: 10,
        mime_type: None,
        change_hint: None,
        outcome: &StagingOutcome::Staged,
    };
    assert!(bench.connection().await.operation_items().mark_staged(&staged).await.unwrap());
    let revived = bench.document("a").await;
    assert_eq!((revived.status, revived.deleted_at), (DocumentStatus::Pending, None));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn failed_documents_are_tried_again_and_fail_as_before_when_that_is_cancelled(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a", "b"]).await;
    assert!(bench.stage(items[0], "a", "1", &StagingOutcome::Staged).await.unwrap());
    assert!(bench.fail(items[0], &binary()).await);
    bench.index(items[1], "b", "2").await;
    bench.finish(first).await;

    let mut connection = bench.connection().await;
    assert_eq!(connection.documents().count_unfinished(bench.collection_id).await.unwrap(), (1, 0));
    let cancelled = bench.insert_of_source(OperationType::RetryDocuments, None).await;
    assert_eq!(connection.documents().retry(bench.collection_id, None, cancelled).await.unwrap(), 1);
    assert_eq!(connection.documents().retry(bench.collection_id, None, cancelled).await.unwrap(), 0);
    let waiting = bench.document("a").await;
    assert_eq!((waiting.status, waiting.retry_count), (DocumentStatus::Pending, 1));
    assert!(waiting.last_retry_at.is_some());
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations().cancel_waiting(cancelled).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let as_before = bench.document("a").await;
    assert_eq!(as_before.status, DocumentStatus::Failed);
    assert_eq!(as_before.error_message.as_deref(), Some("this is a binary file"));

    let retry = bench.insert_of_source(OperationType::RetryDocuments, None).await;
    assert_eq!(connection.documents().retry(bench.collection_id, None, retry).await.unwrap(), 1);
    let items = bench.claim(retry).await;
    assert_eq!(connection.operation_items().settle(retry, &items).await.unwrap(), 0);
    let staging = connection.operation_items().begin_staging(retry, &items).await.unwrap();
    assert_eq!(staging[0].copy.map(|copy| copy.generation), Some(1), "the bytes that failed lie staged");
    bench.index(items[0], "a", "1").await;
    bench.finish(retry).await;
    let collection = connection.collections().find_any(bench.collection_id).await.unwrap().unwrap();
    assert_eq!((collection.status.as_str(), collection.vector_count), ("ready", 4), "nothing is degraded");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_was_indexed_meanwhile_is_not_tried_again(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    assert!(bench.stage(items[0], "a", "1", &StagingOutcome::Staged).await.unwrap());
    assert!(bench.fail(items[0], &binary()).await);
    bench.finish(first).await;
    let between = bench.insert_operation(OperationType::Append).await;
    let mut connection = bench.connection().await;
    connection.operation_items().insert_many(between, &[item("a", "v2")]).await.unwrap();
    let retry = bench.insert_of_source(OperationType::RetryDocuments, None).await;
    connection.documents().retry(bench.collection_id, Some(bench.document_id("a")), retry).await.unwrap();
    let items = bench.claim(between).await;
    connection.operation_items().begin_staging(between, &items).await.unwrap();
    bench.index(items[0], "a", "2").await;
    bench.finish(between).await;

    let items = bench.claim(retry).await;
    assert_eq!(connection.operation_items().settle(retry, &items).await.unwrap(), 1);
    assert_eq!(bench.counts(retry).await.unchanged, 1);
    bench.finish(retry).await;
    assert_eq!(bench.document("a").await.content_hash.as_deref(), Some("2"), "the newer bytes stay");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_a_source_no_longer_has_is_removed_and_comes_back_with_it(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let source = bench.source("/srv/docs").await;
    let other = bench.source("/srv/other").await;
    let first = bench.read_source(source, &["a", "b"]).await;
    bench.finish(first).await;
    let elsewhere = bench.read_source(other, &["c"]).await;
    bench.finish(elsewhere).await;

    let second = bench.insert_of_source(OperationType::Append, Some(source)).await;
    let mut connection = bench.connection().await;
    connection.operation_items().insert_many(second, &[item("b", "v1")]).await.unwrap();
    assert!(connection.operations().claim(second).await.unwrap());
    connection.operation_items().mark_unchanged(second, ItemId(0)).await.unwrap();
    assert_eq!(connection.operation_items().insert_missing(second).await.unwrap(), 1);
    assert_eq!(connection.operation_items().insert_missing(second).await.unwrap(), 0, "once is enough");
    assert_eq!(bench.document("a").await.status, DocumentStatus::Completed, "not before its item");
    let items = connection.operation_items().list_undispatched(second, ItemId(0), 10).await.unwrap();
    let staging = connection.operation_items().begin_staging(second, &items).await.unwrap();
    assert!(staging.len() == 1 && staging[0].is_removal);
    bench.remove(&items).await;
    bench.finish(second).await;
    let operation = connection.operations().find(second).await.unwrap().unwrap();
    assert_eq!(
        (&operation.meta["counts"]["removed"], &operation.meta["counts"]["unchanged"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (bench.document("a").await.status, bench.reason("a").await),
        (DocumentStatus::Deleted, Some(DeletionReason::Missing))
    );
    assert_eq!(bench.document("c").await.status, DocumentStatus::Completed, "another source's own");

    let third = bench.read_source(source, &["a", "b"]).await;
    bench.finish(third).await;
    assert_eq!(
        (bench.document("a").await.status, bench.reason("a").await),
        (DocumentStatus::Completed, None)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_listing_that_has_ended_removes_nothing_more(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let source = bench.source("/srv/docs").await;
    let first = bench.read_source(source, &["a"]).await;
    bench.finish(first).await;
    let second = bench.insert_of_source(OperationType::Append, Some(source)).await;
    let mut connection = bench.connection().await;
    assert!(connection.operations().claim(second).await.unwrap());
    assert!(connection.operations().request_cancel(second).await.unwrap());
    assert_eq!(connection.operation_items().insert_missing(second).await.unwrap(), 0);
    connection.operations().mark_scan_finished(second).await.unwrap();
    assert_eq!(connection.operation_items().insert_missing(second).await.unwrap(), 0);
    // Kept ones are marked, and found again by the next listing that names them.
    assert_eq!(connection.operation_items().mark_missing_stale(second).await.unwrap(), 1);
    assert!(bench.document("a").await.is_stale);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_removed_source_takes_its_documents_along_and_nothing_else(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let source = bench.source("/srv/docs").await;
    let other = bench.source("/srv/other").await;
    for (id, names) in [(source, ["a", "b"].as_slice()), (other, ["c"].as_slice())] {
        let operation = bench.read_source(id, names).await;
        bench.finish(operation).await;
    }
    let removal = bench.insert_of_source(OperationType::RemoveSource, Some(source)).await;
    let mut connection = bench.connection().await;
    assert_eq!(connection.operations().find_open_source_removal(source).await.unwrap(), Some(removal));
    assert!(connection.operations().claim(removal).await.unwrap());
    let mut deleted = Vec::new();
    for _ in 0..3 {
        deleted.push(connection.operations().remove_source_documents(removal, source, 1).await.unwrap());
    }
    assert_eq!(deleted, [1, 1, 0]);
    let mut tx = bench.db.begin().await.unwrap();
    tx.collection_sources().mark_purged(source).await.unwrap();
    assert!(tx.collection_sources().delete_unless_awaited(source, removal).await.unwrap());
    tx.commit().await.unwrap();
    bench.finish(removal).await;
    assert_eq!(bench.counts(removal).await.removed, 2);
    assert_eq!(bench.counts_of_collection().await, (1, 2, 10));
    let gone = bench.document("a").await;
    assert_eq!((gone.status, gone.source_id, gone.chunk_count), (DocumentStatus::Deleted, None, 0));
    assert_eq!(bench.reason("a").await, Some(DeletionReason::SourceRemoved));
    assert_eq!(bench.document("c").await.status, DocumentStatus::Completed);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_source_that_is_added_again_while_it_goes_stays(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let source = bench.source("/srv/docs").await;
    let first = bench.read_source(source, &["a"]).await;
    bench.finish(first).await;
    let removal = bench.insert_of_source(OperationType::RemoveSource, Some(source)).await;
    bench.claim(removal).await;
    let again = bench.insert_of_source(OperationType::Append, Some(source)).await;
    let mut connection = bench.connection().await;
    assert_eq!(connection.operations().remove_source_documents(removal, source, 10).await.unwrap(), 1);
    let mut tx = bench.db.begin().await.unwrap();
    assert!(!tx.collection_sources().delete_unless_awaited(source, removal).await.unwrap());
    tx.commit().await.unwrap();
    bench.finish(removal).await;
    let waiting = connection.operations().find(again).await.unwrap().unwrap();
    assert_eq!(waiting.source_id, Some(source));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn vectors_that_nobody_took_away_are_found(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    bench.finish(first).await;
    let mut connection = bench.connection().await;
    assert!(connection.documents().mark_deleted(bench.document_id("a")).await.unwrap());
    let at_once = Duration::ZERO;
    let hour = Duration::from_secs(3600);
    assert_eq!(connection.operations().queue_unpurged(hour, 10).await.unwrap(), []);
    let queued = connection.operations().queue_unpurged(at_once, 10).await.unwrap();
    assert_eq!(queued.len(), 1);
    assert_eq!(connection.operations().queue_unpurged(at_once, 10).await.unwrap(), [], "it is on its way");
    let items = bench.claim(queued[0]).await;
    bench.remove(&items).await;
    bench.finish(queued[0]).await;
    assert_eq!(connection.operations().queue_unpurged(at_once, 10).await.unwrap(), []);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_deletion_that_failed_is_asked_for_again(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (at_once, hour) = (Duration::ZERO, Duration::from_secs(3600));
    let mut connection = bench.connection().await;
    assert_eq!(connection.operations().queue_unfinished_deletions(at_once, 10).await.unwrap(), []);
    assert!(connection.collections().mark_deleted(bench.collection_id, Utc::now()).await.unwrap());
    let deletion = bench.insert_of_source(OperationType::Delete, None).await;
    assert_eq!(
        connection.operations().queue_unfinished_deletions(at_once, 10).await.unwrap(),
        [],
        "it waits"
    );
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations().mark_failed(deletion, "gave up", ErrorCategory::Unknown).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(connection.operations().queue_unfinished_deletions(hour, 10).await.unwrap(), [], "too soon");
    let queued = connection.operations().queue_unfinished_deletions(at_once, 10).await.unwrap();
    assert_eq!(queued.len(), 1);
    let again = connection.operations().find(queued[0]).await.unwrap().unwrap();
    assert_eq!((again.operation_type, again.collection_id), (OperationType::Delete, bench.collection_id));
    assert_eq!(
        connection.operations().queue_unfinished_deletions(at_once, 10).await.unwrap(),
        [],
        "it is on its way"
    );
}
