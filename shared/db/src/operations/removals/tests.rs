//! Documents that leave their source, and sources that leave their collection.

use domain::{DeletionReason, DocumentStatus, ItemId, OperationType};
use serde_json::json;
use sqlx::PgPool;

use crate::testing::{Fixture, item};

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn documents_missing_from_their_source_are_removed_and_return_with_it(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source = fixture.source("/srv/docs").await;
    let other = fixture.source("/srv/other").await;
    let first = fixture.read_source(source, &["a", "b"]).await;
    fixture.finish(first).await;
    let elsewhere = fixture.read_source(other, &["c"]).await;
    fixture.finish(elsewhere).await;

    let second = fixture.insert_of_source(OperationType::Append, Some(source)).await;
    let mut connection = fixture.connection().await;
    connection.operation_items().insert_many(second, &[item("b", "v1")]).await.unwrap();
    assert!(connection.operations().claim(second).await.unwrap());
    connection.operation_items().mark_unchanged(second, ItemId(0)).await.unwrap();
    assert_eq!(connection.operation_items().insert_missing(second, None).await.unwrap(), 1);
    assert_eq!(
        connection.operation_items().insert_missing(second, None).await.unwrap(),
        0,
        "they are on the list already"
    );
    assert_eq!(fixture.document("a").await.status, DocumentStatus::Completed, "deleted with its item only");
    let items = connection.operation_items().list_undispatched(second, ItemId(0), 10).await.unwrap();
    let staging = connection.operation_items().begin_staging(second, &items).await.unwrap();
    assert!(staging.len() == 1 && staging[0].is_removal);
    fixture.remove(&items).await;
    fixture.finish(second).await;
    let operation = connection.operations().find(second).await.unwrap().unwrap();
    assert_eq!(
        (&operation.meta["counts"]["removed"], &operation.meta["counts"]["unchanged"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (fixture.document("a").await.status, fixture.reason("a").await),
        (DocumentStatus::Deleted, Some(DeletionReason::Missing))
    );
    assert_eq!(fixture.document("c").await.status, DocumentStatus::Completed, "it belongs to another source");

    let third = fixture.read_source(source, &["a", "b"]).await;
    fixture.finish(third).await;
    assert_eq!(
        (fixture.document("a").await.status, fixture.reason("a").await),
        (DocumentStatus::Completed, None)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn documents_that_a_source_says_are_gone_are_removed_alone(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source = fixture.source("/srv/docs").await;
    let other = fixture.source("/srv/other").await;
    for (source, names) in [(source, &["a", "b", "c"][..]), (other, &["d"])] {
        let operation = fixture.read_source(source, names).await;
        fixture.finish(operation).await;
    }
    let second = fixture.insert_of_source(OperationType::Append, Some(source)).await;
    let mut connection = fixture.connection().await;
    connection.operation_items().insert_many(second, &[item("b", "v1")]).await.unwrap();
    assert!(connection.operations().claim(second).await.unwrap());
    let gone: Vec<String> = ["a", "b", "d", "never there"].map(|name| item(name, "v1").uri).into();
    assert_eq!(connection.operation_items().insert_missing(second, Some(&gone)).await.unwrap(), 1, "only a");
    assert_eq!(connection.operation_items().insert_missing(second, Some(&[])).await.unwrap(), 0);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn ended_listing_removes_nothing_more(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source = fixture.source("/srv/docs").await;
    let first = fixture.read_source(source, &["a"]).await;
    fixture.finish(first).await;
    let second = fixture.insert_of_source(OperationType::Append, Some(source)).await;
    let mut connection = fixture.connection().await;
    assert!(connection.operations().claim(second).await.unwrap());
    assert!(connection.operations().request_cancel(second).await.unwrap());
    assert_eq!(connection.operation_items().insert_missing(second, None).await.unwrap(), 0);
    connection.operations().mark_scan_finished(second).await.unwrap();
    assert_eq!(connection.operation_items().insert_missing(second, None).await.unwrap(), 0);
    // Kept documents are marked, and unmarked by the next listing that includes them.
    assert_eq!(connection.operation_items().mark_missing_stale(second).await.unwrap(), 1);
    assert!(fixture.document("a").await.is_stale);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn removing_a_source_removes_only_its_documents(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source = fixture.source("/srv/docs").await;
    let other = fixture.source("/srv/other").await;
    for (id, names) in [(source, ["a", "b"].as_slice()), (other, ["c"].as_slice())] {
        let operation = fixture.read_source(id, names).await;
        fixture.finish(operation).await;
    }
    let removal = fixture.insert_of_source(OperationType::RemoveSource, Some(source)).await;
    let mut connection = fixture.connection().await;
    assert_eq!(connection.operations().find_open_source_removal(source).await.unwrap(), Some(removal));
    assert!(connection.operations().claim(removal).await.unwrap());
    let mut deleted = Vec::new();
    for _ in 0..3 {
        deleted.push(connection.operations().remove_source_documents(removal, source, 1).await.unwrap());
    }
    assert_eq!(deleted, [1, 1, 0]);
    let mut tx = fixture.db.begin().await.unwrap();
    tx.documents().mark_source_purged(source).await.unwrap();
    let lock = tx.collections().lock(fixture.collection_id).await.unwrap().unwrap();
    assert!(tx.collection_sources().delete_unless_in_use(&lock, source, removal).await.unwrap());
    tx.commit().await.unwrap();
    fixture.finish(removal).await;
    assert_eq!(fixture.counts(removal).await.removed, 2);
    assert_eq!(fixture.counts_of_collection().await, (1, 2, 10));
    let gone = fixture.document("a").await;
    assert_eq!((gone.status, gone.source_id, gone.chunk_count), (DocumentStatus::Deleted, None, 0));
    assert_eq!(fixture.reason("a").await, Some(DeletionReason::SourceRemoved));
    assert_eq!(fixture.document("c").await.status, DocumentStatus::Completed);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn source_added_again_during_its_removal_is_kept(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source = fixture.source("/srv/docs").await;
    let first = fixture.read_source(source, &["a"]).await;
    fixture.finish(first).await;
    let removal = fixture.insert_of_source(OperationType::RemoveSource, Some(source)).await;
    fixture.claim(removal).await;
    let again = fixture.insert_of_source(OperationType::Append, Some(source)).await;
    let mut connection = fixture.connection().await;
    assert_eq!(connection.operations().remove_source_documents(removal, source, 10).await.unwrap(), 1);
    let mut tx = fixture.db.begin().await.unwrap();
    let lock = tx.collections().lock(fixture.collection_id).await.unwrap().unwrap();
    assert!(!tx.collection_sources().delete_unless_in_use(&lock, source, removal).await.unwrap());
    tx.commit().await.unwrap();
    fixture.finish(removal).await;
    let waiting = connection.operations().find(again).await.unwrap().unwrap();
    assert_eq!(waiting.source_id, Some(source));
}
