//! Access to collections: one statement decides for every route what a caller may do.

use chrono::{DateTime, Utc};
use domain::{AccessLevel, Actor, CollectionId, CollectionSort, CollectionStatus, Principal, SortOrder};
use serde_json::Value;
use uuid::Uuid;

use super::collection::{Collection, CollectionRow, Collections};
use crate::{DbError, Page};

/// A collection that a caller may at least read.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessibleCollection {
    /// The collection; never a deleted one.
    pub collection: Collection,
    /// The caller's access level.
    pub access: AccessLevel,
}

/// Filters, order and paging of a list of collections.
#[derive(Debug, Clone, Copy)]
pub struct CollectionQuery<'a> {
    /// Whether to include collections that the caller may read only because they are public.
    pub include_public: bool,
    /// Only the caller's own collections.
    pub owned: bool,
    /// Only collections whose name or description contains this, ignoring case.
    pub search: Option<&'a str>,
    /// Only collections with this status.
    pub status: Option<CollectionStatus>,
    /// The sort key.
    pub sort: CollectionSort,
    /// The sort direction.
    pub order: SortOrder,
    /// Maximum number of collections to return.
    pub limit: i64,
    /// Number of collections to skip.
    pub offset: i64,
}

impl CollectionQuery<'_> {
    /// All collections that the caller may read, newest first.
    pub const fn all(limit: i64, offset: i64) -> Self {
        Self {
            include_public: true,
            owned: false,
            search: None,
            status: None,
            sort: CollectionSort::CreatedAt,
            order: SortOrder::Descending,
            limit,
            offset,
        }
    }
}

impl Collections<'_> {
    /// Returns the collection with this ID and the caller's access level; `None` if it does not exist or
    /// the caller may not read it.
    pub async fn find_accessible(
        &mut self,
        id: CollectionId,
        principal: &Principal,
    ) -> Result<Option<AccessibleCollection>, DbError> {
        Ok(self.find_accessible_many(&[id], principal).await?.pop())
    }

    /// Returns those of these collections that the caller may read, newest first.
    pub async fn find_accessible_many(
        &mut self,
        ids: &[CollectionId],
        principal: &Principal,
    ) -> Result<Vec<AccessibleCollection>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let limit = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        Ok(self.accessible(Some(&ids), principal, &CollectionQuery::all(limit, 0)).await?.items)
    }

    /// Returns whether a request by this user or API key would have write access to the collection now, see
    /// [`Self::access_of`].
    pub async fn may_write(&mut self, id: CollectionId, actor: Actor) -> Result<bool, DbError> {
        Ok(self.access_of(id, actor).await?.is_some_and(|access| access >= AccessLevel::Write))
    }

    /// Returns the access that a request by this user or API key would have to the collection now: the account is active,
    /// the key is active and not expired, and its permission holds.
    pub async fn access_of(
        &mut self,
        id: CollectionId,
        actor: Actor,
    ) -> Result<Option<AccessLevel>, DbError> {
        let key_id = actor.api_key_id.map(|id| id.0);
        let username = sqlx::query_scalar!(
            "SELECT username FROM users u
            WHERE u.id = $1 AND u.is_active AND (
                $2::uuid IS NULL
                OR EXISTS (
                    SELECT FROM api_keys k
                    WHERE k.id = $2 AND k.user_id = u.id AND k.is_active
                        AND (k.expires_at IS NULL OR k.expires_at > now())
                )
            )",
            actor.user_id.0,
            key_id,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(username) = username else {
            return Ok(None);
        };
        let principal =
            Principal { user_id: actor.user_id, username, is_superuser: false, api_key_id: actor.api_key_id };
        let found = self.find_accessible(id, &principal).await?;
        Ok(found.map(|found| found.access))
    }

    /// Returns the collections that the caller may read and that match the query.
    pub async fn list_accessible(
        &mut self,
        principal: &Principal,
        query: &CollectionQuery<'_>,
    ) -> Result<Page<AccessibleCollection>, DbError> {
        let page = self.accessible(None, principal, query).await?;
        if page.items.is_empty() && query.offset > 0 {
            // The total is a column of the rows; a page past the end has no row to carry it.
            let first = CollectionQuery { limit: 1, offset: 0, ..*query };
            let total = self.accessible(None, principal, &first).await?.total;
            return Ok(Page { items: Vec::new(), total });
        }
        Ok(page)
    }

    async fn accessible(
        &mut self,
        only_ids: Option<&[Uuid]>,
        principal: &Principal,
        query: &CollectionQuery<'_>,
    ) -> Result<Page<AccessibleCollection>, DbError> {
        let rows = sqlx::query_file_as!(
            AccessibleRow,
            "queries/collections/accessible_collections.sql",
            principal.user_id.0,
            principal.api_key_id.map(|key| key.0),
            only_ids,
            query.include_public,
            query.limit,
            query.offset,
            query.owned,
            query.search,
            query.status.map(CollectionStatus::as_str),
            query.sort.as_str(),
            query.order == SortOrder::Ascending,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let total = rows.first().map_or(0, |row| row.total);
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(AccessibleCollection::try_from(row)?);
        }
        Ok(Page { items, total })
    }
}

