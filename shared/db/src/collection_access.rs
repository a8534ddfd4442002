//! Who may do what with a collection: decided here, by one statement, for every route.

use chrono::{DateTime, Utc};
use domain::{Access, CollectionId, CollectionSort, CollectionStatus, Principal, SortOrder};
use serde_json::Value;
use uuid::Uuid;

use crate::collections::{Collection, CollectionRow, Collections};
use crate::{DbError, Page};

/// A collection that a caller may at least read.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessibleCollection {
    /// The collection; never a deleted one.
    pub collection: Collection,
    /// The most that the caller may do with it.
    pub access: Access,
}

/// Which of the collections that a caller may read a list shows.
#[derive(Debug, Clone, Copy)]
pub struct CollectionQuery<'a> {
    /// Whether those count that the caller may read only because everybody may.
    pub include_public: bool,
    /// Only the caller's own.
    pub owned: bool,
    /// Only those with this in their name or description, whatever the case.
    pub search: Option<&'a str>,
    /// Only those in this state.
    pub status: Option<CollectionStatus>,
    /// What decides the order.
    pub sort: CollectionSort,
    /// Which way it goes.
    pub order: SortOrder,
    /// The most to return.
    pub limit: i64,
    /// How many to pass over.
    pub offset: i64,
}

impl CollectionQuery<'_> {
    /// Everything that the caller may read, newest first.
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
    /// The collection with this id and what the caller may do with it; `None` where there is no
    /// such collection or the caller may not know of it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_accessible(
        &mut self,
        id: CollectionId,
        principal: &Principal,
    ) -> Result<Option<AccessibleCollection>, DbError> {
        Ok(self.find_accessible_many(&[id], principal).await?.pop())
    }

    /// Those of these collections that the caller may read, newest first, in one statement.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_accessible_many(
        &mut self,
        ids: &[CollectionId],
        principal: &Principal,
    ) -> Result<Vec<AccessibleCollection>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let limit = i64::try_from(ids.len()).unwrap_or(i64::MAX);
        Ok(self.accessible(Some(&ids), principal, &CollectionQuery::all(limit, 0)).await?.items)
    }

    /// Those that the caller may read and the query asks for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_accessible(
        &mut self,
        principal: &Principal,
        query: &CollectionQuery<'_>,
    ) -> Result<Page<AccessibleCollection>, DbError> {
        let page = self.accessible(None, principal, query).await?;
        if page.items.is_empty() && query.offset > 0 {
            // The total comes with the rows; past the end there are none to carry it.
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
            "queries/accessible_collections.sql",
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

/// A collection's columns, then what the caller may do and how many rows the list has.
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
            1 => Access::Read,
            2 => Access::Write,
            3 => Access::Admin,
            4 => Access::Owner,
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
mod tests {
    use domain::{ApiKeyId, ChunkSettings, IndexSettings, Quantization, UserId};
    use sqlx::PgPool;

    use super::*;
    use crate::Db;
    use crate::collections::NewCollection;

    const COLLECTION: CollectionId = CollectionId(Uuid::from_u128(1));
    const OTHER: CollectionId = CollectionId(Uuid::from_u128(2));
    const KEY: ApiKeyId = ApiKeyId(Uuid::from_u128(9));

    fn person(id: i64) -> Principal {
        Principal {
            user_id: UserId(id),
            username: format!("user{id}"),
            is_superuser: false,
            api_key_id: None,
        }
    }

    fn key_of(id: i64) -> Principal {
        Principal { api_key_id: Some(KEY), ..person(id) }
    }

    /// Users 1 (owner of both collections), 2 and 3; a key whose user, scope and limit come as SQL.
    async fn prepare(pool: &PgPool, key: &str) -> Db {
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
            "INSERT INTO users (username, email, hashed_password)
                SELECT 'user' || n, n || '@example.org', 'x' FROM generate_series(1, 3) n;
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
                SELECT lpad(n::text, 32, '0')::uuid, 'c' || n, 1, 'v' || n, 'm', 256, 51 FROM generate_series(1, 2) n;
            INSERT INTO api_keys (id, name, key_hash, user_id, scope, collection_ids)
                VALUES (lpad('9', 32, '0')::uuid, 'key', 'x', {key});"
        )))
        .execute(pool)
        .await
        .unwrap();
        Db::from_pool(pool.clone())
    }

    async fn run(pool: &PgPool, sql: &'static str) {
        sqlx::raw_sql(sql).execute(pool).await.unwrap();
    }

    async fn access(db: &Db, principal: &Principal) -> Option<Access> {
        let mut connection = db.connection().await.unwrap();
        let found = connection.collections().find_accessible(COLLECTION, principal).await.unwrap();
        found.map(|found| found.access)
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn owners_do_everything_and_strangers_see_nothing(pool: PgPool) {
        let db = prepare(&pool, "1, 'admin', NULL").await;
        assert_eq!(access(&db, &person(1)).await, Some(Access::Owner));
        assert_eq!(access(&db, &person(2)).await, None);
        run(&pool, "UPDATE collections SET is_public = TRUE").await;
        assert_eq!(access(&db, &person(2)).await, Some(Access::Read));
        run(&pool, "UPDATE collections SET deleted_at = now()").await;
        assert_eq!(access(&db, &person(1)).await, None);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn grants_reach_exactly_their_user_or_key(pool: PgPool) {
        let db = prepare(&pool, "2, 'admin', NULL").await;
        run(
            &pool,
            "INSERT INTO collection_permissions (collection_id, user_id, permission)
                VALUES (lpad('1', 32, '0')::uuid, 3, 'write');
            INSERT INTO collection_permissions (collection_id, api_key_id, permission)
                VALUES (lpad('1', 32, '0')::uuid, lpad('9', 32, '0')::uuid, 'admin')",
        )
        .await;
        assert_eq!(access(&db, &person(3)).await, Some(Access::Write));
        assert_eq!(access(&db, &key_of(2)).await, Some(Access::Admin));
        assert_eq!(access(&db, &person(2)).await, None);
        let mut connection = db.connection().await.unwrap();
        assert!(connection.collections().find_accessible(OTHER, &person(3)).await.unwrap().is_none());
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_keys_scope_caps_what_its_owner_may_do(pool: PgPool) {
        let db = prepare(&pool, "1, 'read', NULL").await;
        assert_eq!(access(&db, &key_of(1)).await, Some(Access::Read));
        run(&pool, "UPDATE api_keys SET scope = 'write'").await;
        assert_eq!(access(&db, &key_of(1)).await, Some(Access::Write));
        run(&pool, "UPDATE api_keys SET scope = 'admin'").await;
        assert_eq!(access(&db, &key_of(1)).await, Some(Access::Owner));
        // A key that no longer exists may do nothing, whoever asks with it.
        run(&pool, "DELETE FROM api_keys").await;
        assert_eq!(access(&db, &key_of(1)).await, None);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_limited_key_sees_its_collections_only_even_where_all_may_read(pool: PgPool) {
        let db = prepare(&pool, "1, 'admin', ARRAY[lpad('2', 32, '0')::uuid]").await;
        run(&pool, "UPDATE collections SET is_public = TRUE").await;
        assert_eq!(access(&db, &key_of(1)).await, None);
        let mut connection = db.connection().await.unwrap();
        let page =
            connection.collections().list_accessible(&key_of(1), &CollectionQuery::all(10, 0)).await.unwrap();
        assert_eq!(page.total, 1);
        assert_eq!(page.items[0].collection.id, OTHER);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn lists_count_all_pages_even_past_the_end(pool: PgPool) {
        let db = prepare(&pool, "1, 'admin', NULL").await;
        let mut connection = db.connection().await.unwrap();
        let page =
            connection.collections().list_accessible(&person(1), &CollectionQuery::all(1, 0)).await.unwrap();
        assert_eq!((page.items.len(), page.total), (1, 2));
        let page =
            connection.collections().list_accessible(&person(1), &CollectionQuery::all(1, 7)).await.unwrap();
        assert_eq!((page.items.len(), page.total), (0, 2));
        run(&pool, "UPDATE collections SET is_public = TRUE").await;
        let own = CollectionQuery { include_public: false, ..CollectionQuery::all(10, 0) };
        let own = connection.collections().list_accessible(&person(2), &own).await.unwrap();
        assert_eq!(own.total, 0);
        let all =
            connection.collections().list_accessible(&person(2), &CollectionQuery::all(10, 0)).await.unwrap();
        assert_eq!(all.total, 2);
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_name_is_free_again_when_its_collection_is_deleted(pool: PgPool) {
        let db = prepare(&pool, "1, 'admin', NULL").await;
        let settings = IndexSettings {
            embedding_model: "m".to_owned(),
            quantization: Quantization::Float16,
            chunks: ChunkSettings { chunk_size: 256, chunk_overlap: 51 },
        };
        let empty = Value::Object(serde_json::Map::new());
        let new = NewCollection {
            id: CollectionId(Uuid::from_u128(3)),
            name: "C1",
            description: None,
            owner_id: UserId(1),
            vector_store_name: "v3",
            settings: &settings,
            chunking_strategy: "recursive",
            chunking_config: &empty,
            is_public: false,
            meta: &empty,
            sync_mode: "one_time",
            sync_interval_minutes: None,
        };
        let mut connection = db.connection().await.unwrap();
        let taken = connection.collections().insert(&new).await.unwrap_err();
        assert_eq!(taken.constraint(), Some(Collections::NAME_CONSTRAINT));
        assert!(connection.collections().mark_deleted(COLLECTION, Utc::now()).await.unwrap());
        assert!(!connection.collections().mark_deleted(COLLECTION, Utc::now()).await.unwrap());
        let inserted = connection.collections().insert(&new).await.unwrap();
        assert_eq!((inserted.status, inserted.settings), (CollectionStatus::Pending, settings));
        assert!(connection.collections().find_any(COLLECTION).await.unwrap().is_some());
    }
}
