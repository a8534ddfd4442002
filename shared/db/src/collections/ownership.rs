//! Ownership of collections.

use domain::{CollectionId, UserId};

use super::collection::Collections;
use crate::DbError;

impl Collections<'_> {
    /// Transfers the collection to another user. The transaction must hold [`Self::lock`].
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