/// A collection's columns, the caller's access level and the total of the list.
struct AccessibleRow {
    id: Uuid,
    name: String,
    description: Option<String>,
    owner_id: i64,
    vector_store_name: String,
    embedding_model: String,
    quantization: String,
    chunking_strategy: String,
    chunking_config: Value,
    chunk_size: i32,
    chunk_overlap: i32,
    contextualize: bool,
    ocr: bool,
    is_public: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
    meta: Value,
    status: String,
    status_message: Option<String>,
    document_count: i64,
    vector_count: i64,
    total_size_bytes: i64,
    sync_mode: String,
    sync_interval_minutes: Option<i32>,
    sync_paused_at: Option<DateTime<Utc>>,
    sync_next_run_at: Option<DateTime<Utc>>,
    sync_last_run_started_at: Option<DateTime<Utc>>,
    sync_last_run_completed_at: Option<DateTime<Utc>>,
    sync_last_run_status: Option<String>,
    sync_last_error: Option<String>,
    level: i32,
    total: i64,
}

impl TryFrom<AccessibleRow> for AccessibleCollection {
    type Error = DbError;

    fn try_from(row: AccessibleRow) -> Result<Self, DbError> {
        let access = match row.level {
            1 => AccessLevel::Read,
            2 => AccessLevel::Write,
            3 => AccessLevel::Admin,
            4 => AccessLevel::Owner,
            other => {
                return Err(DbError::Inconsistent {
                    table: "collection_permissions",
                    column: "permission",
                    value: other.to_string(),
                });
            }
        };
        let collection = CollectionRow {
            id: row.id,
            name: row.name,
            description: row.description,
            owner_id: row.owner_id,
            vector_store_name: row.vector_store_name,
            embedding_model: row.embedding_model,
            quantization: row.quantization,
            chunking_strategy: row.chunking_strategy,
            chunking_config: row.chunking_config,
            chunk_size: row.chunk_size,
            chunk_overlap: row.chunk_overlap,
            contextualize: row.contextualize,
            ocr: row.ocr,
            is_public: row.is_public,
            created_at: row.created_at,
            updated_at: row.updated_at,
            deleted_at: row.deleted_at,
            meta: row.meta,
            status: row.status,
            status_message: row.status_message,
            document_count: row.document_count,
            vector_count: row.vector_count,
            total_size_bytes: row.total_size_bytes,
            sync_mode: row.sync_mode,
            sync_interval_minutes: row.sync_interval_minutes,
            sync_paused_at: row.sync_paused_at,
            sync_next_run_at: row.sync_next_run_at,
            sync_last_run_started_at: row.sync_last_run_started_at,
            sync_last_run_completed_at: row.sync_last_run_completed_at,
            sync_last_run_status: row.sync_last_run_status,
            sync_last_error: row.sync_last_error,
        };
        Ok(Self { collection: collection.try_into()?, access })
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;
