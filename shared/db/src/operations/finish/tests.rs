//! The end of an operation is atomic.

use domain::{ErrorCategory, OperationId};
use sqlx::PgPool;

use crate::testing::Fixture;

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
