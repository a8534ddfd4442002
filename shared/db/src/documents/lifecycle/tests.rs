//! Documents that are deleted, restored and retried.

use domain::{DocumentStatus, Generation, OperationType};
use sqlx::PgPool;

use crate::operations::{StagedItem, StagingOutcome};
use crate::testing::{Bench, binary, item};

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_deleted_document_is_hidden_at_once_and_its_duplicate_takes_its_place(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a", "b"]).await;
    bench.index(items[0], "a", "same").await;
    let duplicate = StagingOutcome::Duplicate { original: bench.document_id("a") };
    assert!(bench.stage(items[1], "b", "same", &duplicate).await.unwrap());
    bench.finish(first).await;
    assert_eq!(bench.counts_of_collection().await, (2, 2, 20));

    let removal = bench.delete("a").await;
    assert_eq!(bench.counts_of_collection().await, (1, 0, 10));
    let mut connection = bench.connection().await;
    let live = connection.search_documents().find_live(&[bench.document_id("a")]).await.unwrap();
    assert_eq!(live, [], "search drops its hits");
    assert_eq!(bench.document("a").await.chunk_count, 2, "its points are still there");
    let items = bench.claim(removal).await;
    bench.remove(&items).await;
    assert_eq!(bench.document("a").await.chunk_count, 0);
    bench.finish(removal).await;
    assert_eq!(bench.counts_of_collection().await, (1, 0, 10));

    let promotion = connection.operations().next_pending(bench.collection_id).await.unwrap().unwrap();
    let items = bench.claim(promotion).await;
    let staging = connection.operation_items().begin_staging(promotion, &items).await.unwrap();
    let copy = staging[0].copy.unwrap();
    assert_eq!(
        (copy.document_id, copy.generation),
        (bench.document_id("a"), Generation(1)),
        "its bytes lie staged"
    );
    bench.index(items[0], "b", "same").await;
    let work = connection.operation_items().find_work(&items).await.unwrap();
    assert_eq!(work[0].base, Some(copy), "and so do its vectors");
    bench.finish(promotion).await;
    assert_eq!(bench.counts_of_collection().await, (1, 2, 10));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_restored_document_is_read_from_its_staged_copy(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    bench.finish(first).await;
    let removal = bench.delete("a").await;
    let items = bench.claim(removal).await;
    bench.remove(&items).await;
    bench.finish(removal).await;

    let restoration = bench.insert_of_source(OperationType::RestoreDocuments, None).await;
    let mut connection = bench.connection().await;
    assert!(connection.documents().restore(bench.document_id("a"), restoration).await.unwrap());
    assert!(!connection.documents().restore(bench.document_id("a"), restoration).await.unwrap());
    let pending = bench.document("a").await;
    assert_eq!((pending.status, pending.deleted_at), (DocumentStatus::Pending, None));
    assert_eq!(bench.counts_of_collection().await, (1, 0, 10));
    let items = bench.claim(restoration).await;
    assert_eq!(connection.operation_items().settle(restoration, &items).await.unwrap(), 0);
    let staging = connection.operation_items().begin_staging(restoration, &items).await.unwrap();
    let copy = staging[0].copy.unwrap();
    assert_eq!(
        (copy.document_id, copy.generation, staging[0].generation),
        (bench.document_id("a"), Generation(1), Generation(2))
    );
    bench.index(items[0], "a", "h").await;
    assert_eq!(connection.operation_items().find_work(&items).await.unwrap()[0].base, Some(copy));
    bench.finish(restoration).await;
    let restored = bench.document("a").await;
    assert_eq!(
        (restored.status, restored.generation, restored.chunk_count),
        (DocumentStatus::Completed, Generation(2), 2)
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_document_restored_before_its_removal_and_deleted_again_stays_deleted(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "h").await;
    bench.finish(first).await;
    let removal = bench.delete("a").await;
    let restoration = bench.insert_of_source(OperationType::RestoreDocuments, None).await;
    let mut connection = bench.connection().await;
    assert!(connection.documents().restore(bench.document_id("a"), restoration).await.unwrap());
    assert!(connection.documents().mark_deleted(bench.document_id("a")).await.unwrap());
    let items = bench.claim(removal).await;
    bench.remove(&items).await;
    bench.finish(removal).await;
    let items = bench.claim(restoration).await;
    assert_eq!(connection.operation_items().settle(restoration, &items).await.unwrap(), 1);
    assert_eq!(bench.counts(restoration).await.skipped, 1);
    bench.finish(restoration).await;
    assert_eq!(bench.document("a").await.status, DocumentStatus::Deleted);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_a_person_deleted_stays_away_when_its_source_is_read_again(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let source = bench.source("/srv/docs").await;
    let first = bench.read_source(source, &["a", "b"]).await;
    bench.finish(first).await;
    let removal = bench.delete("a").await;
    let items = bench.claim(removal).await;
    bench.remove(&items).await;
    bench.finish(removal).await;

    let second = bench.read_source(source, &["a", "b"]).await;
    let counts = bench.counts(second).await;
    assert_eq!((counts.skipped, counts.open()), (1, 0), "{counts:?}");
    bench.finish(second).await;
    assert_eq!(bench.document("a").await.status, DocumentStatus::Deleted);

    // Another upload is what somebody wants: it brings the document back.
    let (third, items) = bench.run_append(&["a"]).await;
    assert_eq!(bench.connection().await.operation_items().settle(third, &items).await.unwrap(), 0);
    let staged = StagedItem {
        item_id: items[0],
        collection_id: bench.collection_id,
        source_id: bench.connection().await.operations().find(third).await.unwrap().unwrap().source_id,
        document_id: bench.document_id("a"),
        content_hash: Some("a"),
        size_bytes: 10,
        mime_type: None,
        change_hint: None,
        outcome: &StagingOutcome::Staged,
    };
    assert!(bench.connection().await.operation_items().mark_staged(&staged).await.unwrap());
    let revived = bench.document("a").await;
    assert_eq!((revived.status, revived.deleted_at), (DocumentStatus::Pending, None));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn failed_documents_are_tried_again_and_fail_as_before_when_that_is_cancelled(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a", "b"]).await;
    assert!(bench.stage(items[0], "a", "1", &StagingOutcome::Staged).await.unwrap());
    assert!(bench.fail(items[0], &binary()).await);
    bench.index(items[1], "b", "2").await;
    bench.finish(first).await;

    let mut connection = bench.connection().await;
    assert_eq!(connection.documents().count_unfinished(bench.collection_id).await.unwrap(), (1, 0));
    let cancelled = bench.insert_of_source(OperationType::RetryDocuments, None).await;
    assert_eq!(connection.documents().retry(bench.collection_id, None, cancelled).await.unwrap(), 1);
    assert_eq!(connection.documents().retry(bench.collection_id, None, cancelled).await.unwrap(), 0);
    let waiting = bench.document("a").await;
    assert_eq!((waiting.status, waiting.retry_count), (DocumentStatus::Pending, 1));
    assert!(waiting.last_retry_at.is_some());
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations().cancel_waiting(cancelled).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let as_before = bench.document("a").await;
    assert_eq!(as_before.status, DocumentStatus::Failed);
    assert_eq!(as_before.error_message.as_deref(), Some("this is a binary file"));

    let retry = bench.insert_of_source(OperationType::RetryDocuments, None).await;
    assert_eq!(connection.documents().retry(bench.collection_id, None, retry).await.unwrap(), 1);
    let items = bench.claim(retry).await;
    assert_eq!(connection.operation_items().settle(retry, &items).await.unwrap(), 0);
    let staging = connection.operation_items().begin_staging(retry, &items).await.unwrap();
    assert_eq!(
        staging[0].copy.map(|copy| copy.generation),
        Some(Generation(1)),
        "the bytes that failed lie staged"
    );
    bench.index(items[0], "a", "1").await;
    bench.finish(retry).await;
    let collection = connection.collections().find_any(bench.collection_id).await.unwrap().unwrap();
    assert_eq!((collection.status.as_str(), collection.vector_count), ("ready", 4), "nothing is degraded");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_was_indexed_meanwhile_is_not_tried_again(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (first, items) = bench.run_append(&["a"]).await;
    assert!(bench.stage(items[0], "a", "1", &StagingOutcome::Staged).await.unwrap());
    assert!(bench.fail(items[0], &binary()).await);
    bench.finish(first).await;
    let between = bench.insert_operation(OperationType::Append).await;
    let mut connection = bench.connection().await;
    connection.operation_items().insert_many(between, &[item("a", "v2")]).await.unwrap();
    let retry = bench.insert_of_source(OperationType::RetryDocuments, None).await;
    connection.documents().retry(bench.collection_id, Some(bench.document_id("a")), retry).await.unwrap();
    let items = bench.claim(between).await;
    connection.operation_items().begin_staging(between, &items).await.unwrap();
    bench.index(items[0], "a", "2").await;
    bench.finish(between).await;

    let items = bench.claim(retry).await;
    assert_eq!(connection.operation_items().settle(retry, &items).await.unwrap(), 1);
    assert_eq!(bench.counts(retry).await.unchanged, 1);
    bench.finish(retry).await;
    assert_eq!(bench.document("a").await.content_hash.as_deref(), Some("2"), "the newer bytes stay");
}
