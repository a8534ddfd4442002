//! What becomes of documents.

use domain::{DocumentStatus, ErrorCategory, Generation, ItemId, OperationId, OperationType};
use sqlx::PgPool;
use uuid::Uuid;

use crate::documents::Documents;
use crate::operations::StagingOutcome;
use crate::testing::{Bench, binary, item};

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn batches_that_end_at_once_flip_the_document_once(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (_, items) = bench.run_append(&["a"]).await;
    bench.stage(items[0], "a", "h", &StagingOutcome::Staged).await.unwrap();
    bench.connection().await.operation_items().mark_chunked(items[0], 2000, 8).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for batch in (0..8).chain(0..8) {
        let (db, id) = (bench.db.clone(), items[0]);
        workers.spawn(async move {
            db.connection().await.unwrap().operation_items().mark_batch_done(id, batch, 0).await.unwrap()
        });
    }
    let done: Vec<_> = workers.join_all().await.into_iter().flatten().collect();
    let last = done.iter().filter(|done| done.replaced_generation.is_some()).count();
    assert_eq!(last, 1);
    let document = bench.document("a").await;
    assert_eq!(
        (document.status, document.generation, document.chunk_count),
        (DocumentStatus::Completed, Generation(1), 2000)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_changed_document_shows_its_old_version_until_the_new_one_is_indexed(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "old").await;
    bench.finish(first).await;

    let (_, items) = bench.run_append(&["a"]).await;
    let staging = bench
        .connection()
        .await
        .operation_items()
        .begin_staging(OperationId(Uuid::nil()), &items)
        .await
        .unwrap();
    assert_eq!(staging, [], "items are found by their own operation only");
    bench.stage(items[0], "a", "new", &StagingOutcome::Staged).await.unwrap();
    let between = bench.document("a").await;
    assert_eq!(
        (between.status, between.generation, between.last_generation),
        (DocumentStatus::Completed, Generation(1), Generation(2))
    );
    let mut connection = bench.connection().await;
    connection.operation_items().mark_chunked(items[0], 5, 1).await.unwrap();
    let done = connection.operation_items().mark_batch_done(items[0], 0, 0).await.unwrap().unwrap();
    assert_eq!(done.replaced_generation, Some(Generation(1)));
    let after = bench.document("a").await;
    assert_eq!(
        (after.generation, after.chunk_count, after.content_hash.as_deref()),
        (Generation(2), 5, Some("new"))
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_same_change_hint_needs_no_staging(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a", "b"]).await;
    bench.index(items[0], "a", "1").await;
    bench.index(items[1], "b", "2").await;
    bench.finish(first).await;

    let second = bench.insert_operation(OperationType::Append).await;
    let mut connection = bench.connection().await;
    let mut items = connection.operation_items();
    items.insert_many(second, &[item("a", "v1"), item("b", "v2"), item("c", "v1")]).await.unwrap();
    assert_eq!(items.mark_unchanged(second, ItemId(0)).await.unwrap(), 1);
    let left = items.list_undispatched(second, ItemId(0), 10).await.unwrap();
    assert_eq!(left.len(), 2);
    items.mark_dispatched(&left).await.unwrap();
    assert_eq!(items.list_undispatched(second, ItemId(0), 10).await.unwrap(), []);
    // Listing the page again changes nothing.
    assert_eq!(items.insert_many(second, &[item("a", "v1"), item("c", "v9")]).await.unwrap(), 0);
    assert_eq!(bench.counts(second).await.unchanged, 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn equal_bytes_are_claimed_by_one_document(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation_id, items) = bench.run_append(&["a", "b"]).await;
    bench.stage(items[0], "a", "same", &StagingOutcome::Staged).await.unwrap();
    let refused = bench.stage(items[1], "b", "same", &StagingOutcome::Staged).await.unwrap_err();
    assert_eq!(refused.constraint(), Some(Documents::HASH_CONSTRAINT));

    let mut connection = bench.connection().await;
    let context = connection
        .documents()
        .staging_context(bench.collection_id, bench.document_id("b"), "same")
        .await
        .unwrap();
    let twin = context.twin.unwrap();
    assert_eq!((twin.id, twin.is_indexed), (bench.document_id("a"), true));
    let duplicate = StagingOutcome::Duplicate { original: twin.id };
    assert!(bench.stage(items[1], "b", "same", &duplicate).await.unwrap());

    // What cannot be indexed under one name cannot be indexed under the other.
    assert!(bench.fail(items[0], &binary()).await);
    let (original, copy) = (bench.document("a").await, bench.document("b").await);
    assert_eq!((original.status, copy.status), (DocumentStatus::Failed, DocumentStatus::Failed));
    assert_eq!(copy.error_message, original.error_message);
    bench.finish(operation_id).await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_duplicate_takes_the_place_of_an_original_that_changes(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a", "b"]).await;
    bench.index(items[0], "a", "same").await;
    let duplicate = StagingOutcome::Duplicate { original: bench.document_id("a") };
    assert!(bench.stage(items[1], "b", "same", &duplicate).await.unwrap());
    bench.finish(first).await;
    assert_eq!(bench.connection().await.operations().next_pending(bench.collection_id).await.unwrap(), None);

    let (second, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "different").await;
    bench.finish(second).await;
    let mut connection = bench.connection().await;
    let third = connection.operations().next_pending(bench.collection_id).await.unwrap().unwrap();
    assert_eq!(connection.operation_items().mark_unchanged(third, ItemId(0)).await.unwrap(), 0);
    let items = connection.operation_items().list_undispatched(third, ItemId(0), 10).await.unwrap();
    connection.operations().claim(third).await.unwrap();
    let staging = connection.operation_items().begin_staging(third, &items).await.unwrap();
    assert_eq!(staging.iter().map(|item| item.uri.as_str()).collect::<Vec<_>>(), ["upload://b"]);
    bench.index(items[0], "b", "same").await;
    let promoted = bench.document("b").await;
    assert_eq!((promoted.duplicate_of, promoted.chunk_count), (None, 2));
    bench.finish(third).await;
    assert_eq!(connection.operations().next_pending(bench.collection_id).await.unwrap(), None);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_claim_left_over_by_a_stopped_run_is_seen_through(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "old").await;
    bench.finish(first).await;
    let (second, items) = bench.run_append(&["a"]).await;
    bench.stage(items[0], "a", "new", &StagingOutcome::Staged).await.unwrap();
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations()
        .mark_failed(second, "the source is gone", ErrorCategory::Permanent)
        .await
        .unwrap()
        .unwrap();
    tx.commit().await.unwrap();
    let kept = bench.document("a").await;
    assert_eq!(
        (kept.status, kept.content_hash),
        (DocumentStatus::Completed, None),
        "what was searchable stays so"
    );
    assert_eq!(bench.counts(second).await.failed, 1);

    // As a release before this one left it.
    sqlx::query("UPDATE documents SET content_hash = 'new'").execute(&bench.pool).await.unwrap();
    let mut connection = bench.connection().await;
    let context = connection
        .documents()
        .staging_context(bench.collection_id, bench.document_id("b"), "new")
        .await
        .unwrap();
    assert!(!context.twin.unwrap().is_indexed);
    connection.documents().release_hash(bench.document_id("a"), "new").await.unwrap();
    let (_, items) = bench.run_append(&["b"]).await;
    bench.index(items[0], "b", "new").await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_removed_document_comes_back_under_a_new_generation(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    bench.finish(first).await;
    sqlx::query("UPDATE documents SET status = 'deleted', deleted_at = now()")
        .execute(&bench.pool)
        .await
        .unwrap();
    let (_, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    let revived = bench.document("a").await;
    assert_eq!(
        (revived.status, revived.generation, revived.deleted_at),
        (DocumentStatus::Completed, Generation(2), None)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn uploads_that_come_while_an_operation_waits_join_it(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let waiting = bench.insert_operation(OperationType::Append).await;
    let mut tx = bench.db.begin().await.unwrap();
    let source = tx.collection_sources().find_or_create_upload(bench.collection_id).await.unwrap();
    assert_eq!(tx.operations().lock_pending_append(source.id).await.unwrap(), Some(waiting));
    tx.operation_items().upsert_many(waiting, &[item("a", "v1")]).await.unwrap();

    // The operation cannot start between the look and the commit.
    let claim = tokio::spawn({
        let db = bench.db.clone();
        async move { db.connection().await.unwrap().operations().claim(waiting).await.unwrap() }
    });
    tx.operation_items().upsert_many(waiting, &[item("a", "v2"), item("b", "v1")]).await.unwrap();
    assert!(!claim.is_finished());
    tx.commit().await.unwrap();
    assert!(claim.await.unwrap());
    assert_eq!(bench.counts(waiting).await.listed, 2);

    let mut connection = bench.connection().await;
    assert_eq!(connection.operations().lock_pending_append(source.id).await.unwrap(), None);
    let ids = connection.operation_items().list_undispatched(waiting, ItemId(0), 10).await.unwrap();
    let items = connection.operation_items().begin_staging(waiting, &ids).await.unwrap();
    assert_eq!(items[0].change_hint.as_deref(), Some("v2"), "the newer version is taken");
}
