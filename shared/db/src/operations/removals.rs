//! Removal of documents: their rows are marked as deleted first, so that searches leave them out, then
//! their points are deleted, then they are counted as removed.
//!
//! A deleted document with a chunk count above 0 may still have points. Deleting the points sets its chunk
//! count to 0, so documents that were missed can be found.

use std::time::Duration;

use domain::{CollectionId, DocumentId, ItemId, OperationId, SourceId};
use uuid::Uuid;

use super::items::OperationItems;
use super::operation::Operations;
use crate::DbError;

impl OperationItems<'_> {
    /// Adds documents to the work list, to be removed. Returns how many it added.
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

    /// Adds those documents of the operation's source to the work list, to be removed, that its listing did
    /// not include: all of them if `gone` is `None`, after a complete listing; else those whose URIs are among `gone`. Call
    /// it before the end of the listing is recorded. Returns how many there are.
    pub async fn insert_missing(
        &mut self,
        operation_id: OperationId,
        gone: Option<&[String]>,
    ) -> Result<u64, DbError> {
        let done = sqlx::query_file!("queries/operations/insert_missing.sql", operation_id.0, gone)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Marks those documents of the operation's source as stale that its listing did not include. Returns
    /// how many were not stale before.
    pub async fn mark_missing_stale(&mut self, operation_id: OperationId) -> Result<u64, DbError> {
        let done = sqlx::query_file!("queries/operations/mark_missing_stale.sql", operation_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }

    /// Soft-deletes the documents of items that remove them, unless they are deleted. Returns the documents
    /// whose points are to be deleted next, without those that were restored meanwhile; then call
    /// [`Self::finish_removals`].
    pub async fn begin_removals(&mut self, ids: &[ItemId]) -> Result<Vec<DocumentId>, DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let documents = sqlx::query_file_scalar!("queries/operations/begin_removals.sql", &ids)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(documents.into_iter().map(DocumentId).collect())
    }

    /// Ends items whose documents' points are deleted. Returns how many were open.
    pub async fn finish_removals(&mut self, ids: &[ItemId]) -> Result<i64, DbError> {
        let ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        let removed = sqlx::query_file_scalar!("queries/operations/finish_removals.sql", &ids)
            .fetch_one(&mut *self.connection)
            .await?;
        Ok(removed)
    }
}

impl OperationItems<'_> {
    /// Puts documents of the operation's collection on its work list that were deleted at least `age`
    /// ago and still have points, `limit` at most. Returns how many.
    pub async fn insert_unpurged(
        &mut self,
        operation_id: OperationId,
        age: Duration,
        limit: i64,
    ) -> Result<u64, DbError> {
        let done = sqlx::query_file!(
            "queries/operations/insert_unpurged.sql",
            operation_id.0,
            age.as_secs_f64(),
            limit
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }
}

impl Operations<'_> {
    /// Whether an operation of the collection is pending or processing.
    pub async fn has_open(&mut self, collection_id: CollectionId) -> Result<bool, DbError> {
        let has_open = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                SELECT FROM operations WHERE collection_id = $1 AND status IN ('pending', 'processing')
            ) AS "has_open!""#,
            collection_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(has_open)
    }

    /// Returns the collection's pending operation that removes documents, if there is one, and locks it: it
    /// cannot start before the transaction ends.
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

    /// Returns the open operation that removes this source, if there is one.
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

    /// Returns the open operations that read this source, in the order they run.
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

    /// Soft-deletes up to `limit` documents of a source that is being removed, and counts them on the
    /// operation's work list. Returns how many.
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
}

#[cfg(test)]
mod tests;
