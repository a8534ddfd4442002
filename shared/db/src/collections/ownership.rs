//! Whose a collection is, and the lock under which that and its grants change.

use domain::{CollectionId, UserId};

use super::collection::Collections;
use crate::DbError;

impl Collections<'_> {
    /// The collection's owner; nobody else shares it, hands it over or deletes it until the
    /// transaction ends. `None` where it is gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lock_owner(&mut self, id: CollectionId) -> Result<Option<UserId>, DbError> {
        // NO KEY: rows that refer to the collection can be inserted meanwhile.
        let owner_id = sqlx::query_scalar!(
            "SELECT owner_id FROM collections WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(owner_id.map(UserId))
    }

    /// Hands the collection over. Call it under [`Self::lock_owner`].
    ///
    /// # Errors
    /// [`DbError::Constraint`] with [`Self::NAME_CONSTRAINT`] where the new owner has one of that
    /// name; when the database does not answer.
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
