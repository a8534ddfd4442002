//! Defaults, and what counts.

use sqlx::PgPool;
use uuid::Uuid;

use super::*;
use crate::Db;

const COLLECTION: CollectionId = CollectionId(Uuid::from_u128(1));

async fn prepare(pool: &PgPool) -> Db {
    sqlx::raw_sql(
        "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x');
        INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            VALUES (lpad('1', 32, '0')::uuid, 'c', 1, 'v', 'm', 256, 51);",
    )
    .execute(pool)
    .await
    .unwrap();
    Db::from_pool(pool.clone())
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_defaults_are_those_of_the_columns(pool: PgPool) {
    let db = prepare(&pool).await;
    let mut tx = db.begin().await.unwrap();
    let mut limits = tx.collection_resource_limits();
    assert_eq!(limits.find(COLLECTION).await.unwrap(), CollectionLimits::default());
    assert_eq!(limits.lock(COLLECTION).await.unwrap(), CollectionLimits::default());
    let owner = domain::UserId(1);
    let mut limits = tx.user_resource_limits();
    assert_eq!(limits.find(owner).await.unwrap(), UserLimits::default());
    assert_eq!(limits.lock(owner).await.unwrap(), UserLimits::default());
    tx.commit().await.unwrap();
    let rows: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM collection_resource_limits) + (SELECT count(*) FROM user_resource_limits)",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(rows, 2);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn usage_counts_what_holds_something(pool: PgPool) {
    let db = prepare(&pool).await;
    sqlx::raw_sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
            SELECT lpad(n::text, 32, '0')::uuid, lpad('1', 32, '0')::uuid, 'u' || n, 'p', 'n', 10,
                (enum_range(NULL::document_status))[n]
            FROM generate_series(1, array_length(enum_range(NULL::document_status), 1)) n;
        INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, duplicate_of)
            SELECT lpad('99', 32, '0')::uuid, collection_id, 'copy', 'p', 'n', 10, 'completed', id
            FROM documents WHERE status = 'completed';
        INSERT INTO collection_sources (collection_id, source_path, source_type)
            VALUES (lpad('1', 32, '0')::uuid, 'uploads', 'upload'), (lpad('1', 32, '0')::uuid, '/a', 'directory');
        INSERT INTO operations (uuid, collection_id, user_id, type, created_at)
            SELECT gen_random_uuid(), lpad('1', 32, '0')::uuid, 1, type::operation_type, now() - age::interval
            FROM (VALUES ('index', '1 s'), ('append', '1 s'), ('append', '59 min'), ('append', '61 min'),
                ('delete', '1 s')) AS made (type, age)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut tx = db.begin().await.unwrap();
    let mut limits = tx.collection_resource_limits();
    let usage = limits.usage(COLLECTION).await.unwrap();
    // Pending, processing, completed, and a duplicate of the last.
    let expected =
        CollectionUsage { documents: 4, storage_bytes: 30, operations_last_hour: 2, sources: 1 };
    assert_eq!(usage, expected);
    limits.ensure(COLLECTION).await.unwrap();
    limits.ensure(COLLECTION).await.unwrap();
    tx.commit().await.unwrap();
    let used: (i64, i64) =
        sqlx::query_as("SELECT used_documents, used_bytes FROM collection_resource_limits")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(used, (4, 30));
}
