//! What collections and their owners may hold: counted by whatever changes a document, never passed.

use std::collections::BTreeMap;

use domain::{CollectionId, ItemId, OperationType};
use futures_util::future::{join, join_all};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use crate::DbError;
use crate::operations::StagingOutcome;
use crate::testing::{Bench, binary};

/// With more connections than a test usually has, so that statements meet in the database.
async fn bench(options: PgPoolOptions, database: PgConnectOptions) -> Bench {
    Bench::new(options.max_connections(20).connect_with(database).await.unwrap()).await
}

impl Bench {
    /// Documents and bytes that count; as many as a new count finds.
    async fn used(&self) -> (i64, i64) {
        let mut connection = self.connection().await;
        let usage = connection.collection_resource_limits().usage(self.collection_id).await.unwrap();
        let counted: (i64, i64) = sqlx::query_as(
            "SELECT count(held_bytes), coalesce(sum(held_bytes), 0)::bigint FROM documents WHERE collection_id = $1",
        )
        .bind(self.collection_id.0)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        assert_eq!((usage.documents, usage.storage_bytes), counted);
        counted
    }

    async fn limit(&self, max_documents: i64, max_storage_bytes: i64) {
        sqlx::query(
            "INSERT INTO collection_resource_limits (collection_id, max_documents, max_storage_bytes)
            VALUES ($1, $2, $3)
            ON CONFLICT (collection_id) DO UPDATE SET max_documents = $2, max_storage_bytes = $3",
        )
        .bind(self.collection_id.0)
        .bind(max_documents)
        .bind(max_storage_bytes)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    async fn limit_owner(&self, max_storage_bytes: i64) {
        sqlx::query(
            "INSERT INTO user_resource_limits (user_id, max_storage_bytes) VALUES ($1, $2)
            ON CONFLICT (user_id) DO UPDATE SET max_storage_bytes = $2",
        )
        .bind(self.user_id.0)
        .bind(max_storage_bytes)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Another collection of the same owner.
    async fn another(&self) -> Self {
        let collection_id = CollectionId(Uuid::new_v4());
        sqlx::query(
            "INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            VALUES ($1, 'more notes', $2, $1::text, 'model', 256, 51)",
        )
        .bind(collection_id.0)
        .bind(self.user_id.0)
        .execute(&self.pool)
        .await
        .unwrap();
        Self { db: self.db.clone(), pool: self.pool.clone(), user_id: self.user_id, collection_id }
    }

    /// Whether there was room for each of these files, of ten bytes each, when all came at once.
    async fn stage_at_once(&self, names: &[&str], items: &[ItemId]) -> BTreeMap<String, usize> {
        let stagings = names.iter().zip(items).map(|(name, item)| async move {
            match self
                .stage(*item, name, &format!("{} {name}", self.collection_id), &StagingOutcome::Staged)
                .await
            {
                Ok(true) => "staged".to_owned(),
                Ok(false) => "not listed".to_owned(),
                Err(DbError::LimitReached { reason, .. }) => reason,
                Err(error) => panic!("{error:?}"),
            }
        });
        let mut outcomes = BTreeMap::new();
        for outcome in join_all(stagings).await {
            *outcomes.entry(outcome).or_default() += 1;
        }
        outcomes
    }
}

fn reason<T: std::fmt::Debug>(refused: Result<T, DbError>) -> String {
    match refused.unwrap_err() {
        DbError::LimitReached { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{number:02}")).collect()
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn whatever_changes_a_document_counts_it(pool: PgPool) {
    let bench = Bench::new(pool).await;
    assert_eq!(bench.used().await, (0, 0));
    let (operation, items) = bench.run_append(&["a", "b", "c", "d", "e"]).await;
    bench.index(items[0], "a", "h1").await;
    assert!(bench.fail(items[1], &binary()).await);
    // A duplicate is a document that holds nothing; a failed one is none.
    let original = StagingOutcome::Duplicate { original: bench.document_id("a") };
    assert!(bench.stage(items[2], "c", "h1", &original).await.unwrap());
    assert_eq!(bench.used().await, (2, 10));
    assert!(bench.stage(items[3], "d", "h4", &StagingOutcome::Staged).await.unwrap());
    assert!(bench.stage(items[4], "e", "h5", &StagingOutcome::Staged).await.unwrap());
    assert_eq!(bench.used().await, (4, 30));
    assert!(bench.fail(items[3], &binary()).await);
    assert_eq!(bench.used().await, (3, 20));
    // What is cancelled is not counted any more.
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations().cancel_open_items(operation).await.unwrap();
    assert!(tx.operations().complete_if_done(operation).await.unwrap().is_some());
    tx.commit().await.unwrap();
    assert_eq!(bench.used().await, (2, 10));

    // Deleted, restored; tried again, failed again.
    let mut connection = bench.connection().await;
    assert!(connection.documents().mark_deleted(bench.document_id("a")).await.unwrap());
    assert_eq!(bench.used().await, (1, 0));
    let restoring = bench.insert_operation(OperationType::RestoreDocuments).await;
    assert!(connection.documents().restore(bench.document_id("a"), restoring).await.unwrap());
    assert_eq!(bench.used().await, (2, 10));
    let retrying = bench.insert_operation(OperationType::RetryDocuments).await;
    let failed = connection.documents().retry(bench.collection_id, None, retrying).await.unwrap();
    assert_eq!((failed, bench.used().await), (1, (3, 20)));
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations().cancel_waiting(retrying).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(bench.used().await, (2, 10));

    // A collection that goes takes its count with it.
    sqlx::query("DELETE FROM collections").execute(&bench.pool).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM collection_resource_limits")
        .fetch_one(&bench.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_new_version_counts_with_the_larger_of_both_until_it_is_searchable(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h1").await;
    bench.finish(operation).await;
    bench.limit(1, 20).await;
    for (size, held_before, held_after) in [(5, 10, 5), (20, 20, 20)] {
        let (operation, items) = bench.run_append(&["a"]).await;
        let hash = format!("h{size}");
        assert!(bench.stage_bytes(items[0], "a", &hash, &StagingOutcome::Staged, size).await.unwrap());
        assert_eq!(bench.used().await, (1, held_before));
        let mut connection = bench.connection().await;
        assert!(connection.operation_items().mark_chunked(items[0], 2, 1).await.unwrap());
        connection.operation_items().mark_batch_done(items[0], 0, 0).await.unwrap().unwrap();
        drop(connection);
        bench.finish(operation).await;
        assert_eq!(bench.used().await, (1, held_after));
    }

    let (operation, items) = bench.run_append(&["a"]).await;
    assert_eq!(
        reason(bench.stage_bytes(items[0], "a", "h21", &StagingOutcome::Staged, 21).await),
        "the collection holds 20 of at most 20 bytes, and this would add 1; delete some, or ask an \
         administrator for a higher limit"
    );
    // What was refused left nothing, and the item may still end as failed.
    assert_eq!(bench.used().await, (1, 20));
    assert_eq!(bench.counts(operation).await.listed, 1);
    // Nobody is over a limit by getting smaller, even when the limit came down meanwhile.
    bench.limit(0, 0).await;
    assert!(bench.stage_bytes(items[0], "a", "h19", &StagingOutcome::Staged, 19).await.unwrap());
    // A version that is cancelled on its way gives back what it held.
    bench.limit(1, 30).await;
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations().cancel_open_items(operation).await.unwrap();
    assert!(tx.operations().complete_if_done(operation).await.unwrap().is_some());
    tx.commit().await.unwrap();
    let (operation, items) = bench.run_append(&["a"]).await;
    assert!(bench.stage_bytes(items[0], "a", "h30", &StagingOutcome::Staged, 30).await.unwrap());
    assert_eq!(bench.used().await, (1, 30));
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations().cancel_open_items(operation).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(bench.used().await, (1, 20));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn of_fifty_documents_at_once_the_allowed_number_is_staged(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let bench = bench(options, database).await;
    bench.limit(7, 1000).await;
    let names = names(50);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_, items) = bench.run_append(&names).await;
    let outcomes = bench.stage_at_once(&names, &items).await;
    let full = "the collection holds 7 of at most 7 documents, and this would add 1; delete some, or ask an \
                administrator for a higher limit";
    assert_eq!(outcomes, BTreeMap::from([("staged".to_owned(), 7), (full.to_owned(), 43)]));
    assert_eq!(bench.used().await, (7, 70));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn bytes_are_limited_over_all_collections_of_their_owner(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let bench = bench(options, database).await;
    let another = bench.another().await;
    bench.limit(1000, 1000).await;
    bench.limit_owner(75).await;
    let names = names(25);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_, items) = bench.run_append(&names).await;
    let (_, more_items) = another.run_append(&names).await;
    let (mut outcomes, more) =
        join(bench.stage_at_once(&names, &items), another.stage_at_once(&names, &more_items)).await;
    for (outcome, count) in more {
        *outcomes.entry(outcome).or_default() += count;
    }
    let full = "all collections of its owner hold 70 of at most 75 bytes, and this would add 10; delete some, or \
                ask an administrator for a higher limit";
    assert_eq!(outcomes, BTreeMap::from([("staged".to_owned(), 7), (full.to_owned(), 43)]));
    assert_eq!(bench.used().await.1 + another.used().await.1, 70);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_is_brought_back_needs_room_too(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation, items) = bench.run_append(&["a", "b", "c"]).await;
    bench.index(items[0], "a", "h1").await;
    bench.index(items[1], "b", "h2").await;
    assert!(bench.stage(items[2], "c", "h3", &StagingOutcome::Staged).await.unwrap());
    assert!(bench.fail(items[2], &binary()).await);
    bench.finish(operation).await;
    let mut connection = bench.connection().await;
    assert!(connection.documents().mark_deleted(bench.document_id("b")).await.unwrap());
    bench.limit(1, 1000).await;
    let back = bench.insert_operation(OperationType::RestoreDocuments).await;
    assert_eq!(
        reason(connection.documents().restore(bench.document_id("b"), back).await),
        "the collection holds 1 of at most 1 documents, and this would add 1; delete some, or ask an \
         administrator for a higher limit"
    );
    reason(connection.documents().retry(bench.collection_id, None, back).await);
    assert_eq!(bench.used().await, (1, 10));
    bench.limit(2, 1000).await;
    assert!(connection.documents().restore(bench.document_id("b"), back).await.unwrap());
    assert_eq!(bench.used().await, (2, 20));
}
