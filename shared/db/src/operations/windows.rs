//! Dispatch windows: how many items of an operation are under way at a time.
//!
//! An item is under way from its first message to its end. Whoever ends one has the next ones sent, so the window stays
//! full and the queues short.

use domain::{ItemId, OperationId};

use super::operation::Operations;
use crate::DbError;

/// Items are sent when there is room for so many, so that they share messages and connections to their source.
const FEWEST_ITEMS: i32 = 25;

impl Operations<'_> {
    /// Gives a running operation a window of this size. Returns the last item that is ready to be sent.
    pub async fn open_window(&mut self, id: OperationId, max_items: u32) -> Result<ItemId, DbError> {
        let ready = sqlx::query_scalar!(
            "INSERT INTO dispatch_windows AS w (operation_id, max_items)
            SELECT id, $2 FROM operations WHERE uuid = $1
            ON CONFLICT (operation_id) DO UPDATE SET max_items = excluded.max_items
            RETURNING w.ready_item_id",
            id.0,
            i32::try_from(max_items.max(1)).unwrap_or(i32::MAX),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(ItemId(ready.unwrap_or(0)))
    }

    /// Records that all items that are on the work list now are ready to be sent. Returns the last one.
    pub async fn mark_items_ready(&mut self, id: OperationId) -> Result<ItemId, DbError> {
        let ready = sqlx::query_scalar!(
            "UPDATE dispatch_windows w
            SET ready_item_id = greatest(w.ready_item_id, coalesce((
                SELECT i.id FROM operation_items i
                WHERE i.operation_id = w.operation_id AND i.state = 'listed' AND i.dispatched_at IS NULL
                ORDER BY i.id DESC LIMIT 1
            ), 0))
            FROM operations o
            WHERE o.uuid = $1 AND w.operation_id = o.id
            RETURNING w.ready_item_id",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(ItemId(ready.unwrap_or(0)))
    }

    /// Locks the operation's window. Returns false if another transaction has it, which sends the next items, or if
    /// nothing is to be sent any more.
    pub async fn lock_window(&mut self, id: OperationId) -> Result<bool, DbError> {
        let locked = sqlx::query_scalar!(
            "SELECT w.operation_id FROM operations o JOIN dispatch_windows w ON w.operation_id = o.id
            WHERE o.uuid = $1 AND o.status = 'processing' AND o.cancel_requested_at IS NULL
            FOR NO KEY UPDATE OF w SKIP LOCKED",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(locked.is_some())
    }

    /// Returns the next items to send, as many as the locked window has room for, ordered by ID.
    pub async fn list_next_items(&mut self, id: OperationId) -> Result<Vec<ItemId>, DbError> {
        let ids = sqlx::query_scalar!(
            "WITH room AS (
                SELECT w.operation_id, w.ready_item_id, w.max_items, w.max_items - (
                    SELECT count(*) FROM (
                        SELECT FROM operation_items i
                        WHERE i.operation_id = w.operation_id AND i.state IN ('listed', 'staged', 'chunked')
                            AND i.dispatched_at IS NOT NULL
                        LIMIT w.max_items
                    ) AS in_flight
                ) AS items
                FROM operations o JOIN dispatch_windows w ON w.operation_id = o.id
                WHERE o.uuid = $1
            )
            SELECT next.id
            FROM room CROSS JOIN LATERAL (
                SELECT i.id FROM operation_items i
                WHERE i.operation_id = room.operation_id AND i.state = 'listed' AND i.dispatched_at IS NULL
                    AND i.id <= room.ready_item_id
                ORDER BY i.id
                LIMIT CASE WHEN room.items >= least($2, room.max_items) THEN room.items ELSE 0 END
            ) AS next
            ORDER BY next.id",
            id.0,
            FEWEST_ITEMS,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(ItemId).collect())
    }

    /// Returns running operations that have items to send and none under way: whoever was to send them was stopped.
    pub async fn list_starved(&mut self, limit: i64) -> Result<Vec<OperationId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT o.uuid
            FROM operations o JOIN dispatch_windows w ON w.operation_id = o.id
            WHERE o.status = 'processing' AND o.cancel_requested_at IS NULL
                AND EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = o.id AND i.state = 'listed' AND i.dispatched_at IS NULL
                        AND i.id <= w.ready_item_id
                )
                AND NOT EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
                        AND i.dispatched_at IS NOT NULL
                )
            ORDER BY o.id LIMIT $1",
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(OperationId).collect())
    }

    /// Returns what is left of a running operation; `None` if it does not run.
    pub(crate) async fn remaining(&mut self, id: OperationId) -> Result<Option<Remaining>, DbError> {
        let row = sqlx::query!(
            r#"SELECT
                o.scan_finished_at IS NOT NULL AND NOT EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
                ) AS "is_done!",
                coalesce(EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = o.id AND i.state = 'listed' AND i.dispatched_at IS NULL
                        AND i.id <= w.ready_item_id
                ) AND (
                    SELECT count(*) FROM (
                        SELECT FROM operation_items i
                        WHERE i.operation_id = o.id AND i.state IN ('listed', 'staged', 'chunked')
                            AND i.dispatched_at IS NOT NULL
                        LIMIT w.max_items
                    ) AS in_flight
                ) <= w.max_items - least($2, w.max_items), FALSE) AS "has_room!"
            FROM operations o LEFT JOIN dispatch_windows w ON w.operation_id = o.id
            WHERE o.uuid = $1 AND o.status = 'processing'"#,
            id.0,
            FEWEST_ITEMS,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.map(|row| match (row.is_done, row.has_room) {
            (true, _) => Remaining::Nothing,
            (false, true) => Remaining::ItemsToSend,
            (false, false) => Remaining::Items,
        }))
    }
}

