//! The swap at the end of a rebuild.

use domain::OperationId;

use super::collection::Collections;
use crate::DbError;

impl Collections<'_> {
    /// Makes the rebuilt Qdrant collection the collection's index, and marks documents that could not be
    /// rebuilt as failed. Returns whether it did; it does not if the operation was cancelled or the swap
    /// was done before.
    pub async fn swap_rebuilt(
        &mut self,
        operation_id: OperationId,
        from: &str,
        to: &str,
    ) -> Result<bool, DbError> {
        let is_swapped =
            sqlx::query_file_scalar!("queries/collections/swap_rebuilt.sql", operation_id.0, from, to)
                .fetch_one(&mut *self.connection)
                .await?;
        Ok(is_swapped)
    }
}
