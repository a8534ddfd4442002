//! Offers to transfer a collection: the recipient accepts or declines.

use chrono::{DateTime, Utc};
use domain::{CollectionId, OwnershipOfferId, UserId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// An offer to make.
#[derive(Debug, Clone, Copy)]
pub struct NewOwnershipOffer {
    /// ID of the offer.
    pub id: OwnershipOfferId,
    /// The collection.
    pub collection_id: CollectionId,
    /// Its owner.
    pub from_user_id: UserId,
    /// The recipient.
    pub to_user_id: UserId,
    /// When the offer lapses.
    pub expires_at: DateTime<Utc>,
}

/// An open offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnershipOffer {
    /// ID of the offer.
    pub id: OwnershipOfferId,
    /// The collection.
    pub collection_id: CollectionId,
    /// Name of the collection.
    pub collection_name: String,
    /// The owner, who made the offer.
    pub from_user_id: UserId,
    /// The owner's username.
    pub from_username: String,
    /// The recipient.
    pub to_user_id: UserId,
    /// The recipient's username.
    pub to_username: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it lapses.
    pub expires_at: DateTime<Utc>,
}

/// Reads and changes offers. They are changed under the collection's lock.
#[derive(Debug)]
pub struct OwnershipOffers<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> OwnershipOffers<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Makes an offer. It replaces an earlier one of the collection.
    pub async fn make(&mut self, new: &NewOwnershipOffer) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO ownership_offers (id, collection_id, from_user_id, to_user_id, expires_at)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (collection_id) DO UPDATE
            SET id = EXCLUDED.id, from_user_id = EXCLUDED.from_user_id, to_user_id = EXCLUDED.to_user_id,
                created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at",
            new.id.0,
            new.collection_id.0,
            new.from_user_id.0,
            new.to_user_id.0,
            new.expires_at,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns the open offer with this ID to this user.
    pub async fn find_to(
        &mut self,
        user_id: UserId,
        id: OwnershipOfferId,
        now: DateTime<Utc>,
    ) -> Result<Option<OwnershipOffer>, DbError> {
        Ok(self.select(Some(id), None, Some(user_id), now, 1, 0).await?.items.pop())
    }

    /// Returns the open offer of this collection.
    pub async fn find_of(
        &mut self,
        collection_id: CollectionId,
        now: DateTime<Utc>,
    ) -> Result<Option<OwnershipOffer>, DbError> {
        Ok(self.select(None, Some(collection_id), None, now, 1, 0).await?.items.pop())
    }

    /// Returns the open offers to this user, oldest first.
    pub async fn list_to(
        &mut self,
        user_id: UserId,
        now: DateTime<Utc>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<OwnershipOffer>, DbError> {
        let page = self.select(None, None, Some(user_id), now, limit, offset).await?;
        if page.items.is_empty() && offset > 0 {
            // The total is a column of the rows; a page past the end has no row to carry it.
            let total = self.select(None, None, Some(user_id), now, 1, 0).await?.total;
            return Ok(Page { items: Vec::new(), total });
        }
        Ok(page)
    }

    /// Deletes the collection's offer, open or lapsed. Returns whether there was one.
    pub async fn delete_of(&mut self, collection_id: CollectionId) -> Result<bool, DbError> {
        let done = sqlx::query!("DELETE FROM ownership_offers WHERE collection_id = $1", collection_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn select(
        &mut self,
        id: Option<OwnershipOfferId>,
        collection_id: Option<CollectionId>,
        to_user_id: Option<UserId>,
        now: DateTime<Utc>,
        limit: i64,
        offset: i64,
    ) -> Result<Page<OwnershipOffer>, DbError> {
        let rows = sqlx::query_file_as!(
            OfferRow,
            "queries/collections/list_ownership_offers.sql",
            id.map(|id| id.0),
            collection_id.map(|id| id.0),
            to_user_id.map(|id| id.0),
            now,
            limit,
            offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let total = rows.first().map_or(0, |row| row.total);
        Ok(Page { items: rows.into_iter().map(OwnershipOffer::from).collect(), total })
    }
}

struct OfferRow {
    id: Uuid,
    collection_id: Uuid,
    collection_name: String,
    from_user_id: i64,
    from_username: String,
    to_user_id: i64,
    to_username: String,
    created_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    total: i64,
}

impl From<OfferRow> for OwnershipOffer {
    fn from(row: OfferRow) -> Self {
        Self {
            id: OwnershipOfferId(row.id),
            collection_id: CollectionId(row.collection_id),
            collection_name: row.collection_name,
            from_user_id: UserId(row.from_user_id),
            from_username: row.from_username,
            to_user_id: UserId(row.to_user_id),
            to_username: row.to_username,
            created_at: row.created_at,
            expires_at: row.expires_at,
        }
    }
}
