//! Counters of a collection and its sources, and its status after an operation.

use domain::CollectionId;

use super::collection::Collections;
use crate::DbError;

/// A counter, and the number that the rows give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// The column; for a source, `sources/<id>/` and the column.
    pub name: String,
    /// Its value.
    pub stored: i64,
    /// The number of rows, or their sum.
    pub counted: i64,
}

impl Collections<'_> {
    /// Returns the counters of a collection and its sources beside what the documents give. While an
    /// operation runs they may differ.
    pub async fn count_rows(&mut self, id: CollectionId) -> Result<Vec<Counter>, DbError> {
        let counters = sqlx::query_file_as!(Counter, "queries/collections/count_rows.sql", id.0)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(counters)
    }

    /// Recounts the collection of an operation that has just ended, and derives the collection's status
    /// from how it ended. The transaction must have locked the collection.
    pub(crate) async fn record_operation_end(&mut self, operation_sequence: i64) -> Result<(), DbError> {
        sqlx::query_file!("queries/collections/record_operation_end.sql", operation_sequence)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}
