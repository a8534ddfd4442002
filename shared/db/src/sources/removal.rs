//! Removal of sources.

use domain::{OperationId, SourceId};

use super::source::CollectionSources;
use crate::DbError;

impl CollectionSources<'_> {
    /// Deletes a source whose documents are deleted, unless it was added again meanwhile, that is, unless
    /// another open operation reads it. Returns whether it was deleted. Runs two statements: call it in a
    /// transaction.
    pub async fn delete_unless_in_use(
        &mut self,
        id: SourceId,
        removal: OperationId,
    ) -> Result<bool, DbError> {
        // Locked: adding the source again waits, and if that was faster, the next statement sees it.
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
