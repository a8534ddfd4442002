//! The swap that ends a rebuild.

use domain::OperationId;

use super::collection::Collections;
use crate::DbError;

impl Collections<'_> {
    /// Lets the rebuilt Qdrant collection answer from now on; documents that could not be rebuilt
    /// have failed from now on, with the reason. Returns whether it did: not if the operation is not
    /// wanted any more, or it was done before.
    ///
    /// # Errors
    /// When the database does not answer.
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
