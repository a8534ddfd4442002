//! The items of ended operations, counted.

use domain::{CollectionId, OperationId};

use super::operation::Operations;
use crate::DbError;

/// The items of an operation that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationTally {
    /// The place of the operation in the order of the collection's operations.
    pub sequence: i64,
    /// The operation.
    pub id: OperationId,
    /// Its items.
    pub items: i64,
    /// Items that have not ended.
    pub open: i64,
    /// Items that failed or were skipped without a reason.
    pub unexplained: i64,
    /// The items that the operation recorded when it ended.
    pub counted: i64,
}

impl Operations<'_> {
    /// Counts the items of the collection's ended operations after one of them, in order.
    pub async fn tally_ended(
        &mut self,
        collection_id: CollectionId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<OperationTally>, DbError> {
        let rows = sqlx::query_file!("queries/operations/tally_ended.sql", collection_id.0, after, limit)
            .fetch_all(&mut *self.connection)
            .await?;
        let tallies = rows.into_iter().map(|row| OperationTally {
            sequence: row.sequence,
            id: OperationId(row.uuid),
            items: row.items,
            open: row.open,
            unexplained: row.unexplained,
            counted: row.counted,
        });
        Ok(tallies.collect())
    }

    /// Ends the open items of an operation that has ended, gives items that failed or were skipped a reason
    /// if they have none, and counts the items again. Runs two statements.
    pub async fn settle_items(&mut self, id: OperationId, reason: &str) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE operation_items i
            SET state = CASE WHEN i.state IN ('failed', 'skipped') THEN i.state ELSE 'cancelled' END,
                error_message = coalesce(i.error_message, $2),
                updated_at = now()
            FROM operations o
            WHERE o.uuid = $1 AND o.status IN ('completed', 'failed', 'cancelled') AND i.operation_id = o.id
                AND (
                    i.state IN ('listed', 'staged', 'chunked')
                    OR (i.state IN ('failed', 'skipped') AND i.error_message IS NULL)
                )",
            id.0,
            reason,
        )
        .execute(&mut *self.connection)
        .await?;
        sqlx::query!(
            "UPDATE operations o
            SET meta = jsonb_set(o.meta, '{counts}', (
                    SELECT jsonb_build_object(
                        'new', count(*) FILTER (WHERE i.state = 'completed' AND i.is_new IS NOT FALSE),
                        'changed', count(*) FILTER (WHERE i.state = 'completed' AND NOT i.is_new),
                        'unchanged', count(*) FILTER (WHERE i.state = 'unchanged'),
                        'removed', count(*) FILTER (WHERE i.state = 'removed'),
                        'duplicate', count(*) FILTER (WHERE i.state = 'duplicate'),
                        'skipped', count(*) FILTER (WHERE i.state = 'skipped'),
                        'failed', count(*) FILTER (WHERE i.state = 'failed'),
                        'cancelled', count(*) FILTER (WHERE i.state = 'cancelled')
                    )
                    FROM operation_items i WHERE i.operation_id = o.id
                )),
                updated_at = now()
            WHERE o.uuid = $1 AND o.status IN ('completed', 'failed', 'cancelled')",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
