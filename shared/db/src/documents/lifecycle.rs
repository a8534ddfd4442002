//! Deletion, restoration and retry of documents.
//!
//! Each method changes the documents at once; the rest is done by the operation whose work list they are
//! put on.

use domain::{CollectionId, DeletionReason, DocumentId, OperationId, SourceId};
use uuid::Uuid;

use super::document::Documents;
use crate::DbError;

/// Numbers of documents that are not indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnfinishedCounts {
    /// Those that failed.
    pub failed: i64,
    /// Of these, those whose staged bytes could not be read: they fail again.
    pub unreadable: i64,
    /// Those that wait to be indexed.
    pub pending: i64,
}

impl Documents<'_> {
    /// Soft-deletes a document for a user: it is no longer found. Its points are deleted by the operation that it is
    /// put on the work list of afterwards, see `OperationItems::insert_removals`. What is in it is deleted with it.
    /// Returns whether it was not deleted yet.
    ///
    /// Runs several statements: call it in a transaction.
    pub async fn mark_deleted(&mut self, id: DocumentId) -> Result<bool, DbError> {
        self.soft_delete(id, DeletionReason::User).await
    }

    /// Soft-deletes a document that is gone from its source, like [`Self::mark_deleted`].
    pub async fn mark_missing(&mut self, id: DocumentId) -> Result<bool, DbError> {
        self.soft_delete(id, DeletionReason::Missing).await
    }

    async fn soft_delete(&mut self, id: DocumentId, reason: DeletionReason) -> Result<bool, DbError> {
        let is_deleted =
            sqlx::query_file_scalar!("queries/documents/delete_document.sql", id.0, reason.as_str())
                .fetch_one(&mut *self.connection)
                .await?;
        // Each level by a statement of its own: what was added to a document until it was deleted is visible then.
        let mut containers = vec![id.0];
        while !containers.is_empty() {
            containers = sqlx::query_file_scalar!("queries/documents/delete_members.sql", &containers)
                .fetch_all(&mut *self.connection)
                .await?;
        }
        Ok(is_deleted)
    }

    /// Returns those of these documents, each given by its URI and a location, that are not deleted and whose
    /// latest version comes from that location.
    pub async fn find_at_locations(
        &mut self,
        collection_id: CollectionId,
        uris: &[String],
        locations: &[String],
    ) -> Result<Vec<(DocumentId, String)>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT d.id, d.uri AS "uri!"
            FROM unnest($2::text[], $3::text[]) AS entry (uri, location)
            JOIN documents d ON d.collection_id = $1 AND d.uri = entry.uri
            WHERE d.status <> 'deleted' AND d.source_metadata ->> 'location' = entry.location
            ORDER BY d.id"#,
            collection_id.0,
            uris,
            locations,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(rows.into_iter().map(|row| (DocumentId(row.id), row.uri)).collect())
    }

    /// Returns those of these URIs that documents have, deleted ones included.
    pub async fn find_uris(
        &mut self,
        collection_id: CollectionId,
        uris: &[String],
    ) -> Result<Vec<String>, DbError> {
        let found = sqlx::query_scalar!(
            r#"SELECT uri AS "uri!" FROM documents
            WHERE collection_id = $1 AND uri = ANY ($2)"#,
            collection_id.0,
            uris,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(found)
    }

    /// Marks documents as gone from their source. Returns how many were not marked yet.
    pub async fn mark_stale(&mut self, ids: &[DocumentId]) -> Result<u64, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let done = sqlx::query!(
            "UPDATE documents SET is_stale = TRUE, updated_at = now()
            WHERE id = ANY ($1) AND status <> 'deleted' AND NOT is_stale",
            &ids,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Restores a soft-deleted document and puts it on the operation's work list, to be indexed from its
    /// staged bytes. Returns whether it was deleted.
    pub async fn restore(&mut self, id: DocumentId, operation_id: OperationId) -> Result<bool, DbError> {
        let done = sqlx::query_file!("queries/documents/restore_document.sql", id.0, operation_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Puts failed documents on the operation's work list, to be indexed from their staged bytes if there
    /// are any: all of the collection, or a single one, which may also be cancelled. Without `reads_again`, leaves out
    /// those whose staged bytes could not be read. Returns how many.
    pub async fn retry(
        &mut self,
        collection_id: CollectionId,
        only: Option<DocumentId>,
        operation_id: OperationId,
        reads_again: bool,
    ) -> Result<u64, DbError> {
        let done = sqlx::query_file!(
            "queries/documents/retry_documents.sql",
            collection_id.0,
            operation_id.0,
            only.map(|id| id.0),
            reads_again,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Counts the documents of the collection, or the only one, that a retry is about.
    pub async fn count_unfinished(
        &mut self,
        collection_id: CollectionId,
        only: Option<DocumentId>,
    ) -> Result<UnfinishedCounts, DbError> {
        let counts = sqlx::query_as!(
            UnfinishedCounts,
            r#"SELECT count(*) FILTER (WHERE status = 'failed') AS "failed!",
                count(*) FILTER (
                    WHERE status = 'failed' AND error_category = 'permanent'
                        AND EXISTS (
                            SELECT FROM document_artifacts a
                            WHERE a.document_id = documents.id AND a.generation = documents.last_generation
                        )
                ) AS "unreadable!",
                count(*) FILTER (WHERE status = 'pending') AS "pending!"
            FROM documents
            WHERE collection_id = $1 AND status IN ('failed', 'pending') AND uri IS NOT NULL
                AND ($2::uuid IS NULL OR id = $2)"#,
            collection_id.0,
            only.map(|id| id.0),
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(counts)
    }

    /// Records that the points of all deleted documents of this source are deleted.
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
