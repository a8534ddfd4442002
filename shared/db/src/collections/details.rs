//! What of a collection its owner and administrators can change.

use domain::CollectionId;
use serde_json::Value;

use super::collection::{Collection, Collections};
use crate::DbError;

/// The part of a collection that can be changed without touching its index.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectionDetails {
    /// Unique among its owner's living collections, whatever the case.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether every signed-in user may read it.
    pub is_public: bool,
    /// What its owner noted about it, an object.
    pub meta: Value,
    /// `one_time` or `continuous`.
    pub sync_mode: String,
    /// Minutes between two runs of a continuous collection, at least 15.
    pub sync_interval_minutes: Option<i32>,
}

impl Collection {
    /// The part that can be changed.
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
    /// Locks a living collection against other changes of its details until the transaction ends;
    /// what refers to it can still be added.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Changes the details. A change of its schedule plans the next run anew: one interval from now,
    /// or never.
    ///
    /// # Errors
    /// [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] where the owner has another one of that
    /// name; when the database does not answer.
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
