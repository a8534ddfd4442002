//! Uploads and pushes that are taken back before they are staged.

use domain::{CollectionId, DocumentUri, OperationId};

use super::items::OperationItems;
use crate::DbError;

impl OperationItems<'_> {
    /// Takes items whose uploaded files are gone from the bucket off the work lists of the collection's pending
    /// operations, and ends listed ones of a running operation. Returns the running operation.
    pub async fn skip_gone(
        &mut self,
        collection_id: CollectionId,
        locations: &[String],
    ) -> Result<Vec<OperationId>, DbError> {
        // A later version can still join a pending operation: its item must not have ended.
        sqlx::query!(
            "DELETE FROM operation_items i USING operations o
            WHERE o.collection_id = $1 AND o.status = 'pending' AND o.type = 'append'
                AND i.operation_id = o.id AND i.state = 'listed' AND NOT i.is_removal AND i.location = ANY ($2)",
            collection_id.0,
            locations,
        )
        .execute(&mut *self.connection)
        .await?;
        let ids = sqlx::query_scalar!(
            "UPDATE operation_items i
            SET state = 'skipped', error_message = 'the file was deleted from the bucket before it was indexed',
                updated_at = now()
            FROM operations o
            WHERE o.collection_id = $1 AND o.status = 'processing' AND o.type = 'append'
                AND i.operation_id = o.id AND i.state = 'listed' AND NOT i.is_removal AND i.location = ANY ($2)
            RETURNING o.uuid",
            collection_id.0,
            locations,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let mut ids: Vec<OperationId> = ids.into_iter().map(OperationId).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// Takes a document that is being deleted off the work lists of the collection's pending operations, and ends its
    /// listed items of running ones: it may not be registered yet. Returns whether there were any, and the running
    /// operations.
    pub async fn skip_deleted(
        &mut self,
        collection_id: CollectionId,
        uri: &DocumentUri,
    ) -> Result<(bool, Vec<OperationId>), DbError> {
        // A later version can still join a pending operation: its item must not have ended.
        let pending = sqlx::query!(
            "DELETE FROM operation_items i USING operations o
            WHERE o.collection_id = $1 AND o.status = 'pending' AND o.type = 'append'
                AND i.operation_id = o.id AND i.uri = $2 AND i.state = 'listed' AND NOT i.is_removal",
            collection_id.0,
            uri.as_str(),
        )
        .execute(&mut *self.connection)
        .await?;
        let running = sqlx::query_scalar!(
            "UPDATE operation_items i
            SET state = 'skipped', error_message = 'the document was deleted before it was indexed', updated_at = now()
            FROM operations o
            WHERE o.collection_id = $1 AND o.status = 'processing' AND o.type = 'append'
                AND i.operation_id = o.id AND i.uri = $2 AND i.state = 'listed' AND NOT i.is_removal
            RETURNING o.uuid",
            collection_id.0,
            uri.as_str(),
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let running: Vec<OperationId> = running.into_iter().map(OperationId).collect();
        Ok((pending.rows_affected() > 0 || !running.is_empty(), running))
    }
}
