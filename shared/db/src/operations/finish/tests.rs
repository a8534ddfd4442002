//! The end of an operation is atomic, and the counters and the status are right after it.

use domain::{CollectionStatus, ErrorCategory, OperationId, OperationType, SourceId};
use sqlx::PgPool;

use crate::operations::{BatchChunks, StagingOutcome};
use crate::testing::{Fixture, binary, item};

/// Tables that the statements after the guarded `UPDATE` insert into.
const LATER_TABLES: [&str; 2] = ["operation_metrics", "collection_audit_log"];

impl Fixture {
    /// Lets every insert into the table fail, or succeed again.
    async fn reject_inserts(&self, table: &str, reject: bool) {
        let change = if reject {
            "ADD CONSTRAINT rejected CHECK (FALSE) NOT VALID"
        } else {
            "DROP CONSTRAINT rejected"
        };
        self.execute(&format!("ALTER TABLE {table} {change}")).await;
    }

    /// Returns everything that the end of the operation changes: its status, its items' states, counters
    /// of the collection and the source, the collection's status, and the numbers of metrics and audit
    /// entries.
    async fn traces(&self, id: OperationId) -> (String, Vec<String>, i64, i64, String, bool, i64) {
        sqlx::query_as(
            "SELECT o.status::text,
                ARRAY(SELECT i.state::text FROM operation_items i WHERE i.operation_id = o.id ORDER BY i.id),
                c.document_count, s.document_count::bigint, c.status::text,
                EXISTS (SELECT FROM operation_metrics m WHERE m.operation_id = o.id),
                (SELECT count(*) FROM collection_audit_log a WHERE a.operation_id = o.id)
            FROM operations o
            JOIN collections c ON c.id = o.collection_id
            JOIN collection_sources s ON s.id = o.source_id
            WHERE o.uuid = $1",
        )
        .bind(id.0)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn completion_that_fails_halfway_changes_nothing(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (id, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "1").await;
    let mut connection = fixture.connection().await;
    assert!(connection.operations().mark_scan_finished(id).await.unwrap());
    let before = fixture.traces(id).await;
    for table in LATER_TABLES {
        fixture.reject_inserts(table, true).await;
        let error = connection.operations().end_if_done(id).await.unwrap_err();
        assert_eq!(error.constraint(), Some("rejected"), "{table}");
        assert_eq!(fixture.traces(id).await, before, "{table}");
        fixture.reject_inserts(table, false).await;
    }

    assert!(connection.operations().complete_if_done(id).await.unwrap().is_some());
    let after = fixture.traces(id).await;
    let states = vec!["completed".to_owned()];
    assert_eq!(after, ("completed".to_owned(), states, 1, 1, "ready".to_owned(), true, 1));
    assert!(connection.operations().complete_if_done(id).await.unwrap().is_none());
    assert_eq!(fixture.traces(id).await, after, "the end is recorded once");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn failure_that_fails_halfway_changes_nothing(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (id, _) = fixture.run_append(&["a", "b"]).await;
    let mut connection = fixture.connection().await;
    let before = fixture.traces(id).await;
    for table in LATER_TABLES {
        fixture.reject_inserts(table, true).await;
        let error =
            connection.operations().mark_failed(id, "no access", ErrorCategory::Permanent).await.unwrap_err();
        assert_eq!(error.constraint(), Some("rejected"), "{table}");
        assert_eq!(fixture.traces(id).await, before, "{table}");
        fixture.reject_inserts(table, false).await;
    }

    let failed =
        connection.operations().mark_failed(id, "no access", ErrorCategory::Permanent).await.unwrap();
    assert!(failed.is_some());
    let states = vec!["failed".to_owned(), "failed".to_owned()];
    let (status, ended, .., entries) = fixture.traces(id).await;
    assert_eq!((status.as_str(), ended, entries), ("failed", states, 1));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn cancellation_that_fails_halfway_changes_nothing(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let id = fixture.insert_operation(domain::OperationType::Append).await;
    let mut connection = fixture.connection().await;
    let before = fixture.traces(id).await;
    for table in LATER_TABLES {
        fixture.reject_inserts(table, true).await;
        let error = connection.operations().cancel_pending(id).await.unwrap_err();
        assert_eq!(error.constraint(), Some("rejected"), "{table}");
        assert_eq!(fixture.traces(id).await, before, "{table}");
        let operation = connection.operations().find(id).await.unwrap().unwrap();
        assert_eq!(operation.cancel_requested_at, None, "{table}");
        fixture.reject_inserts(table, false).await;
    }
    assert!(connection.operations().cancel_pending(id).await.unwrap().is_some());
    assert_eq!(fixture.traces(id).await.0, "cancelled");
}

impl Fixture {
    async fn size_of_source(&self, id: SourceId) -> i64 {
        let source = self.connection().await.collection_sources().find(id).await.unwrap();
        source.unwrap().size_bytes
    }

    /// Puts the failed documents on the work list of a new retry.
    async fn retry(&self) -> OperationId {
        let retry = self.insert_of_source(OperationType::RetryDocuments, None).await;
        let mut connection = self.connection().await;
        assert_eq!(connection.documents().retry(self.collection_id, None, retry, true).await.unwrap(), 1);
        retry
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_retry_recounts_the_source_of_its_documents(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source_id = fixture.source("/notes").await;
    let append = fixture.insert_of_source(OperationType::Append, Some(source_id)).await;
    fixture.connection().await.operation_items().insert_many(append, &[item("a", "v1")]).await.unwrap();
    let items = fixture.claim(append).await;
    fixture.connection().await.operation_items().begin_staging(append, &items).await.unwrap();
    assert!(fixture.stage_bytes(items[0], "a", "1", &StagingOutcome::Staged, 20).await.unwrap());
    fixture.execute(&format!("UPDATE documents SET source_id = {}", source_id.0)).await;
    assert!(fixture.fail(items[0], &binary()).await);
    fixture.finish(append).await;
    assert_eq!(fixture.size_of_source(source_id).await, 20);

    let retry = fixture.retry().await;
    let items = fixture.claim(retry).await;
    fixture.connection().await.operation_items().begin_staging(retry, &items).await.unwrap();
    assert!(fixture.stage_bytes(items[0], "a", "2", &StagingOutcome::Staged, 30).await.unwrap());
    assert!(fixture.connection().await.operation_items().mark_chunked(items[0], 2, 1, &[]).await.unwrap());
    fixture
        .connection()
        .await
        .operation_items()
        .mark_batch_done(items[0], 0, BatchChunks::default())
        .await
        .unwrap()
        .unwrap();
    fixture.finish(retry).await;
    assert_eq!(fixture.document("a").await.file_size, 30);
    assert_eq!(fixture.size_of_source(source_id).await, 30);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_document_that_another_source_indexes_moves_between_their_counters(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let first = fixture.source("/notes").await;
    let read = fixture.read_source(first, &["a"]).await;
    fixture.finish(read).await;
    assert_eq!(fixture.size_of_source(first).await, 10);

    let second = fixture.source("/notes/new").await;
    let read = fixture.read_source(second, &["a"]).await;
    fixture.finish(read).await;
    assert_eq!(fixture.document("a").await.source_id, Some(second));
    let sizes = (fixture.size_of_source(first).await, fixture.size_of_source(second).await);
    assert_eq!(sizes, (0, 10));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_collection_whose_retry_is_cancelled_before_it_runs_is_degraded(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let status = async || {
        let collection = fixture.connection().await.collections().find_any(fixture.collection_id).await;
        collection.unwrap().unwrap().status
    };
    let (append, items) = fixture.run_append(&["a"]).await;
    assert!(fixture.stage(items[0], "a", "1", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[0], &binary()).await);
    let next = fixture.insert_operation(OperationType::Append).await;
    fixture.finish(append).await;
    assert_eq!(status().await, CollectionStatus::Degraded);

    // The document is pending while the operation before the retry ends.
    let retry = fixture.retry().await;
    fixture.claim(next).await;
    fixture.finish(next).await;
    assert_eq!(status().await, CollectionStatus::Ready);

    fixture.connection().await.operations().cancel_pending(retry).await.unwrap().unwrap();
    assert_eq!(status().await, CollectionStatus::Degraded);
}
