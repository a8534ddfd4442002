//! Documents from staging to completion.

use domain::{DocumentStatus, ErrorCategory, Generation, ItemId, OperationId, OperationType};
use sqlx::PgPool;
use uuid::Uuid;

use crate::documents::Documents;
use crate::operations::StagingOutcome;
use crate::testing::{Fixture, binary, item};

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn concurrent_last_batches_complete_the_document_once(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (_, items) = fixture.run_append(&["a"]).await;
    fixture.stage(items[0], "a", "h", &StagingOutcome::Staged).await.unwrap();
    fixture.connection().await.operation_items().mark_chunked(items[0], 2000, 8).await.unwrap();
    let mut workers = tokio::task::JoinSet::new();
    for batch in (0..8).chain(0..8) {
        let (db, id) = (fixture.db.clone(), items[0]);
        workers.spawn(async move {
            db.connection().await.unwrap().operation_items().mark_batch_done(id, batch, 0).await.unwrap()
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
    connection.operation_items().mark_chunked(items[0], 5, 1).await.unwrap();
    let done = connection.operation_items().mark_batch_done(items[0], 0, 0).await.unwrap().unwrap();
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
async fn same_bytes_are_claimed_by_one_document(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation_id, items) = fixture.run_append(&["a", "b"]).await;
    fixture.stage(items[0], "a", "same", &StagingOutcome::Staged).await.unwrap();
    let refused = fixture.stage(items[1], "b", "same", &StagingOutcome::Staged).await.unwrap_err();
    assert_eq!(refused.constraint(), Some(Documents::HASH_CONSTRAINT));

    let mut connection = fixture.connection().await;
    let context = connection
        .documents()
        .staging_context(fixture.collection_id, fixture.document_id("b"), "same")
        .await
        .unwrap();
    let original = context.original.unwrap();
    assert_eq!((original.id, original.is_indexed), (fixture.document_id("a"), true));
    let duplicate = StagingOutcome::Duplicate { original: original.id };
    assert!(fixture.stage(items[1], "b", "same", &duplicate).await.unwrap());

    // What cannot be indexed under one name cannot be indexed under the other.
    assert!(fixture.fail(items[0], &binary()).await);
    let (original, copy) = (fixture.document("a").await, fixture.document("b").await);
    assert_eq!((original.status, copy.status), (DocumentStatus::Failed, DocumentStatus::Failed));
    assert_eq!(copy.error_message, original.error_message);
    fixture.finish(operation_id).await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn duplicate_is_requeued_when_its_original_changes(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a", "b"]).await;
    fixture.index(items[0], "a", "same").await;
    let duplicate = StagingOutcome::Duplicate { original: fixture.document_id("a") };
    assert!(fixture.stage(items[1], "b", "same", &duplicate).await.unwrap());
    fixture.finish(first).await;
    assert_eq!(
        fixture.connection().await.operations().next_pending(fixture.collection_id).await.unwrap(),
        None
    );

    let (second, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "different").await;
    fixture.finish(second).await;
    let mut connection = fixture.connection().await;
    let third = connection.operations().next_pending(fixture.collection_id).await.unwrap().unwrap();
    assert_eq!(connection.operation_items().mark_unchanged(third, ItemId(0)).await.unwrap(), 0);
    let items = connection.operation_items().list_undispatched(third, ItemId(0), 10).await.unwrap();
    connection.operations().claim(third).await.unwrap();
    let staging = connection.operation_items().begin_staging(third, &items).await.unwrap();
    assert_eq!(staging.iter().map(|item| item.uri.as_str()).collect::<Vec<_>>(), ["upload://b"]);
    fixture.index(items[0], "b", "same").await;
    let promoted = fixture.document("b").await;
    assert_eq!((promoted.duplicate_of, promoted.chunk_count), (None, 2));
    fixture.finish(third).await;
    assert_eq!(connection.operations().next_pending(fixture.collection_id).await.unwrap(), None);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn hash_claim_of_a_cancelled_operation_is_recognized(pool: PgPool) {
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

    // As an earlier release left it.
    sqlx::query("UPDATE documents SET content_hash = 'new'").execute(&fixture.pool).await.unwrap();
    let mut connection = fixture.connection().await;
    let context = connection
        .documents()
        .staging_context(fixture.collection_id, fixture.document_id("b"), "new")
        .await
        .unwrap();
    assert!(!context.original.unwrap().is_indexed);
    connection.documents().release_hash(fixture.document_id("a"), "new").await.unwrap();
    let (_, items) = fixture.run_append(&["b"]).await;
    fixture.index(items[0], "b", "new").await;
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
    tx.operation_items().upsert_many(waiting, &[item("a", "v1")]).await.unwrap();

    // The operation cannot start between the lookup and the commit.
    let claim = tokio::spawn({
        let db = fixture.db.clone();
        async move { db.connection().await.unwrap().operations().claim(waiting).await.unwrap() }
    });
    tx.operation_items().upsert_many(waiting, &[item("a", "v2"), item("b", "v1")]).await.unwrap();
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
