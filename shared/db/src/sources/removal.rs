//! The removal of a source whose documents are deleted.

use domain::{OperationId, SourceId};

use super::source::CollectionSources;
use crate::DbError;

impl CollectionSources<'_> {
    /// Removes a source whose documents are deleted, unless somebody has added it again meanwhile.
    /// Returns whether it was removed. Takes two statements: call it in a transaction.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_unless_awaited(
        &mut self,
        id: SourceId,
        removal: OperationId,
    ) -> Result<bool, DbError> {
        // Held: who adds the source again waits, and who was faster is seen by the next statement.
        self.find_for_update(id).await?;
        let done = sqlx::query!(
            "DELETE FROM collection_sources s
            WHERE s.id = $1 AND NOT EXISTS (
                SELECT FROM operations o
                WHERE o.source_id = s.id AND o.uuid <> $2 AND o.status IN ('pending', 'processing')
            )",
            id.0,
            removal.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}
