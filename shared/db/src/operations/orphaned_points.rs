//! Items that have ended and whose orphaned points may not be deleted yet: those of a version that was not
//! indexed, and those of the version that was replaced.

use std::time::Duration;

use domain::{ItemId, OperationId};

use super::items::OperationItems;
use crate::DbError;

impl OperationItems<'_> {
    /// Records that the orphaned points of these items are deleted, as far as the items have ended.
    pub async fn mark_points_deleted(&mut self, ids: &[ItemId]) -> Result<(), DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        sqlx::query!(
            "UPDATE operation_items SET points_deleted_at = now()
            WHERE id = ANY ($1) AND points_deleted_at IS NULL AND state NOT IN ('listed', 'staged', 'chunked')",
            &ids,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns items that ended longer than `age` ago, or whose last message is older than that, and whose
    /// orphaned points are not known to be deleted; the longest ago first.
    pub async fn list_with_orphaned_points(
        &mut self,
        age: Duration,
        limit: i64,
    ) -> Result<Vec<(OperationId, ItemId)>, DbError> {
        // The conditions are those of idx_operation_items_orphaned_points.
        let rows = sqlx::query!(
            "SELECT i.id, o.uuid
            FROM operation_items i JOIN operations o ON o.id = i.operation_id
            WHERE i.points_deleted_at IS NULL AND NOT i.is_reindex AND NOT i.is_removal AND i.generation IS NOT NULL
                AND CASE
                    WHEN i.state IN ('failed', 'cancelled') THEN i.batch_count IS NOT NULL
                    ELSE i.state IN ('completed', 'skipped', 'duplicate') AND i.generation > 1
                END
                AND greatest(i.dispatched_at, i.updated_at) < now() - make_interval(secs => $1)
            ORDER BY i.id
            LIMIT $2",
            age.as_secs_f64(),
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(rows.into_iter().map(|row| (OperationId(row.uuid), ItemId(row.id))).collect())
    }
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::operations::StagingOutcome;
    use crate::testing::{Fixture, binary};

    impl Fixture {
        async fn with_orphaned_points(&self) -> Vec<ItemId> {
            let mut connection = self.connection().await;
            let items = connection.operation_items().list_with_orphaned_points(Duration::ZERO, 10).await;
            items.unwrap().into_iter().map(|(_, id)| id).collect()
        }

        async fn mark_points_deleted(&self, id: ItemId) {
            self.connection().await.operation_items().mark_points_deleted(&[id]).await.unwrap();
        }
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn an_item_that_failed_is_listed_until_its_points_are_deleted(pool: PgPool) {
        let fixture = Fixture::new(pool).await;
        let (_, items) = fixture.run_append(&["a", "b"]).await;
        for (item, name) in items.iter().zip(["a", "b"]) {
            assert!(fixture.stage(*item, name, name, &StagingOutcome::Staged).await.unwrap());
        }
        let mut connection = fixture.connection().await;
        assert!(connection.operation_items().mark_chunked(items[0], 2, 1, &[]).await.unwrap());
        // Its points may still be written.
        fixture.mark_points_deleted(items[0]).await;
        for item in &items {
            assert!(fixture.fail(*item, &binary()).await);
        }
        // The other was never chunked.
        assert_eq!(fixture.with_orphaned_points().await, [items[0]]);
        fixture.mark_points_deleted(items[0]).await;
        assert_eq!(fixture.with_orphaned_points().await, []);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn an_item_that_replaced_a_version_is_listed_until_its_points_are_deleted(pool: PgPool) {
        let fixture = Fixture::new(pool).await;
        let (first, items) = fixture.run_append(&["a"]).await;
        fixture.index(items[0], "a", "1").await;
        fixture.finish(first).await;
        assert_eq!(fixture.with_orphaned_points().await, []);
        let (_, items) = fixture.run_append(&["a"]).await;
        fixture.index(items[0], "a", "2").await;
        assert_eq!(fixture.with_orphaned_points().await, items);
        fixture.mark_points_deleted(items[0]).await;
        assert_eq!(fixture.with_orphaned_points().await, []);
    }
}
