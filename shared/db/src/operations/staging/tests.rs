//! Documents from staging to completion.

use domain::{DocumentStatus, ErrorCategory, Generation, ItemId, OperationId, OperationType};
use sqlx::PgPool;
use uuid::Uuid;

use crate::documents::Document;
use crate::operations::{ArtifactRef, BatchChunks, Original, StagingOutcome};
use crate::testing::{Fixture, binary, item};

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn concurrent_last_batches_complete_the_document_once(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (_, items) = fixture.run_append(&["a"]).await;
    fixture.stage(items[0], "a", "h", &StagingOutcome::Staged).await.unwrap();
    fixture.connection().await.operation_items().mark_chunked(items[0], 2000, 8, &[]).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for batch in (0..8).chain(0..8) {
        let (db, id) = (fixture.db.clone(), items[0]);
        workers.spawn(async move {
            db.connection()
                .await
                .unwrap()
                .operation_items()
                .mark_batch_done(id, batch, BatchChunks::default())
                .await
                .unwrap()
        });
    }
    let done: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let last = done.iter().filter(|done| done.replaced_generation.is_some()).count();
    assert_eq!(last, 1);
    let document = fixture.document("a").await;
    assert_eq!(
        (document.status, document.generation, document.chunk_count),
        (DocumentStatus::Completed, Generation(1), 2000)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn changed_document_shows_its_version_until_the_new_one_is_indexed(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "old").await;
    fixture.finish(first).await;

    let (_, items) = fixture.run_append(&["a"]).await;
    let staging = fixture
        .connection()
        .await
        .operation_items()
        .begin_staging(OperationId(Uuid::nil()), &items)
        .await
        .unwrap();
    assert_eq!(staging, [], "items of other operations are not found");
    fixture.stage(items[0], "a", "new", &StagingOutcome::Staged).await.unwrap();
    let between = fixture.document("a").await;
    assert_eq!(
        (between.status, between.generation, between.last_generation),
        (DocumentStatus::Completed, Generation(1), Generation(2))
    );
    let mut connection = fixture.connection().await;
    connection.operation_items().mark_chunked(items[0], 5, 1, &[]).await.unwrap();
    let done = connection
        .operation_items()
        .mark_batch_done(items[0], 0, BatchChunks::default())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(done.replaced_generation, Some(Generation(1)));
    let after = fixture.document("a").await;
    assert_eq!(
        (after.generation, after.chunk_count, after.content_hash.as_deref()),
        (Generation(2), 5, Some("new"))
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn same_change_hint_skips_staging(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a", "b"]).await;
    fixture.index(items[0], "a", "1").await;
    fixture.index(items[1], "b", "2").await;
    fixture.finish(first).await;

    let second = fixture.insert_operation(OperationType::Append).await;
    let mut connection = fixture.connection().await;
    let mut items = connection.operation_items();
    items.insert_many(second, &[item("a", "v1"), item("b", "v2"), item("c", "v1")]).await.unwrap();
    assert_eq!(items.mark_unchanged(second, ItemId(0)).await.unwrap(), 1);
    let left = items.list_undispatched(second, ItemId(0), 10).await.unwrap();
    assert_eq!(left.len(), 2);
    items.mark_dispatched(&left).await.unwrap();
    assert_eq!(items.list_undispatched(second, ItemId(0), 10).await.unwrap(), []);
    // Listing the page again changes nothing.
    assert_eq!(items.insert_many(second, &[item("a", "v1"), item("c", "v9")]).await.unwrap(), 0);
    assert_eq!(fixture.counts(second).await.unchanged, 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn documents_with_equal_bytes_are_indexed_each_and_embedded_once(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let version = |name: &str, generation: i32| ArtifactRef {
        document_id: fixture.document_id(name),
        generation: Generation(generation),
    };
    let (first, items) = fixture.run_append(&["a", "b"]).await;
    fixture.stage(items[0], "a", "same", &StagingOutcome::Staged).await.unwrap();
    fixture.stage(items[1], "b", "same", &StagingOutcome::Staged).await.unwrap();
    let mut connection = fixture.connection().await;
    let mut work = connection.operation_items().find_work(&items).await.unwrap();
    work.sort_by_key(|work| work.item_id);
    assert_eq!(work[0].original, None, "it is the oldest");
    assert_eq!(work[1].original, Some(Original { version: version("a", 1), is_open: true }));
    assert_eq!((work[0].base, work[1].base), (None, None));
    for item in &items {
        connection.operation_items().mark_chunked(*item, 2, 1, &[]).await.unwrap();
        connection
            .operation_items()
            .mark_batch_done(*item, 0, BatchChunks::default())
            .await
            .unwrap()
            .unwrap();
    }
    let (original, copy) = (fixture.document("a").await, fixture.document("b").await);
    assert_eq!((original.status, original.duplicate_of), (DocumentStatus::Completed, None));
    assert_eq!((copy.status, copy.duplicate_of), (DocumentStatus::Completed, Some(original.id)));
    assert_eq!((original.chunk_count, copy.chunk_count), (2, 2));
    fixture.finish(first).await;
    assert_eq!(fixture.counts_of_collection().await, (2, 4, 20));

    // A third one reuses the vectors of the oldest, whether that is live or deleted.
    let (second, items) = fixture.run_append(&["c"]).await;
    fixture.stage(items[0], "c", "same", &StagingOutcome::Staged).await.unwrap();
    let work = connection.operation_items().find_work(&items).await.unwrap();
    assert_eq!(work[0].base, Some(version("a", 1)));
    assert_eq!(work[0].original, Some(Original { version: version("a", 1), is_open: false }));
    connection.operation_items().mark_cancelled(items[0]).await.unwrap();
    fixture.finish(second).await;
    for (deleted, base) in [("a", "b"), ("b", "a")] {
        assert!(connection.documents().mark_deleted(fixture.document_id(deleted)).await.unwrap());
        let (operation, items) = fixture.run_append(&["c"]).await;
        fixture.stage(items[0], "c", "same", &StagingOutcome::Staged).await.unwrap();
        let work = connection.operation_items().find_work(&items).await.unwrap();
        assert_eq!(work[0].base, Some(version(base, 1)), "{deleted} is deleted");
        connection.operation_items().mark_cancelled(items[0]).await.unwrap();
        fixture.finish(operation).await;
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_document_does_not_change_with_another_one_that_had_its_bytes(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a", "b"]).await;
    fixture.index(items[0], "a", "same").await;
    fixture.index(items[1], "b", "same").await;
    fixture.finish(first).await;
    let before = fixture.document("b").await;

    let (second, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "different").await;
    fixture.finish(second).await;
    let (third, items) = fixture.run_append(&["a"]).await;
    assert!(fixture.fail(items[0], &binary()).await);
    fixture.finish(third).await;
    assert_eq!(fixture.document("b").await, Document { duplicate_of: None, ..before });
    let mut connection = fixture.connection().await;
    assert_eq!(connection.operations().next_pending(fixture.collection_id).await.unwrap(), None);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn content_hash_of_a_version_that_is_not_indexed_is_released(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "old").await;
    fixture.finish(first).await;
    let (second, items) = fixture.run_append(&["a"]).await;
    fixture.stage(items[0], "a", "new", &StagingOutcome::Staged).await.unwrap();
    let mut tx = fixture.db.begin().await.unwrap();
    tx.operations()
        .mark_failed(second, "the source is gone", ErrorCategory::Permanent)
        .await
        .unwrap()
        .unwrap();
    tx.commit().await.unwrap();
    let kept = fixture.document("a").await;
    assert_eq!(
        (kept.status, kept.content_hash),
        (DocumentStatus::Completed, None),
        "what was searchable stays so"
    );
    assert_eq!(fixture.counts(second).await.failed, 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn deleted_document_returns_with_a_new_generation(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "h").await;
    fixture.finish(first).await;
    sqlx::query("UPDATE documents SET status = 'deleted', deleted_at = now()")
        .execute(&fixture.pool)
        .await
        .unwrap();
    let (_, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "h").await;
    let revived = fixture.document("a").await;
    assert_eq!(
        (revived.status, revived.generation, revived.deleted_at),
        (DocumentStatus::Completed, Generation(2), None)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn uploads_join_a_pending_operation(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let waiting = fixture.insert_operation(OperationType::Append).await;
    let mut tx = fixture.db.begin().await.unwrap();
    let source = tx.collection_sources().find_or_create_upload(fixture.collection_id).await.unwrap();
    assert_eq!(tx.operations().lock_pending_append(source.id).await.unwrap(), Some(waiting));
    tx.operation_items().upsert_uploads(waiting, &[item("a", "v1")]).await.unwrap();

    // The operation cannot start between the lookup and the commit.
    let claim = tokio::spawn({
        let db = fixture.db.clone();
        async move { db.connection().await.unwrap().operations().claim(waiting).await.unwrap() }
    });
    tx.operation_items().upsert_uploads(waiting, &[item("a", "v2"), item("b", "v1")]).await.unwrap();
    assert!(!claim.is_finished());
    tx.commit().await.unwrap();
    assert!(claim.await.unwrap());
    assert_eq!(fixture.counts(waiting).await.listed, 2);

    let mut connection = fixture.connection().await;
    assert_eq!(connection.operations().lock_pending_append(source.id).await.unwrap(), None);
    let ids = connection.operation_items().list_undispatched(waiting, ItemId(0), 10).await.unwrap();
    let items = connection.operation_items().begin_staging(waiting, &ids).await.unwrap();
    assert_eq!(items[0].change_hint.as_deref(), Some("v2"), "the newer version wins");
}
