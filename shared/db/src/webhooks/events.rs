//! The events that become deliveries, in the transaction of what they tell of.
//!
//! Where nobody subscribes, each is one statement that finds no webhook.

use domain::CollectionId;

use super::deliveries::WebhookDeliveries;
use crate::DbError;

/// Documents of an operation that have a delivery each; the others are counted in one more.
pub(crate) const MAX_FAILED_DOCUMENTS: i64 = 20;

/// What a check of a collection found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegrityMismatch {
    /// The collection.
    pub collection_id: CollectionId,
    /// Documents that were checked.
    pub documents: i64,
    /// Discrepancies.
    pub mismatches: i64,
}

impl WebhookDeliveries<'_> {
    /// Tells of the end of an operation, of the first of its failed documents, and of what the end means for its collection
    /// and source. Call it after their status was derived.
    pub(crate) async fn record_operation_end(&mut self, operation_sequence: i64) -> Result<(), DbError> {
        sqlx::query_file!(
            "queries/webhooks/record_operation_end.sql",
            operation_sequence,
            MAX_FAILED_DOCUMENTS
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Tells of discrepancies in a collection.
    pub(crate) async fn record_mismatch(&mut self, found: IntegrityMismatch) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO webhook_deliveries (id, webhook_id, collection_id, event_type, payload)
            SELECT gen_random_uuid(), w.id, c.id, 'integrity.mismatch', jsonb_build_object(
                'type', 'integrity.mismatch',
                'timestamp', now(),
                'data', jsonb_build_object(
                    'collection_id', c.id, 'collection_name', c.name, 'checked_documents', $2::bigint,
                    'mismatches', $3::bigint
                )
            )
            FROM collections c
            JOIN webhooks w ON w.collection_id = c.id OR (w.collection_id IS NULL AND w.user_id = c.owner_id)
            WHERE c.id = $1 AND w.enabled AND 'integrity.mismatch' = ANY (w.events)",
            found.collection_id.0,
            found.documents,
            found.mismatches,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
