//! Cancelled operations.

use domain::{
    DocumentStatus, ErrorCategory, Generation, ItemId, OperationId, OperationStatus, OperationType,
};
use sqlx::PgPool;

use crate::operations::{ItemCounts, NewItem, StagingOutcome};
use crate::testing::{Fixture, item};

async fn cancel_open(fixture: &Fixture, operation_id: OperationId) {
    let mut tx = fixture.db.begin().await.unwrap();
    assert!(tx.operations().request_cancel(operation_id).await.unwrap());
    tx.operations().cancel_open_items(operation_id).await.unwrap();
    tx.commit().await.unwrap();
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn cancelling_ends_open_items_and_keeps_indexed_ones(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation_id, items) = fixture.run_append(&["a", "b", "c"]).await;
    fixture.index(items[0], "a", "1").await;
    fixture.stage(items[1], "b", "2", &StagingOutcome::Staged).await.unwrap();
    let mut connection = fixture.connection().await;
    assert!(connection.operations().is_wanted(operation_id).await.unwrap());
    cancel_open(&fixture, operation_id).await;
    assert!(!connection.operations().is_wanted(operation_id).await.unwrap());
    // A concurrent listing adds no more items.
    assert_eq!(connection.operation_items().insert_many(operation_id, &[item("d", "v1")]).await.unwrap(), 0);
    let finished = connection.operations().complete_if_done(operation_id).await.unwrap().unwrap();
    assert_eq!(finished.status, OperationStatus::Cancelled);
    let counts = fixture.counts(operation_id).await;
    assert_eq!((counts.completed, counts.cancelled, counts.open()), (1, 2, 0));
    assert_eq!(fixture.document("a").await.status, DocumentStatus::Completed);
    let stopped = fixture.document("b").await;
    assert_eq!((stopped.status, stopped.content_hash), (DocumentStatus::Cancelled, None));
    assert!(!connection.operations().request_cancel(operation_id).await.unwrap(), "it has ended");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn pending_operation_is_cancelled_at_once_and_the_next_can_start(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (running, items) = fixture.run_append(&["a"]).await;
    let waiting = fixture.insert_operation(OperationType::Append).await;
    let last = fixture.insert_operation(OperationType::Append).await;
    let mut connection = fixture.connection().await;
    connection.operation_items().insert_many(waiting, &[item("b", "v1")]).await.unwrap();
    let mut tx = fixture.db.begin().await.unwrap();
    let finished = tx.operations().cancel_pending(waiting).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    assert_eq!(finished.status, OperationStatus::Cancelled);
    assert_eq!(
        fixture.counts(waiting).await,
        ItemCounts { cancelled: 1, bytes: 10, ..ItemCounts::default() }
    );
    let collection = connection.collections().find_any(fixture.collection_id).await.unwrap().unwrap();
    assert_eq!(collection.status.as_str(), "processing", "another operation is running");
    assert_eq!(
        connection.operations().cancel_pending(running).await.unwrap(),
        None,
        "this one does not wait"
    );

    fixture.index(items[0], "a", "1").await;
    fixture.finish(running).await;
    assert_eq!(connection.operations().next_pending(fixture.collection_id).await.unwrap(), Some(last));
    assert!(!connection.operations().claim(waiting).await.unwrap());
    assert!(connection.operations().claim(last).await.unwrap());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn changed_document_keeps_its_version_when_the_new_one_is_cancelled(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "old").await;
    fixture.finish(first).await;
    let (second, items) = fixture.run_append(&["a", "b"]).await;
    fixture.stage(items[0], "a", "new", &StagingOutcome::Staged).await.unwrap();
    fixture.index(items[1], "b", "new").await;
    let mut connection = fixture.connection().await;
    assert!(connection.operation_items().mark_chunked(items[0], 2, 1, &[]).await.unwrap());
    cancel_open(&fixture, second).await;

    let kept = fixture.document("a").await;
    assert_eq!(
        (kept.status, kept.generation, kept.chunk_count),
        (DocumentStatus::Completed, Generation(1), 2)
    );
    assert_eq!(kept.content_hash, None, "the hash of a version that is not indexed is released");
    // Another document with the bytes of the new version is searchable, and nobody's duplicate.
    let copy = fixture.document("b").await;
    assert_eq!((copy.status, copy.duplicate_of), (DocumentStatus::Completed, None));
    let abandoned = connection.operation_items().list_abandoned(second, ItemId(0), 10).await.unwrap();
    assert_eq!(abandoned.len(), 1);
    assert_eq!(
        (abandoned[0].document_id, abandoned[0].generation),
        (fixture.document_id("a"), Generation(2))
    );
    connection.operations().complete_if_done(second).await.unwrap().unwrap();

    // The same file again: neither change hint nor content hash says that it is unchanged.
    let third = fixture.insert_operation(OperationType::Append).await;
    connection.operation_items().insert_many(third, &[item("a", "v1")]).await.unwrap();
    assert!(connection.operations().claim(third).await.unwrap());
    assert_eq!(connection.operation_items().mark_unchanged(third, ItemId(0)).await.unwrap(), 0);
    let items = connection.operation_items().list_undispatched(third, ItemId(0), 10).await.unwrap();
    let staging = connection.operation_items().begin_staging(third, &items).await.unwrap();
    assert_eq!(staging[0].generation, Generation(3), "generations are not reused");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn document_registered_while_its_item_is_cancelled_is_cancelled(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    for round in 0..20 {
        let name = format!("{round}");
        let (operation_id, items) = fixture.run_append(&[&name]).await;
        let cancel = async {
            let mut tx = fixture.db.begin().await.unwrap();
            tx.operation_items().mark_cancelled(items[0]).await.unwrap();
            tx.commit().await.unwrap();
        };
        let stage = fixture.stage(items[0], &name, &name, &StagingOutcome::Staged);
        let (staged, ()) = tokio::join!(stage, cancel);
        let document = fixture.connection().await.documents().find(fixture.document_id(&name)).await.unwrap();
        if staged.unwrap() {
            assert_eq!(document.unwrap().status, DocumentStatus::Cancelled);
        } else {
            assert_eq!(document, None);
        }
        fixture.finish(operation_id).await;
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn listing_concurrent_with_the_end_leaves_no_open_items(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    for round in 0..20 {
        let operation_id = fixture.insert_operation(OperationType::Append).await;
        let mut connection = fixture.connection().await;
        assert!(connection.operations().claim(operation_id).await.unwrap());
        let items: Vec<NewItem> = (0..50).map(|number| item(&format!("{round}-{number}"), "v1")).collect();
        let list = async { connection.operation_items().insert_many(operation_id, &items).await.unwrap() };
        let end = async {
            let mut tx = fixture.db.begin().await.unwrap();
            if round % 2 == 0 {
                tx.operations()
                    .mark_failed(operation_id, "the source is gone", ErrorCategory::Permanent)
                    .await
                    .unwrap()
                    .unwrap();
                tx.commit().await.unwrap();
            } else {
                tx.operations().request_cancel(operation_id).await.unwrap();
                tx.operations().cancel_open_items(operation_id).await.unwrap();
                tx.commit().await.unwrap();
                let mut connection = fixture.connection().await;
                connection.operations().complete_if_done(operation_id).await.unwrap().unwrap();
            }
        };
        let (listed, ()) = tokio::join!(list, end);
        let counts = fixture.counts(operation_id).await;
        assert_eq!(counts.open(), 0, "round {round}: {counts:?}");
        assert_eq!(u64::try_from(counts.failed + counts.cancelled).unwrap(), listed);
    }
}
