//! Ownership of collections, and the lock that guards it and the permissions.

use domain::{CollectionId, UserId};

use super::collection::Collections;
use crate::DbError;

impl Collections<'_> {
    /// Locks the collection until the transaction ends and returns its owner; `None` if it does not exist
    /// or is deleted. Changes of its owner, its permissions and its deletion wait for this lock.
    pub async fn lock_owner(&mut self, id: CollectionId) -> Result<Option<UserId>, DbError> {
        // NO KEY: does not block inserts of rows that refer to the collection.
        let owner_id = sqlx::query_scalar!(
            "SELECT owner_id FROM collections WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(owner_id.map(UserId))
    }

    /// Transfers the collection to another user. The transaction must hold [`Self::lock_owner`].
    ///
    /// # Errors
    /// Returns [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] if the new owner has a collection
    /// with that name.
    pub async fn set_owner(&mut self, id: CollectionId, owner_id: UserId) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE collections SET owner_id = $2, updated_at = now() WHERE id = $1",
            id.0,
            owner_id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
