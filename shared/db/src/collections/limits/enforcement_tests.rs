//! Enforcement of document and storage quotas: every change of a document is counted, and no quota is
//! exceeded.

use std::collections::BTreeMap;

use domain::{CollectionId, ItemId, OperationType};
use futures_util::future::{join, join_all};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use crate::DbError;
use crate::operations::{BatchChunks, StagingOutcome};
use crate::testing::{Fixture, binary};

/// With more connections than a test usually has, so that statements run concurrently.
async fn fixture(options: PgPoolOptions, database: PgConnectOptions) -> Fixture {
    Fixture::new(options.max_connections(20).connect_with(database).await.unwrap()).await
}

impl Fixture {
    /// Returns the counted documents and bytes, and checks them against a recount.
    async fn used(&self) -> (i64, i64) {
        let mut connection = self.connection().await;
        let usage = connection.collection_resource_limits().usage(self.collection_id).await.unwrap();
        let counted: (i64, i64) = sqlx::query_as(
            "SELECT
                (SELECT count(held_bytes) FROM documents WHERE collection_id = $1),
                (SELECT coalesce(sum(size_bytes), 0)::bigint FROM document_artifacts WHERE collection_id = $1)",
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

    /// Creates another collection of the same owner.
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

    /// Stages these files of ten bytes each concurrently; returns how many were accepted and how many
    /// rejected.
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
async fn every_change_of_a_document_is_counted(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    assert_eq!(fixture.used().await, (0, 0));
    let (operation, items) = fixture.run_append(&["a", "b", "d", "e"]).await;
    fixture.index(items[0], "a", "h1").await;
    // Nothing of it was staged.
    assert!(fixture.fail(items[1], &binary()).await);
    assert_eq!(fixture.used().await, (1, 10));
    assert!(fixture.stage(items[2], "d", "h4", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.stage(items[3], "e", "h5", &StagingOutcome::Staged).await.unwrap());
    assert_eq!(fixture.used().await, (3, 30));
    // Failed and cancelled documents do not count as documents. Their bytes are kept for a retry.
    assert!(fixture.fail(items[2], &binary()).await);
    assert_eq!(fixture.used().await, (2, 30));
    let mut tx = fixture.db.begin().await.unwrap();
    tx.operations().cancel_open_items(operation).await.unwrap();
    assert!(tx.operations().complete_if_done(operation).await.unwrap().is_some());
    tx.commit().await.unwrap();
    assert_eq!(fixture.used().await, (1, 30));

    // Deleted, restored; retried, failed again. The bytes stay until a purge.
    let mut connection = fixture.connection().await;
    assert!(connection.documents().mark_deleted(fixture.document_id("a")).await.unwrap());
    assert_eq!(fixture.used().await, (0, 30));
    let restoring = fixture.insert_operation(OperationType::RestoreDocuments).await;
    assert!(connection.documents().restore(fixture.document_id("a"), restoring).await.unwrap());
    assert_eq!(fixture.used().await, (1, 30));
    let retrying = fixture.insert_operation(OperationType::RetryDocuments).await;
    let failed = connection.documents().retry(fixture.collection_id, None, retrying, true).await.unwrap();
    assert_eq!((failed, fixture.used().await), (1, (2, 30)));
    let mut tx = fixture.db.begin().await.unwrap();
    tx.operations().cancel_pending(retrying).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fixture.used().await, (1, 30));

    // The counts are deleted with the collection.
    sqlx::query("DELETE FROM collections").execute(&fixture.pool).await.unwrap();
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM collection_resource_limits")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(rows, 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_replaced_version_counts_until_it_is_erased(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "h1").await;
    fixture.finish(operation).await;
    fixture.limit(1, 30).await;
    for (size, both) in [(5, 15), (20, 25)] {
        let (operation, items) = fixture.run_append(&["a"]).await;
        let hash = format!("h{size}");
        assert!(fixture.stage_bytes(items[0], "a", &hash, &StagingOutcome::Staged, size).await.unwrap());
        fixture.erase_due().await;
        assert_eq!(fixture.used().await, (1, both));
        let mut connection = fixture.connection().await;
        assert!(connection.operation_items().mark_chunked(items[0], 2, 1, &[]).await.unwrap());
        connection
            .operation_items()
            .mark_batch_done(items[0], 0, BatchChunks::default())
            .await
            .unwrap()
            .unwrap();
        drop(connection);
        fixture.finish(operation).await;
        assert_eq!(fixture.used().await, (1, both));
        fixture.erase_due().await;
        assert_eq!(fixture.used().await, (1, size));
    }

    let (operation, items) = fixture.run_append(&["a"]).await;
    assert_eq!(
        reason(fixture.stage_bytes(items[0], "a", "h11", &StagingOutcome::Staged, 11).await),
        "the collection holds 20 of at most 30 bytes, and this would add 11; purge some documents, or ask an \
         administrator for a higher limit"
    );
    // The rejected version left nothing behind, and its item can still fail.
    assert_eq!(fixture.used().await, (1, 20));
    assert_eq!(fixture.counts(operation).await.listed, 1);
    // Bytes that the document holds already are staged again even if the quota was lowered below the usage.
    fixture.limit(0, 0).await;
    assert!(fixture.stage_bytes(items[0], "a", "h20", &StagingOutcome::Staged, 20).await.unwrap());
    assert_eq!(fixture.used().await, (1, 40));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn concurrent_documents_are_staged_up_to_the_quota(options: PgPoolOptions, database: PgConnectOptions) {
    let fixture = fixture(options, database).await;
    fixture.limit(7, 1000).await;
    let names = names(50);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_, items) = fixture.run_append(&names).await;
    let outcomes = fixture.stage_at_once(&names, &items).await;
    let full = "the collection holds 7 of at most 7 documents, and this would add 1; delete some, or ask an \
                administrator for a higher limit";
    assert_eq!(outcomes, BTreeMap::from([("staged".to_owned(), 7), (full.to_owned(), 43)]));
    assert_eq!(fixture.used().await, (7, 70));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn storage_quota_spans_all_collections_of_the_owner(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let fixture = fixture(options, database).await;
    let another = fixture.another().await;
    fixture.limit(1000, 1000).await;
    fixture.limit_owner(75).await;
    let names = names(25);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (_, items) = fixture.run_append(&names).await;
    let (_, more_items) = another.run_append(&names).await;
    let (mut outcomes, more) =
        join(fixture.stage_at_once(&names, &items), another.stage_at_once(&names, &more_items)).await;
    for (outcome, count) in more {
        *outcomes.entry(outcome).or_default() += count;
    }
    let full = "all collections of its owner hold 70 of at most 75 bytes, and this would add 10; purge some documents, \
                or ask an administrator for a higher limit";
    assert_eq!(outcomes, BTreeMap::from([("staged".to_owned(), 7), (full.to_owned(), 43)]));
    assert_eq!(fixture.used().await.1 + another.used().await.1, 70);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn restored_documents_count_against_the_quota(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.run_append(&["a", "b", "c"]).await;
    fixture.index(items[0], "a", "h1").await;
    fixture.index(items[1], "b", "h2").await;
    assert!(fixture.stage(items[2], "c", "h3", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[2], &binary()).await);
    fixture.finish(operation).await;
    let mut connection = fixture.connection().await;
    assert!(connection.documents().mark_deleted(fixture.document_id("b")).await.unwrap());
    fixture.limit(1, 1000).await;
    let back = fixture.insert_operation(OperationType::RestoreDocuments).await;
    assert_eq!(
        reason(connection.documents().restore(fixture.document_id("b"), back).await),
        "the collection holds 1 of at most 1 documents, and this would add 1; delete some, or ask an \
         administrator for a higher limit"
    );
    reason(connection.documents().retry(fixture.collection_id, None, back, true).await);
    assert_eq!(fixture.used().await, (1, 30));
    fixture.limit(2, 1000).await;
    assert!(connection.documents().restore(fixture.document_id("b"), back).await.unwrap());
    assert_eq!(fixture.used().await, (2, 30));
}
