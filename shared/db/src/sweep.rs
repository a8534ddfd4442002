//! What sweep has left to do.

use std::time::Duration;

use crate::{Connection, DbError};

/// How long sweep waits with some kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepDelays {
    /// After an upload's presigned URL has expired.
    pub expired_upload: Duration,
    /// For so long after its announcement, an upload's event may be missing.
    pub missing_event: Duration,
    /// After a deletion, or the last attempt to finish it.
    pub unpurged: Duration,
}

impl Connection {
    /// Returns how long from now sweep has something to do: at once while an operation is open or anything is left over.
    /// `None` if nothing is known to be due ever. What has a retention period, and integrity checks, are left to the
    /// hourly run.
    pub async fn next_due(&mut self, delays: SweepDelays) -> Result<Option<Duration>, DbError> {
        let seconds = sqlx::query_file_scalar!(
            "queries/sweep/next_due.sql",
            delays.expired_upload.as_secs_f64(),
            delays.missing_event.as_secs_f64(),
            delays.unpurged.as_secs_f64(),
        )
        .fetch_one(self.inner())
        .await?;
        // An overdue time is negative.
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use domain::OperationType;
    use sqlx::{AssertSqlSafe, PgPool};

    use super::*;
    use crate::operations::StagingOutcome;
    use crate::testing::Fixture;

    const DELAYS: SweepDelays = SweepDelays {
        expired_upload: Duration::from_secs(300),
        missing_event: Duration::from_secs(300),
        unpurged: Duration::from_secs(300),
    };
    const NOW: Option<u64> = Some(0);

    impl Fixture {
        /// When sweep has something to do, in minutes from now.
        async fn due_in_minutes(&self) -> Option<u64> {
            let due = self.connection().await.next_due(DELAYS).await.unwrap();
            due.map(|due| (due + Duration::from_secs(5)).as_secs() / 60)
        }

        async fn run_sql(&self, sql: &str) {
            sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
        }
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn nothing_is_due_without_work_and_something_while_an_operation_is_open(pool: PgPool) {
        let fixture = Fixture::new(pool).await;
        assert_eq!(fixture.due_in_minutes().await, None);
        let (operation, items) = fixture.run_append(&["a"]).await;
        assert_eq!(fixture.due_in_minutes().await, NOW);
        fixture.index(items[0], "a", "hash").await;
        fixture.finish(operation).await;
        assert_eq!(fixture.due_in_minutes().await, None);
        // Its replaced version leaves points.
        let (operation, items) = fixture.run_append(&["a"]).await;
        assert!(fixture.stage(items[0], "a", "other", &StagingOutcome::Staged).await.unwrap());
        fixture.run_sql("DELETE FROM erasures").await;
        fixture
            .run_sql(
                "UPDATE operation_items SET state = 'failed', batch_count = 1, error_category = 'permanent' WHERE generation = 2;
                DELETE FROM erasures",
            )
            .await;
        fixture.finish(operation).await;
        assert_eq!(fixture.due_in_minutes().await, NOW, "orphaned points");
        fixture.connection().await.operation_items().mark_points_deleted(&items).await.unwrap();
        assert_eq!(fixture.due_in_minutes().await, None);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn the_earliest_due_time_counts(pool: PgPool) {
        let fixture = Fixture::new(pool).await;
        let collection = fixture.collection_id.0;
        fixture
            .run_sql(&format!("INSERT INTO erasures (collection_id, document_id, due_at) VALUES ('{collection}', '{collection}', now() + interval '50 minutes')"))
            .await;
        assert_eq!(fixture.due_in_minutes().await, Some(50));
        fixture
            .run_sql("INSERT INTO retired_vector_stores (name, collection_id, drop_after) VALUES ('old', gen_random_uuid(), now() + interval '40 minutes')")
            .await;
        assert_eq!(fixture.due_in_minutes().await, Some(40));
        fixture
            .run_sql("UPDATE collections SET sync_mode = 'continuous', sync_interval_minutes = 30, sync_next_run_at = now() + interval '30 minutes'")
            .await;
        assert_eq!(fixture.due_in_minutes().await, Some(30));
        fixture.run_sql("UPDATE collections SET sync_paused_at = now()").await;
        assert_eq!(fixture.due_in_minutes().await, Some(40), "a paused schedule is not due");
        fixture
            .run_sql("UPDATE retired_vector_stores SET dropped_at = now() - interval '50 minutes', drops = 1")
            .await;
        assert_eq!(fixture.due_in_minutes().await, Some(10), "dropped a second time");
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn an_announced_upload_is_due_while_its_event_may_be_missing_and_when_it_expires(pool: PgPool) {
        let fixture = Fixture::new(pool).await;
        fixture
            .run_sql(
                "INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at)
                SELECT gen_random_uuid(), id, owner_id, 'a.txt', 'announced/a', 1, 'text/plain', now() + interval '1 hour' FROM collections",
            )
            .await;
        assert_eq!(fixture.due_in_minutes().await, NOW);
        fixture.run_sql("UPDATE uploads SET created_at = now() - interval '301 seconds'").await;
        assert_eq!(fixture.due_in_minutes().await, Some(65));
        fixture.run_sql("UPDATE users SET is_active = FALSE").await;
        assert_eq!(fixture.due_in_minutes().await, NOW, "its announcer has lost access");
        fixture.run_sql("UPDATE uploads SET expires_at = now() - interval '1 minute'").await;
        assert_eq!(fixture.due_in_minutes().await, Some(4));
        fixture.run_sql("UPDATE uploads SET status = 'received', holds_object = TRUE").await;
        assert_eq!(fixture.due_in_minutes().await, NOW, "its object is left over");
        fixture.run_sql("UPDATE uploads SET holds_object = FALSE").await;
        assert_eq!(fixture.due_in_minutes().await, None);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn what_a_deletion_left_over_is_due_after_a_delay(pool: PgPool) {
        let fixture = Fixture::new(pool).await;
        let (operation, items) = fixture.run_append(&["a"]).await;
        fixture.index(items[0], "a", "hash").await;
        fixture.finish(operation).await;
        fixture
            .run_sql("UPDATE documents SET status = 'deleted', deleted_at = now() - interval '2 minutes'")
            .await;
        assert_eq!(fixture.due_in_minutes().await, Some(3));
        fixture
            .run_sql("UPDATE collections SET deleted_at = now(); UPDATE operations SET completed_at = now() - interval '1 hour'")
            .await;
        assert_eq!(fixture.due_in_minutes().await, Some(5));
        fixture.insert_operation(OperationType::Delete).await;
        assert_eq!(fixture.due_in_minutes().await, NOW);
    }
}
