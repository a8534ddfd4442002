//! Documents that failed, and which of them are worth another try.

use domain::CollectionId;

use super::document::Documents;
use crate::DbError;

/// How many documents of a collection failed, by category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedCounts {
    /// Because a part did not answer.
    pub transient: i64,
    /// Because of what they are.
    pub permanent: i64,
    /// For a reason that was not told.
    pub unknown: i64,
}

impl Documents<'_> {
    /// After so many further tries, another is not made for a whole collection.
    pub const MAX_RETRIES: i32 = 3;

    /// Counts a collection's failed documents; with `retryable_only` those that did not fail for
    /// good and were tried again less than [`Self::MAX_RETRIES`] times.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_failed(
        &mut self,
        collection_id: CollectionId,
        retryable_only: bool,
    ) -> Result<FailedCounts, DbError> {
        let counts = sqlx::query_as!(
            FailedCounts,
            r#"SELECT count(*) FILTER (WHERE error_category = 'transient') AS "transient!",
                count(*) FILTER (WHERE error_category = 'permanent') AS "permanent!",
                count(*) FILTER (WHERE coalesce(error_category, 'unknown') = 'unknown') AS "unknown!"
            FROM documents
            WHERE collection_id = $1 AND status = 'failed'
                AND (NOT $2 OR (error_category IS DISTINCT FROM 'permanent' AND retry_count < $3))"#,
            collection_id.0,
            retryable_only,
            Self::MAX_RETRIES,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(counts)
    }
}
