//! Counters and status of a collection after an operation.

use super::collection::Collections;
use crate::DbError;

impl Collections<'_> {
    /// Recounts the collection of an operation that has just ended, and derives the collection's status
    /// from how it ended. The transaction must have locked the collection.
    pub(crate) async fn record_operation_end(&mut self, operation_sequence: i64) -> Result<(), DbError> {
        sqlx::query_file!("queries/collections/record_operation_end.sql", operation_sequence)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}
