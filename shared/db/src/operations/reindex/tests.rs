//! Reindexes, from the work list to the swap.

use domain::{DocumentStatus, ErrorCategory, Generation, ItemId, OperationStatus};
use serde_json::json;
use sqlx::PgPool;

use crate::operations::{Ending, Swap};
use crate::testing::{Fixture, binary};

fn before(fixture: &Fixture) -> (String, String, String, i32, i32, i64) {
    (fixture.collection_id.to_string(), "model".to_owned(), "float16".to_owned(), 256, 51, 4)
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn swap_changes_index_settings_documents_and_counters_together(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a", "b"]).await;
    let (id, items, name) = fixture.run_reindex().await;
    assert_eq!((items.len(), name.as_str()), (2, "new_g2"));
    let work = fixture.connection().await.operation_items().find_work(&items).await.unwrap();
    assert!(work.iter().all(|work| work.vector_store_name == "new_g2" && work.is_reindex && work.is_wanted));
    assert!(work.iter().all(|work| work.settings.embedding_model == "other"));
    assert_eq!(work[0].settings.chunks.chunk_size, 128);
    assert!(
        work.iter().all(|work| work.settings.ocr && work.starts_ocr),
        "what only OCR reads is to be extracted"
    );
    assert_eq!(work[0].staged.unwrap().generation, Generation(2));
    assert_eq!(work[0].base.unwrap().generation, Generation(1));

    fixture.index_anew(items[0]).await;
    let collection = fixture.connection().await.collections().find_any(fixture.collection_id).await.unwrap();
    assert_eq!(collection.unwrap().status.as_str(), "processing");
    let ending = fixture.connection().await.operations().end_if_done(id).await.unwrap();
    assert_eq!(ending, Ending::Open);
    assert_eq!(fixture.swap(id).await, Swap::NotWanted, "an item is open");
    fixture.index_anew(items[1]).await;
    // Everything is in the new index, and nothing of it is visible.
    assert_eq!(fixture.index_of_collection().await, before(&fixture));
    let old = [("a".to_owned(), 1, 1, 2), ("b".to_owned(), 1, 1, 2)];
    assert_eq!(fixture.generations().await, old);
    let mut connection = fixture.connection().await;
    let live = connection.search_documents().find_live(&[fixture.document_id("a")]).await.unwrap();
    assert_eq!(
        (live[0].generation, live[0].vector_store_name.clone()),
        (Generation(1), fixture.collection_id.to_string())
    );
    let ending = connection.operations().end_if_done(id).await.unwrap();
    assert_eq!(ending, Ending::AwaitsSwap, "the swap ends it");
    assert_eq!(fixture.document("a").await.status, DocumentStatus::Completed);

    let Swap::Done(finished) = fixture.swap(id).await else { panic!("not swapped") };
    assert_eq!(finished.status, OperationStatus::Completed);
    let after = ("new_g2".to_owned(), "other".to_owned(), "int8".to_owned(), 128, 25, 6);
    assert_eq!(fixture.index_of_collection().await, after);
    assert!(fixture.uses_ocr().await);
    let work = fixture.connection().await.operation_items().find_work(&items).await.unwrap();
    assert!(!work[0].starts_ocr, "it is on now");
    let new = [("a".to_owned(), 2, 2, 3), ("b".to_owned(), 2, 2, 3)];
    assert_eq!(fixture.generations().await, new);
    let live = connection.search_documents().find_live(&[fixture.document_id("a")]).await.unwrap();
    assert_eq!((live[0].generation, live[0].vector_store_name.as_str()), (Generation(2), "new_g2"));
    let kept = (fixture.collection_id.to_string(), Some("new_g2".to_owned()));
    assert_eq!(fixture.retired().await, [kept]);
    let operation = connection.operations().find(id).await.unwrap().unwrap();
    assert_eq!(operation.meta["counts"]["changed"], 2);
    assert_eq!(operation.meta["replaced"]["vector_store_name"], json!(fixture.collection_id));
    let audit: Vec<String> =
        sqlx::query_scalar("SELECT action FROM collection_audit_log ORDER BY id DESC LIMIT 2")
            .fetch_all(&fixture.pool)
            .await
            .unwrap();
    assert_eq!(audit, ["operation_completed", "collection_reindexed"]);

    assert_eq!(fixture.swap(id).await, Swap::NotWanted, "it was swapped already");
    // A late message finds the document where the item wrote it.
    let work = connection.operation_items().find_work(&items[..1]).await.unwrap();
    let staged = work[0].staged.unwrap();
    assert_eq!((staged.generation, staged.searchable_generation), (Generation(2), Generation(2)));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn second_reindex_is_rejected_while_one_is_open(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a"]).await;
    let first = fixture.queue_reindex().await.unwrap();
    let constraint = |error: &crate::DbError| error.constraint().map(str::to_owned);
    let refused = fixture.queue_reindex().await.unwrap_err();
    assert_eq!(constraint(&refused).as_deref(), Some(crate::operations::Operations::ONE_REINDEX));
    fixture.connection().await.operations().claim(first).await.unwrap();
    assert!(fixture.queue_reindex().await.is_err());
    let mut tx = fixture.db.begin().await.unwrap();
    tx.operations().mark_failed(first, "no", ErrorCategory::Permanent).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    fixture.queue_reindex().await.unwrap();
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn beginning_twice_yields_one_index_and_one_item_per_document(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a", "b"]).await;
    let (id, items, name) = fixture.run_reindex().await;
    let mut begins = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let db = fixture.db.clone();
        begins.spawn(async move {
            let mut connection = db.connection().await.unwrap();
            let name = connection.operations().begin_reindex(id, "new").await.unwrap();
            (name, connection.operation_items().insert_reindexed(id).await.unwrap())
        });
    }
    for (again, listed) in begins.join_all().await {
        assert_eq!((again.as_deref(), listed), (Some(name.as_str()), 0));
    }
    let work = fixture.connection().await.operation_items().find_work(&items).await.unwrap();
    assert!(
        work.iter().all(|work| work.staged.unwrap().generation == Generation(2)),
        "no generation is given twice"
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn failed_or_cancelled_reindex_changes_nothing(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a", "b"]).await;
    let documents = [fixture.document("a").await, fixture.document("b").await];
    for is_cancelled in [false, true] {
        let (id, items, name) = fixture.run_reindex().await;
        fixture.index_anew(items[0]).await;
        let mut connection = fixture.connection().await;
        assert!(connection.operation_items().mark_copied(items[1]).await.unwrap());
        if is_cancelled {
            assert!(connection.operations().request_cancel(id).await.unwrap());
            let mut tx = fixture.db.begin().await.unwrap();
            tx.operations().cancel_open_items(id).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(fixture.swap(id).await, Swap::NotWanted);
            let finished = connection.operations().complete_if_done(id).await.unwrap().unwrap();
            assert_eq!(finished.status, OperationStatus::Cancelled);
        } else {
            assert!(fixture.fail(items[1], &binary()).await);
            let coverage = connection.operations().reindex_coverage(id).await.unwrap();
            assert_eq!((coverage.open, coverage.lost, coverage.documents, coverage.chunks), (0, 1, 2, 3));
            assert_eq!(coverage.first_lost.as_deref(), Some("b: this is a binary file"));
            let mut tx = fixture.db.begin().await.unwrap();
            tx.operations().mark_failed(id, "b: no", ErrorCategory::Permanent).await.unwrap().unwrap();
            tx.commit().await.unwrap();
        }
        let store = fixture.index_of_collection().await;
        assert_eq!(store, before(&fixture));
        // The documents show no trace of the attempt.
        assert_eq!([fixture.document("a").await, fixture.document("b").await], documents);
        assert!(fixture.retired().await.contains(&(name, None)), "the new index is to be dropped");
        let collection = connection.collections().find_any(fixture.collection_id).await.unwrap().unwrap();
        let message = collection.status_message;
        assert_eq!(collection.status.as_str(), "ready");
        assert_eq!(message.as_deref(), (!is_cancelled).then_some("the last reindex failed: b: no"));
        // A late worker deletes what it wrote, from the index that it wrote to.
        let work = connection.operation_items().find_work(&items[1..]).await.unwrap();
        assert_eq!(work[0].staged.unwrap().searchable_generation, Generation(0));
        assert_ne!(work[0].vector_store_name, store.0);
        assert_eq!(connection.operation_items().list_abandoned(id, ItemId(0), 10).await.unwrap(), []);
    }
    // Reading the source again finds the same documents, and no generation is reused.
    let (append, items) = fixture.run_append(&["a", "c"]).await;
    let generation: i32 = sqlx::query_scalar("SELECT generation FROM operation_items WHERE id = $1")
        .bind(items[0].0)
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(generation, 4);
    let existing = fixture.connection().await.documents().find_existing(fixture.document_id("a")).await;
    let existing = existing.unwrap().unwrap();
    assert_eq!(existing.generation, existing.last_generation, "it is unchanged");
    fixture.index(items[1], "c", "c").await;
    fixture.connection().await.operation_items().mark_cancelled(items[0]).await.unwrap();
    fixture.finish(append).await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn document_deleted_during_a_reindex_stays_deleted(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a", "b", "c"]).await;
    let (id, items, _) = fixture.run_reindex().await;
    fixture.index_anew(items[0]).await;
    let mut connection = fixture.connection().await;
    for name in ["a", "b"] {
        assert!(connection.documents().mark_deleted(fixture.document_id(name)).await.unwrap());
    }
    let work = connection.operation_items().find_work(&items[1..2]).await.unwrap();
    assert!(!work[0].is_wanted);
    assert!(connection.operation_items().mark_cancelled(items[1]).await.unwrap());
    fixture.index_anew(items[2]).await;
    let coverage = connection.operations().reindex_coverage(id).await.unwrap();
    assert_eq!((coverage.lost, coverage.chunks), (0, 6), "points of deleted documents count");
    assert_eq!(connection.operations().list_unindexed(id).await.unwrap(), [fixture.document_id("b")]);
    assert!(matches!(fixture.swap(id).await, Swap::Done(_)));
    let ids = ["a", "b", "c"].map(|name| fixture.document_id(name));
    let live = connection.search_documents().find_live(&ids).await.unwrap();
    assert_eq!(live.iter().map(|document| document.id).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(fixture.index_of_collection().await.5, 3);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn document_missing_from_the_new_index_prevents_the_swap(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a", "b"]).await;
    let (id, items, _) = fixture.run_reindex().await;
    for item_id in items {
        fixture.index_anew(item_id).await;
    }
    fixture.execute("UPDATE documents SET generation = 7, last_generation = 7 WHERE file_name = 'b'").await;
    assert_eq!(fixture.swap(id).await, Swap::Uncovered(1));
    assert_eq!(fixture.index_of_collection().await, before(&fixture), "rolled back completely");
    assert_eq!(fixture.document("a").await.generation, Generation(1));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn failed_newer_version_remains_the_one_to_retry(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a"]).await;
    fixture
        .execute("UPDATE documents SET status = 'failed', last_generation = 2, error_message = 'no', content_hash = NULL")
        .await;
    fixture
        .execute(
            "INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
            SELECT id, collection_id, 2, 'text/plain', 'raw/2', 'newer', 10 FROM documents",
        )
        .await;
    let (id, items, _) = fixture.run_reindex().await;
    let work = fixture.connection().await.operation_items().find_work(&items).await.unwrap();
    assert_eq!(
        (work[0].base.unwrap().generation, work[0].staged.unwrap().generation),
        (Generation(1), Generation(3))
    );
    fixture.index_anew(items[0]).await;
    let Swap::Done(_) = fixture.swap(id).await else { panic!("not swapped") };
    let document = fixture.document("a").await;
    assert_eq!((document.generation, document.last_generation), (Generation(3), Generation(2)));
    assert_eq!((document.status, document.error_message.as_deref()), (DocumentStatus::Failed, Some("no")));
    let mut connection = fixture.connection().await;
    let shown = connection.document_artifacts().find_content(document.id).await.unwrap().unwrap();
    assert_eq!(
        (shown.content_hash.as_str(), shown.generation),
        ("a", Generation(3)),
        "its bytes are those that are searchable"
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn deletion_of_the_collection_prevents_the_swap(pool: PgPool) {
    let fixture = Fixture::with_documents(pool, &["a"]).await;
    let (id, items, name) = fixture.run_reindex().await;
    fixture.index_anew(items[0]).await;
    let mut tx = fixture.db.begin().await.unwrap();
    assert!(tx.collections().mark_deleted(fixture.collection_id, chrono::Utc::now()).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(fixture.swap(id).await, Swap::NotWanted);
    let mut connection = fixture.connection().await;
    let finished = connection.operations().complete_if_done(id).await.unwrap().unwrap();
    assert_eq!(finished.status, OperationStatus::Cancelled);
    let all = connection.retired_vector_stores().retire_all(fixture.collection_id).await.unwrap();
    assert_eq!(all, [name]);
}
