//! Documents that are deleted, restored and retried.

use domain::{DocumentStatus, Generation, OperationType};
use sqlx::PgPool;

use crate::operations::{StagedItem, StagingOutcome};
use crate::testing::{Fixture, binary, item};

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn deleted_document_is_hidden_and_one_with_the_same_bytes_is_not(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a", "b"]).await;
    fixture.index(items[0], "a", "same").await;
    fixture.index(items[1], "b", "same").await;
    fixture.finish(first).await;
    assert_eq!(fixture.counts_of_collection().await, (2, 4, 20));
    assert_eq!(fixture.document("b").await.duplicate_of, Some(fixture.document_id("a")));

    let removal = fixture.delete("a").await;
    assert_eq!(fixture.counts_of_collection().await, (1, 2, 10));
    let mut connection = fixture.connection().await;
    let ids = [fixture.document_id("a"), fixture.document_id("b")];
    let live = connection.search_documents().find_live(&ids).await.unwrap();
    assert_eq!(live.iter().map(|live| live.id).collect::<Vec<_>>(), [ids[1]], "searches leave it out");
    assert_eq!(fixture.document("a").await.chunk_count, 2, "its points still exist");
    let items = fixture.claim(removal).await;
    fixture.remove(&items).await;
    assert_eq!(fixture.document("a").await.chunk_count, 0);
    fixture.finish(removal).await;
    assert_eq!(fixture.counts_of_collection().await, (1, 2, 10));
    assert_eq!(fixture.document("b").await.duplicate_of, None);
    let next = connection.operations().next_pending(fixture.collection_id).await.unwrap();
    assert_eq!(next, None, "there is nothing to index again");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn restored_document_is_indexed_from_staged_bytes(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "h").await;
    fixture.finish(first).await;
    let removal = fixture.delete("a").await;
    let items = fixture.claim(removal).await;
    fixture.remove(&items).await;
    fixture.finish(removal).await;

    let restoration = fixture.insert_of_source(OperationType::RestoreDocuments, None).await;
    let mut connection = fixture.connection().await;
    assert!(connection.documents().restore(fixture.document_id("a"), restoration).await.unwrap());
    assert!(!connection.documents().restore(fixture.document_id("a"), restoration).await.unwrap());
    let pending = fixture.document("a").await;
    assert_eq!((pending.status, pending.deleted_at), (DocumentStatus::Pending, None));
    assert_eq!(fixture.counts_of_collection().await, (1, 0, 10));
    let items = fixture.claim(restoration).await;
    assert_eq!(connection.operation_items().settle(restoration, &items).await.unwrap(), 0);
    let staging = connection.operation_items().begin_staging(restoration, &items).await.unwrap();
    let copy = staging[0].staged_bytes.unwrap();
    assert_eq!(
        (copy.document_id, copy.generation, staging[0].generation),
        (fixture.document_id("a"), Generation(1), Generation(2))
    );
    fixture.index(items[0], "a", "h").await;
    assert_eq!(connection.operation_items().find_work(&items).await.unwrap()[0].base, Some(copy));
    fixture.finish(restoration).await;
    let restored = fixture.document("a").await;
    assert_eq!(
        (restored.status, restored.generation, restored.chunk_count),
        (DocumentStatus::Completed, Generation(2), 2)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn document_restored_and_deleted_before_its_removal_stays_deleted(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "h").await;
    fixture.finish(first).await;
    let removal = fixture.delete("a").await;
    let restoration = fixture.insert_of_source(OperationType::RestoreDocuments, None).await;
    let mut connection = fixture.connection().await;
    assert!(connection.documents().restore(fixture.document_id("a"), restoration).await.unwrap());
    assert!(connection.documents().mark_deleted(fixture.document_id("a")).await.unwrap());
    let items = fixture.claim(removal).await;
    fixture.remove(&items).await;
    fixture.finish(removal).await;
    let items = fixture.claim(restoration).await;
    assert_eq!(connection.operation_items().settle(restoration, &items).await.unwrap(), 1);
    assert_eq!(fixture.counts(restoration).await.skipped, 1);
    fixture.finish(restoration).await;
    assert_eq!(fixture.document("a").await.status, DocumentStatus::Deleted);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn document_deleted_by_a_user_is_not_added_by_its_source(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source = fixture.source("/srv/docs").await;
    let first = fixture.read_source(source, &["a", "b"]).await;
    fixture.finish(first).await;
    let removal = fixture.delete("a").await;
    let items = fixture.claim(removal).await;
    fixture.remove(&items).await;
    fixture.finish(removal).await;

    let second = fixture.read_source(source, &["a", "b"]).await;
    let counts = fixture.counts(second).await;
    assert_eq!((counts.skipped, counts.open()), (1, 0), "{counts:?}");
    fixture.finish(second).await;
    assert_eq!(fixture.document("a").await.status, DocumentStatus::Deleted);

    // Another upload restores the document.
    let (third, items) = fixture.run_append(&["a"]).await;
    assert_eq!(fixture.connection().await.operation_items().settle(third, &items).await.unwrap(), 0);
    let staged = StagedItem {
        item_id: items[0],
        collection_id: fixture.collection_id,
        source_id: fixture.connection().await.operations().find(third).await.unwrap().unwrap().source_id,
        document_id: fixture.document_id("a"),
        content_hash: Some("a"),
        size_bytes: 10,
        mime_type: None,
        change_hint: None,
        outcome: &StagingOutcome::Staged,
    };
    assert!(fixture.connection().await.operation_items().mark_staged(&staged).await.unwrap());
    let revived = fixture.document("a").await;
    assert_eq!((revived.status, revived.deleted_at), (DocumentStatus::Pending, None));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn cancelled_retry_leaves_documents_failed_as_before(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a", "b"]).await;
    assert!(fixture.stage(items[0], "a", "1", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[0], &binary()).await);
    fixture.index(items[1], "b", "2").await;
    fixture.finish(first).await;

    let mut connection = fixture.connection().await;
    assert_eq!(connection.documents().count_unfinished(fixture.collection_id, None).await.unwrap().failed, 1);
    let cancelled = fixture.insert_of_source(OperationType::RetryDocuments, None).await;
    assert_eq!(connection.documents().retry(fixture.collection_id, None, cancelled, true).await.unwrap(), 1);
    assert_eq!(connection.documents().retry(fixture.collection_id, None, cancelled, true).await.unwrap(), 0);
    let waiting = fixture.document("a").await;
    assert_eq!((waiting.status, waiting.retry_count), (DocumentStatus::Pending, 1));
    assert!(waiting.last_retry_at.is_some());
    let mut tx = fixture.db.begin().await.unwrap();
    tx.operations().cancel_pending(cancelled).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let as_before = fixture.document("a").await;
    assert_eq!(as_before.status, DocumentStatus::Failed);
    assert_eq!(as_before.error_message.as_deref(), Some("this is a binary file"));

    let retry = fixture.insert_of_source(OperationType::RetryDocuments, None).await;
    assert_eq!(connection.documents().retry(fixture.collection_id, None, retry, true).await.unwrap(), 1);
    let items = fixture.claim(retry).await;
    assert_eq!(connection.operation_items().settle(retry, &items).await.unwrap(), 0);
    let staging = connection.operation_items().begin_staging(retry, &items).await.unwrap();
    assert_eq!(
        staging[0].staged_bytes.map(|staged| staged.generation),
        Some(Generation(1)),
        "the bytes that failed lie staged"
    );
    fixture.index(items[0], "a", "1").await;
    fixture.finish(retry).await;
    let collection = connection.collections().find_any(fixture.collection_id).await.unwrap().unwrap();
    assert_eq!(
        (collection.status.as_str(), collection.vector_count),
        ("ready", 4),
        "the status is not degraded"
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn document_indexed_meanwhile_is_not_retried(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, items) = fixture.run_append(&["a"]).await;
    assert!(fixture.stage(items[0], "a", "1", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[0], &binary()).await);
    fixture.finish(first).await;
    let between = fixture.insert_operation(OperationType::Append).await;
    let mut connection = fixture.connection().await;
    connection.operation_items().insert_many(between, &[item("a", "v2")]).await.unwrap();
    let retry = fixture.insert_of_source(OperationType::RetryDocuments, None).await;
    connection
        .documents()
        .retry(fixture.collection_id, Some(fixture.document_id("a")), retry, true)
        .await
        .unwrap();
    let items = fixture.claim(between).await;
    connection.operation_items().begin_staging(between, &items).await.unwrap();
    fixture.index(items[0], "a", "2").await;
    fixture.finish(between).await;

    let items = fixture.claim(retry).await;
    assert_eq!(connection.operation_items().settle(retry, &items).await.unwrap(), 1);
    assert_eq!(fixture.counts(retry).await.unchanged, 1);
    fixture.finish(retry).await;
    assert_eq!(fixture.document("a").await.content_hash.as_deref(), Some("2"), "the newer version stays");
}
