//! Failed documents, and which of them can be retried.

use domain::CollectionId;

use super::document::Documents;
use crate::DbError;

/// Number of failed documents of a collection by error category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedCounts {
    /// Failures of the infrastructure; a retry can help.
    pub transient: i64,
    /// Failures caused by the document itself.
    pub permanent: i64,
    /// Failures of unknown category.
    pub unknown: i64,
}

impl Documents<'_> {
    /// Maximum number of retries of a document by requests for a whole collection.
    pub const MAX_RETRIES: i32 = 3;

    /// Counts a collection's failed documents; with `retryable_only` those that did not fail permanently
    /// and were retried fewer than [`Self::MAX_RETRIES`] times.
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