/// What is left of a running operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remaining {
    /// Its list is complete and every item has ended.
    Nothing,
    /// Open items, or its list is not complete.
    Items,
    /// Open items, and its window has room for some that are not sent.
    ItemsToSend,
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;

    use super::*;
    use crate::operations::{Ending, ItemFailure};
    use crate::testing::Fixture;

    /// Does what the dispatch crate does.
    async fn send_next(fixture: &Fixture, id: OperationId) -> Vec<ItemId> {
        let mut tx = fixture.db.begin().await.unwrap();
        assert!(tx.operations().lock_window(id).await.unwrap());
        let ids = tx.operations().list_next_items(id).await.unwrap();
        tx.operation_items().mark_dispatched(&ids).await.unwrap();
        tx.commit().await.unwrap();
        ids
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_window_limits_the_items_under_way_and_ends_make_room(pool: PgPool) {
        let fixture = Fixture::new(pool).await;
        let (running, items) = fixture.run_append(&["a", "b", "c", "d", "e"]).await;
        sqlx::query("UPDATE operation_items SET dispatched_at = NULL").execute(&fixture.pool).await.unwrap();
        let mut connection = fixture.connection().await;
        assert_eq!(connection.operations().list_starved(10).await.unwrap(), []);
        assert_eq!(connection.operations().open_window(running, 2).await.unwrap(), ItemId(0));
        assert_eq!(send_next(&fixture, running).await, [], "no item is ready");
        assert_eq!(connection.operations().list_starved(10).await.unwrap(), []);
        assert_eq!(connection.operations().mark_items_ready(running).await.unwrap(), items[4]);
        assert_eq!(connection.operations().list_starved(10).await.unwrap(), [running]);
        assert_eq!(send_next(&fixture, running).await, items[..2]);
        assert_eq!(connection.operations().list_starved(10).await.unwrap(), []);
        assert_eq!(send_next(&fixture, running).await, [], "the window is full");

        let failure = ItemFailure::Skipped { reason: "empty".to_owned() };
        connection.operation_items().mark_failed(items[0], &failure).await.unwrap();
        assert_eq!(connection.operations().end_if_done(running).await.unwrap(), Ending::Open);
        assert_eq!(send_next(&fixture, running).await, [], "a message is for several items");
        connection.operation_items().mark_failed(items[1], &failure).await.unwrap();
        assert_eq!(connection.operations().end_if_done(running).await.unwrap(), Ending::HasRoom);
        assert_eq!(send_next(&fixture, running).await, items[2..4]);
        assert_eq!(connection.operations().open_window(running, 2).await.unwrap(), items[4], "opened again");
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn one_caller_at_a_time_sends_the_next_items_of_a_running_operation(pool: PgPool) {
        let fixture = Fixture::new(pool).await;
        let (running, _) = fixture.run_append(&["a"]).await;
        let mut connection = fixture.connection().await;
        assert!(!connection.operations().lock_window(running).await.unwrap(), "it has no window");
        connection.operations().open_window(running, 2).await.unwrap();
        let mut tx = fixture.db.begin().await.unwrap();
        assert!(tx.operations().lock_window(running).await.unwrap());
        assert!(!connection.operations().lock_window(running).await.unwrap());
        tx.commit().await.unwrap();
        assert!(connection.operations().lock_window(running).await.unwrap());
        connection.operations().request_cancel(running).await.unwrap();
        assert!(!connection.operations().lock_window(running).await.unwrap());
    }
}
