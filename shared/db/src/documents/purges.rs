//! Requests to purge deleted documents. What a purge does is in `erasures`.

use chrono::{DateTime, Utc};
use domain::{Actor, DocumentId};

use super::document::Documents;
use crate::DbError;

impl Documents<'_> {
    /// Requests that a deleted document is purged, and all that was in it: it cannot be restored from here on, and what was uploaded before
    /// does not bring it back. Returns whether it is deleted and was not requested before.
    pub async fn request_purge(&mut self, id: DocumentId, actor: Actor) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "WITH RECURSIVE purged AS (
                SELECT id FROM documents WHERE id = $1 AND status = 'deleted' AND purge_requested_at IS NULL
                UNION
                SELECT d.id FROM purged JOIN documents d ON d.container_id = purged.id WHERE d.status = 'deleted'
            )
            UPDATE documents
            SET purge_requested_at = now(), purge_user_id = $2, purge_api_key_id = $3, deletion_reason = 'user',
                deleted_at = now(), updated_at = now(),
                -- Whatever is staged from here on gets a later number than what is erased.
                reserved_generation = 1 + greatest(last_generation, reserved_generation)
            WHERE id IN (SELECT id FROM purged) AND purge_requested_at IS NULL",
            id.0,
            actor.user_id.0,
            actor.api_key_id.map(|id| id.0),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Requests the purge of documents that were deleted before this time, at most `limit`. Returns how many.
    pub async fn request_expired_purges(
        &mut self,
        before: DateTime<Utc>,
        limit: i64,
    ) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "UPDATE documents
            SET purge_requested_at = now(), updated_at = now(),
                reserved_generation = 1 + greatest(last_generation, reserved_generation)
            WHERE status = 'deleted' AND purge_requested_at IS NULL AND id IN (
                SELECT id FROM documents
                WHERE status = 'deleted' AND purge_requested_at IS NULL AND deleted_at < $1
                ORDER BY deleted_at LIMIT $2
                FOR UPDATE SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }
}
