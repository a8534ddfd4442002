//! Removal of sources.

use domain::{OperationId, SourceId};

use super::source::CollectionSources;
use crate::DbError;
use crate::collections::CollectionLock;

impl CollectionSources<'_> {
    /// Deletes a source whose documents are deleted, unless it was added again meanwhile, that is, unless
    /// another open operation reads it. Returns whether it was deleted. Runs two statements: call it in a
    /// transaction.
    pub async fn delete_unless_in_use(
        &mut self,
        collection: &CollectionLock,
        id: SourceId,
        removal: OperationId,
    ) -> Result<bool, DbError> {
        // A request that adds the source again waits for the locks; one that was faster is visible to the
        // next statement.
        self.lock(collection, id).await?;
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
