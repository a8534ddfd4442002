//! What sweep asks for: uploads to check, and rows past their retention period.

use chrono::{DateTime, Utc};
use domain::UploadId;

use super::upload::Uploads;
use crate::DbError;

impl Uploads<'_> {
    /// Returns expected uploads that need a check: those whose URL expired before `expired_before`, those whose
    /// announcer seems to have lost access, and those announced between `announced_from` and `announced_until`,
    /// whose S3 event may be lost. Also those whose object is left over although it is not needed any more.
    /// Oldest first.
    pub async fn list_unsettled(
        &mut self,
        expired_before: DateTime<Utc>,
        announced_from: DateTime<Utc>,
        announced_until: DateTime<Utc>,
        limit: i64,
    ) -> Result<Vec<UploadId>, DbError> {
        let ids = sqlx::query_file_scalar!(
            "queries/uploads/list_unsettled.sql",
            expired_before,
            announced_from,
            announced_until,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(UploadId).collect())
    }

    /// Deletes uploads that have ended and were announced before this time, at most `limit`. Returns how many.
    pub async fn delete_settled(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM uploads WHERE id IN (
                SELECT id FROM uploads WHERE status <> 'expected' AND created_at < $1 AND NOT holds_object LIMIT $2
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
