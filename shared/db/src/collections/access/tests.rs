//! Access levels, case by case.

use domain::{ApiKeyId, ChunkSettings, IndexSettings, Quantization, UserId};
use sqlx::PgPool;

use super::*;
use crate::Db;
use crate::collections::NewCollection;

const COLLECTION: CollectionId = CollectionId(Uuid::from_u128(1));
const OTHER: CollectionId = CollectionId(Uuid::from_u128(2));
const KEY: ApiKeyId = ApiKeyId(Uuid::from_u128(9));

fn user(id: i64) -> Principal {
    Principal { user_id: UserId(id), username: format!("user{id}"), is_superuser: false, api_key_id: None }
}

fn key_of(id: i64) -> Principal {
    Principal { api_key_id: Some(KEY), ..user(id) }
}

/// Users 1 (owner of both collections), 2 and 3; a key whose user, scope and collections are given as SQL.
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

async fn access(db: &Db, principal: &Principal) -> Option<AccessLevel> {
    let mut connection = db.connection().await.unwrap();
    let found = connection.collections().find_accessible(COLLECTION, principal).await.unwrap();
    found.map(|found| found.access)
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn owners_have_full_access_and_strangers_none(pool: PgPool) {
    let db = prepare(&pool, "1, 'admin', NULL").await;
    assert_eq!(access(&db, &user(1)).await, Some(AccessLevel::Owner));
    assert_eq!(access(&db, &user(2)).await, None);
    run(&pool, "UPDATE collections SET is_public = TRUE").await;
    assert_eq!(access(&db, &user(2)).await, Some(AccessLevel::Read));
    run(&pool, "UPDATE collections SET deleted_at = now()").await;
    assert_eq!(access(&db, &user(1)).await, None);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn permissions_apply_to_their_user_or_key_only(pool: PgPool) {
    let db = prepare(&pool, "2, 'admin', NULL").await;
    run(
        &pool,
        "INSERT INTO collection_permissions (collection_id, user_id, permission)
            VALUES (lpad('1', 32, '0')::uuid, 3, 'write');
        INSERT INTO collection_permissions (collection_id, api_key_id, permission)
            VALUES (lpad('1', 32, '0')::uuid, lpad('9', 32, '0')::uuid, 'admin')",
    )
    .await;
    assert_eq!(access(&db, &user(3)).await, Some(AccessLevel::Write));
    assert_eq!(access(&db, &key_of(2)).await, Some(AccessLevel::Admin));
    assert_eq!(access(&db, &user(2)).await, None);
    let mut connection = db.connection().await.unwrap();
    assert!(connection.collections().find_accessible(OTHER, &user(3)).await.unwrap().is_none());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn scope_of_a_key_caps_its_access(pool: PgPool) {
    let db = prepare(&pool, "1, 'read', NULL").await;
    assert_eq!(access(&db, &key_of(1)).await, Some(AccessLevel::Read));
    run(&pool, "UPDATE api_keys SET scope = 'write'").await;
    assert_eq!(access(&db, &key_of(1)).await, Some(AccessLevel::Write));
    run(&pool, "UPDATE api_keys SET scope = 'admin'").await;
    assert_eq!(access(&db, &key_of(1)).await, Some(AccessLevel::Owner));
    // A deleted key grants nothing, whoever presents it.
    run(&pool, "DELETE FROM api_keys").await;
    assert_eq!(access(&db, &key_of(1)).await, None);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn limited_key_does_not_see_other_public_collections(pool: PgPool) {
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
async fn lists_return_the_total_even_past_the_end(pool: PgPool) {
    let db = prepare(&pool, "1, 'admin', NULL").await;
    let mut connection = db.connection().await.unwrap();
    let page = connection.collections().list_accessible(&user(1), &CollectionQuery::all(1, 0)).await.unwrap();
    assert_eq!((page.items.len(), page.total), (1, 2));
    let page = connection.collections().list_accessible(&user(1), &CollectionQuery::all(1, 7)).await.unwrap();
    assert_eq!((page.items.len(), page.total), (0, 2));
    run(&pool, "UPDATE collections SET is_public = TRUE").await;
    let own = CollectionQuery { include_public: false, ..CollectionQuery::all(10, 0) };
    let own = connection.collections().list_accessible(&user(2), &own).await.unwrap();
    assert_eq!(own.total, 0);
    let all = connection.collections().list_accessible(&user(2), &CollectionQuery::all(10, 0)).await.unwrap();
    assert_eq!(all.total, 2);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn name_is_free_after_its_collection_is_deleted(pool: PgPool) {
    let db = prepare(&pool, "1, 'admin', NULL").await;
    let settings = IndexSettings {
        embedding_model: "m".to_owned(),
        quantization: Quantization::Float16,
        chunks: ChunkSettings { chunk_size: 256, chunk_overlap: 51 },
        contextualize: true,
        ocr: false,
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
