//! What people do to documents: delete them, bring them back, have them tried again.
//!
//! Each call changes the document's row at once and puts what follows on an operation's work list.

use domain::{CollectionId, DocumentId, OperationId, SourceId};

use super::document::Documents;
use crate::DbError;

impl Documents<'_> {
    /// Hides a document from everybody; its points go with the operation that it is then put on
    /// the list of, see `removals`. Returns whether it was there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_deleted(&mut self, id: DocumentId) -> Result<bool, DbError> {
        let is_deleted = sqlx::query_file_scalar!("queries/documents/delete_document.sql", id.0)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(is_deleted)
    }

    /// Brings a deleted document back and puts it on the operation's work list, to be read from
    /// its staged copy. Returns whether it was deleted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn restore(&mut self, id: DocumentId, operation_id: OperationId) -> Result<bool, DbError> {
        let done = sqlx::query_file!("queries/documents/restore_document.sql", id.0, operation_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Puts failed documents on the operation's work list, to be read from their staged copies
    /// where there are any: all of the collection, or one, which may also have been cancelled.
    /// Returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retry(
        &mut self,
        collection_id: CollectionId,
        only: Option<DocumentId>,
        operation_id: OperationId,
    ) -> Result<u64, DbError> {
        let only = only.map(|id| id.0);
        let done =
            sqlx::query_file!("queries/documents/retry_documents.sql", collection_id.0, operation_id.0, only)
                .execute(&mut *self.connection)
                .await?;
        Ok(done.rows_affected())
    }

    /// How many documents of the collection failed and how many wait to be indexed, in this order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_unfinished(&mut self, collection_id: CollectionId) -> Result<(i64, i64), DbError> {
        let row = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE status = 'failed') AS "failed!",
                count(*) FILTER (WHERE status = 'pending') AS "pending!"
            FROM documents WHERE collection_id = $1 AND status IN ('failed', 'pending') AND uri IS NOT NULL"#,
            collection_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok((row.failed, row.pending))
    }

    /// Notes that no deleted document of this source has points any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_source_purged(&mut self, id: SourceId) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE documents SET chunk_count = 0
            WHERE source_id = $1 AND status = 'deleted' AND chunk_count > 0",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
