//! Details of a collection: what its owner and administrators can change.

use domain::CollectionId;
use serde_json::Value;

use super::collection::{Collection, Collections};
use crate::DbError;

/// The fields of a collection that can be changed without reindexing.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionDetails {
    /// Name; unique among the owner's collections that are not deleted, ignoring case.
    pub name: String,
    /// Description.
    pub description: Option<String>,
    /// Whether every user may read it.
    pub is_public: bool,
    /// Metadata given by its owner, a JSON object.
    pub meta: Value,
    /// `one_time` or `continuous`.
    pub sync_mode: String,
    /// Minutes between two sync runs of a continuous collection, at least 15.
    pub sync_interval_minutes: Option<i32>,
}

impl Collection {
    /// Returns the fields that can be changed.
    pub fn details(&self) -> CollectionDetails {
        CollectionDetails {
            name: self.name.clone(),
            description: self.description.clone(),
            is_public: self.is_public,
            meta: self.meta.clone(),
            sync_mode: self.sync_mode.clone(),
            sync_interval_minutes: self.sync_interval_minutes,
        }
    }
}

impl Collections<'_> {
    /// Locks a collection that is not deleted until the transaction ends and returns its details. Rows that
    /// refer to the collection can still be inserted.
    pub async fn lock_details(&mut self, id: CollectionId) -> Result<Option<CollectionDetails>, DbError> {
        let details = sqlx::query_as!(
            CollectionDetails,
            "SELECT name, description, is_public, meta, sync_mode, sync_interval_minutes
            FROM collections WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(details)
    }

    /// Updates the details. A change of the sync settings reschedules the next run: one interval from now,
    /// or never.
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] if the owner has another collection
    /// with that name.
    pub async fn update_details(
        &mut self,
        id: CollectionId,
        details: &CollectionDetails,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE collections
            SET name = $2, description = $3, is_public = $4, meta = $5, sync_mode = $6,
                sync_interval_minutes = $7, updated_at = now(),
                sync_next_run_at = CASE
                    WHEN $6 <> 'continuous' THEN NULL
                    WHEN sync_mode = $6 AND sync_interval_minutes = $7 THEN sync_next_run_at
                    ELSE now() + make_interval(mins => $7)
                END,
                sync_paused_at = CASE WHEN $6 = 'continuous' THEN sync_paused_at END
            WHERE id = $1",
            id.0,
            details.name,
            details.description,
            details.is_public,
            details.meta,
            details.sync_mode,
            details.sync_interval_minutes,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
