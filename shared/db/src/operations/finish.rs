//! The transaction that ends an operation.

use domain::{CollectionId, OperationId, OperationType, SyncRunId};

use super::completion::{EarlyEnd, FinishedOperation};
use super::metrics::OperationMetrics;
use super::operation::Operations;
use crate::DbError;
use crate::audit::AuditLog;
use crate::collections::{Collections, RetiredVectorStores};
use crate::sources::{CollectionSources, SourceListings};
use crate::sync::SyncRuns;
use crate::webhooks::WebhookDeliveries;

impl Operations<'_> {
    /// Ends the operation and does everything that belongs to its end: counters and status of its
    /// collection and the collection's sources, metrics, audit entry, deliveries to webhooks, sync run. Of any number of
    /// concurrent callers, the one whose `UPDATE` changes the row does all of it; the others change nothing
    /// and get `None`.
    ///
    /// The caller has begun a transaction and locked the collection in it.
    pub(super) async fn finish(
        &mut self,
        id: OperationId,
        outcome: &str,
        end: Option<EarlyEnd<'_>>,
    ) -> Result<Option<FinishedOperation>, DbError> {
        let row = sqlx::query_file!(
            "queries/operations/complete_operation.sql",
            id.0,
            outcome,
            end.and_then(EarlyEnd::reason),
            end.and_then(EarlyEnd::category),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let operation_type = DbError::parse_label("operations", "type", &row.operation_type)?;
        if operation_type == OperationType::Reindex {
            RetiredVectorStores::new(self.connection).retire_staging(row.id).await?;
        }
        Collections::new(self.connection).record_operation_end(row.id).await?;
        CollectionSources::new(self.connection).record_operation_end(row.id).await?;
        SourceListings::new(self.connection).record_operation_end(row.id).await?;
        OperationMetrics::new(self.connection).record(row.id).await?;
        AuditLog::new(self.connection).insert_operation_end(row.id).await?;
        WebhookDeliveries::new(self.connection).record_operation_end(row.id).await?;
        if let Some(run_id) = row.sync_run_id {
            SyncRuns::new(self.connection).settle(SyncRunId(run_id)).await?;
        }
        Ok(Some(FinishedOperation {
            collection_id: CollectionId(row.collection_id),
            operation_type,
            status: DbError::parse_label("operations", "status", &row.status)?,
            completed_at: row.completed_at,
        }))
    }
}

#[cfg(test)]
mod tests;
