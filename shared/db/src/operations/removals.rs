//! Documents that go: their rows are marked first, so that search drops them, then their points go,
//! then they are counted as removed.
//!
//! A deleted document with chunks still has points. Whoever takes those away sets its number of
//! chunks to 0; what was forgotten is found by that.

use std::time::Duration;

use domain::{CollectionId, DocumentId, ItemId, OperationId, SourceId};
use uuid::Uuid;

use super::items::OperationItems;
use super::operation::Operations;
use crate::DbError;

impl OperationItems<'_> {
    /// Puts documents on the work list, to be removed. Returns how many were not on it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn insert_removals(
        &mut self,
        operation_id: OperationId,
        documents: &[DocumentId],
    ) -> Result<u64, DbError> {
        let documents: Vec<Uuid> = documents.iter().map(|id| id.0).collect();
        let done = sqlx::query_file!("queries/operations/insert_removals.sql", operation_id.0, &documents)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Puts those documents of the operation's source on the work list, to be removed, that its
    /// listing did not name. Call it when the listing has come to its end without gaps, and before
    /// that is noted. Returns how many there are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn insert_missing(&mut self, operation_id: OperationId) -> Result<u64, DbError> {
        let done = sqlx::query_file!("queries/operations/insert_missing.sql", operation_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Marks those documents of the operation's source as stale that its listing did not name.
    /// Returns how many were not so before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mark_missing_stale(&mut self, operation_id: OperationId) -> Result<u64, DbError> {
        let done = sqlx::query_file!("queries/operations/mark_missing_stale.sql", operation_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Deletes the documents of items that remove them, those that are not deleted yet. Returns the
    /// documents whose points go next, all but those that came back meanwhile; then comes
    /// [`Self::finish_removals`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_removals(&mut self, ids: &[ItemId]) -> Result<Vec<DocumentId>, DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let documents = sqlx::query_file_scalar!("queries/operations/begin_removals.sql", &ids)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(documents.into_iter().map(DocumentId).collect())
    }

    /// Ends items whose documents' points are gone. Returns how many were open.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn finish_removals(&mut self, ids: &[ItemId]) -> Result<i64, DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let removed = sqlx::query_file_scalar!("queries/operations/finish_removals.sql", &ids)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(removed)
    }
}

impl Operations<'_> {
    /// The operation of the collection that removes deleted documents and has not started yet, if
    /// there is one. It cannot start before the caller's transaction ends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lock_pending_removal(
        &mut self,
        collection_id: CollectionId,
    ) -> Result<Option<OperationId>, DbError> {
        let id = sqlx::query_scalar!(
            "SELECT uuid FROM operations
            WHERE collection_id = $1 AND type = 'remove_documents' AND status = 'pending'
            ORDER BY id LIMIT 1 FOR UPDATE",
            collection_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(id.map(OperationId))
    }

    /// The operation that removes this source and has not ended, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_open_source_removal(
        &mut self,
        source_id: SourceId,
    ) -> Result<Option<OperationId>, DbError> {
        let id = sqlx::query_scalar!(
            "SELECT uuid FROM operations
            WHERE source_id = $1 AND type = 'remove_source' AND status IN ('pending', 'processing')
            ORDER BY id DESC LIMIT 1",
            source_id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(id.map(OperationId))
    }

    /// Operations that read this source and have not ended, in their order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_open_readings(&mut self, source_id: SourceId) -> Result<Vec<OperationId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT uuid FROM operations
            WHERE source_id = $1 AND type = 'append' AND status IN ('pending', 'processing') ORDER BY id",
            source_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(OperationId).collect())
    }

    /// Deletes up to `limit` documents of a source that is removed, and counts them on the
    /// operation's work list. Returns how many there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remove_source_documents(
        &mut self,
        id: OperationId,
        source_id: SourceId,
        limit: i64,
    ) -> Result<i64, DbError> {
        let deleted = sqlx::query_file_scalar!(
            "queries/operations/remove_source_documents.sql",
            id.0,
            source_id.0,
            limit
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(deleted)
    }

    /// Queues operations for deleted documents whose points are left over, in collections where
    /// nothing else is going on. Returns those operations.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_unpurged(&mut self, age: Duration, limit: i64) -> Result<Vec<OperationId>, DbError> {
        let ids = sqlx::query_file_scalar!("queries/operations/queue_unpurged.sql", age.as_secs_f64(), limit)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(ids.into_iter().map(OperationId).collect())
    }

    /// Queues operations for collections whose deletion was asked for and failed. Returns those
    /// operations.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn queue_unfinished_deletions(
        &mut self,
        age: Duration,
        limit: i64,
    ) -> Result<Vec<OperationId>, DbError> {
        let ids = sqlx::query_file_scalar!(
            "queries/operations/queue_unfinished_deletions.sql",
            age.as_secs_f64(),
            limit
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(OperationId).collect())
    }
}

#[cfg(test)]
mod tests;
