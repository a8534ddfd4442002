//! The lock of a collection row, the first one of the program's lock order: collection, source,
//! operation, document.

use domain::{CollectionId, UserId};

use super::collection::Collections;
use crate::DbError;

/// Proof that a transaction locked a collection row. What locks a source row asks for it, so that the
/// order cannot be reversed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionLock {
    id: CollectionId,
    name: String,
    owner_id: UserId,
    is_deleted: bool,
}

impl CollectionLock {
    /// The collection.
    pub const fn id(&self) -> CollectionId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its owner.
    pub const fn owner_id(&self) -> UserId {
        self.owner_id
    }

    /// Whether it is deleted and not yet purged.
    pub const fn is_deleted(&self) -> bool {
        self.is_deleted
    }
}

impl Collections<'_> {
    /// Locks the collection row until the transaction ends, also of a collection that is deleted and
    /// not yet purged. Until then no other transaction changes, shares or deletes the collection, and
    /// no operation of it starts or ends.
    pub async fn lock(&mut self, id: CollectionId) -> Result<Option<CollectionLock>, DbError> {
        // NO KEY: other transactions can still insert rows that refer to the collection.
        let row = sqlx::query!(
            r#"SELECT name, owner_id, deleted_at IS NOT NULL AS "is_deleted!"
            FROM collections WHERE id = $1 FOR NO KEY UPDATE"#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.map(|row| CollectionLock {
            id,
            name: row.name,
            owner_id: UserId(row.owner_id),
            is_deleted: row.is_deleted,
        }))
    }
}
