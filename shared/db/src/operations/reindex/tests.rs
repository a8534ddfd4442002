//! A second index, from the work list to the swap.

use domain::{DocumentStatus, ErrorCategory, Generation, ItemId, OperationStatus};
use serde_json::json;
use sqlx::PgPool;

use crate::operations::{Ending, Swap};
use crate::testing::{Bench, binary};

fn before(bench: &Bench) -> (String, String, String, i32, i32, i64) {
    (bench.collection_id.to_string(), "model".to_owned(), "float16".to_owned(), 256, 51, 4)
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn one_step_changes_names_settings_documents_and_counts(pool: PgPool) {
    let bench = Bench::with_documents(pool, &["a", "b"]).await;
    let (id, items, name) = bench.run_reindex().await;
    assert_eq!((items.len(), name.as_str()), (2, "new_g2"));
    let work = bench.connection().await.operation_items().find_work(&items).await.unwrap();
    assert!(work.iter().all(|work| work.vector_store_name == "new_g2" && work.is_reindex && work.is_wanted));
    assert!(work.iter().all(|work| work.settings.embedding_model == "other"));
    assert_eq!(work[0].settings.chunks.chunk_size, 128);
    assert_eq!(work[0].staged.unwrap().generation, Generation(2));
    assert_eq!(work[0].base.unwrap().generation, Generation(1));

    bench.index_anew(items[0]).await;
    let collection = bench.connection().await.collections().find_any(bench.collection_id).await.unwrap();
    assert_eq!(collection.unwrap().status.as_str(), "processing");
    let ending = bench.connection().await.operations().end_if_done(id).await.unwrap();
    assert_eq!(ending, Ending::Open);
    assert_eq!(bench.swap(id).await, Swap::NotWanted, "a document is on its way");
    bench.index_anew(items[1]).await;
    // Everything is in the new index, and nobody sees any of it.
    assert_eq!(bench.index_of_collection().await, before(&bench));
    let old = [("a".to_owned(), 1, 1, 2), ("b".to_owned(), 1, 1, 2)];
    assert_eq!(bench.generations().await, old);
    let mut connection = bench.connection().await;
    let live = connection.search_documents().find_live(&[bench.document_id("a")]).await.unwrap();
    assert_eq!(
        (live[0].generation, live[0].vector_store_name.clone()),
        (Generation(1), bench.collection_id.to_string())
    );
    let ending = connection.operations().end_if_done(id).await.unwrap();
    assert_eq!(ending, Ending::AwaitsSwap, "it does not end by itself");
    assert_eq!(bench.document("a").await.status, DocumentStatus::Completed);

    let Swap::Done(finished) = bench.swap(id).await else { panic!("not swapped") };
    assert_eq!(finished.status, OperationStatus::Completed);
    let after = ("new_g2".to_owned(), "other".to_owned(), "int8".to_owned(), 128, 25, 6);
    assert_eq!(bench.index_of_collection().await, after);
    let new = [("a".to_owned(), 2, 2, 3), ("b".to_owned(), 2, 2, 3)];
    assert_eq!(bench.generations().await, new);
    let live = connection.search_documents().find_live(&[bench.document_id("a")]).await.unwrap();
    assert_eq!((live[0].generation, live[0].vector_store_name.as_str()), (Generation(2), "new_g2"));
    let kept = (bench.collection_id.to_string(), Some("new_g2".to_owned()));
    assert_eq!(bench.retired().await, [kept]);
    let operation = connection.operations().find(id).await.unwrap().unwrap();
    assert_eq!(operation.meta["counts"]["changed"], 2);
    assert_eq!(operation.meta["replaced"]["vector_store_name"], json!(bench.collection_id));
    let audit: Vec<String> =
        sqlx::query_scalar("SELECT action FROM collection_audit_log ORDER BY id DESC LIMIT 2")
            .fetch_all(&bench.pool)
            .await
            .unwrap();
    assert_eq!(audit, ["operation_completed", "collection_reindexed"]);

    assert_eq!(bench.swap(id).await, Swap::NotWanted, "once is enough");
    // A message that comes late finds the document where the item put it.
    let work = connection.operation_items().find_work(&items[..1]).await.unwrap();
    let staged = work[0].staged.unwrap();
    assert_eq!((staged.generation, staged.searchable_generation), (Generation(2), Generation(2)));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_second_reindex_is_refused_while_one_waits_or_runs(pool: PgPool) {
    let bench = Bench::with_documents(pool, &["a"]).await;
    let first = bench.queue_reindex().await.unwrap();
    let constraint = |error: &crate::DbError| error.constraint().map(str::to_owned);
    let refused = bench.queue_reindex().await.unwrap_err();
    assert_eq!(constraint(&refused).as_deref(), Some(crate::operations::Operations::ONE_REINDEX));
    bench.connection().await.operations().claim(first).await.unwrap();
    assert!(bench.queue_reindex().await.is_err());
    let mut tx = bench.db.begin().await.unwrap();
    tx.operations().mark_failed(first, "no", ErrorCategory::Permanent).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    bench.queue_reindex().await.unwrap();
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn beginning_twice_names_one_index_and_lists_each_document_once(pool: PgPool) {
    let bench = Bench::with_documents(pool, &["a", "b"]).await;
    let (id, items, name) = bench.run_reindex().await;
    let mut begins = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let db = bench.db.clone();
        begins.spawn(async move {
            let mut connection = db.connection().await.unwrap();
            let name = connection.operations().begin_reindex(id, "new").await.unwrap();
            (name, connection.operation_items().insert_reindexed(id).await.unwrap())
        });
    }
    for (again, listed) in begins.join_all().await {
        assert_eq!((again.as_deref(), listed), (Some(name.as_str()), 0));
    }
    let work = bench.connection().await.operation_items().find_work(&items).await.unwrap();
    assert!(
        work.iter().all(|work| work.staged.unwrap().generation == Generation(2)),
        "no generation is given twice"
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_reindex_that_fails_or_is_cancelled_leaves_everything_as_it_was(pool: PgPool) {
    let bench = Bench::with_documents(pool, &["a", "b"]).await;
    let documents = [bench.document("a").await, bench.document("b").await];
    for is_cancelled in [false, true] {
        let (id, items, name) = bench.run_reindex().await;
        bench.index_anew(items[0]).await;
        let mut connection = bench.connection().await;
        assert!(connection.operation_items().mark_copied(items[1]).await.unwrap());
        if is_cancelled {
            assert!(connection.operations().request_cancel(id).await.unwrap());
            let mut tx = bench.db.begin().await.unwrap();
            tx.operations().cancel_open_items(id).await.unwrap();
            tx.commit().await.unwrap();
            assert_eq!(bench.swap(id).await, Swap::NotWanted);
            let finished = connection.operations().complete_if_done(id).await.unwrap().unwrap();
            assert_eq!(finished.status, OperationStatus::Cancelled);
        } else {
            assert!(bench.fail(items[1], &binary()).await);
            let coverage = connection.operations().reindex_coverage(id).await.unwrap();
            assert_eq!((coverage.open, coverage.lost, coverage.documents, coverage.chunks), (0, 1, 2, 3));
            assert_eq!(coverage.first_lost.as_deref(), Some("b: this is a binary file"));
            let mut tx = bench.db.begin().await.unwrap();
            tx.operations().mark_failed(id, "b: no", ErrorCategory::Permanent).await.unwrap().unwrap();
            tx.commit().await.unwrap();
        }
        let store = bench.index_of_collection().await;
        assert_eq!(store, before(&bench));
        // Updated or not: a document says nothing of what was tried with it.
        assert_eq!([bench.document("a").await, bench.document("b").await], documents);
        assert!(bench.retired().await.contains(&(name, None)), "the new index is to be dropped");
        let collection = connection.collections().find_any(bench.collection_id).await.unwrap().unwrap();
        let message = collection.status_message;
        assert_eq!(collection.status.as_str(), "ready");
        assert_eq!(message.as_deref(), (!is_cancelled).then_some("the last reindex failed: b: no"));
        // What comes late takes back what it wrote, in the index that it wrote to.
        let work = connection.operation_items().find_work(&items[1..]).await.unwrap();
        assert_eq!(work[0].staged.unwrap().searchable_generation, Generation(0));
        assert_ne!(work[0].vector_store_name, store.0);
        assert_eq!(connection.operation_items().list_abandoned(id, ItemId(0), 10).await.unwrap(), []);
    }
    // Reading the source again finds the same documents, and no version gets a used number.
    let (append, items) = bench.run_append(&["a", "c"]).await;
    let generation: i32 = sqlx::query_scalar("SELECT generation FROM operation_items WHERE id = $1")
        .bind(items[0].0)
        .fetch_one(&bench.pool)
        .await
        .unwrap();
    assert_eq!(generation, 4);
    let context = bench
        .connection()
        .await
        .documents()
        .staging_context(bench.collection_id, bench.document_id("a"), "a")
        .await
        .unwrap();
    let existing = context.existing.unwrap();
    assert_eq!(existing.generation, existing.last_generation, "it is unchanged");
    bench.index(items[1], "c", "c").await;
    bench.connection().await.operation_items().mark_cancelled(items[0]).await.unwrap();
    bench.finish(append).await;
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_is_deleted_meanwhile_does_not_come_back(pool: PgPool) {
    let bench = Bench::with_documents(pool, &["a", "b", "c"]).await;
    let (id, items, _) = bench.run_reindex().await;
    bench.index_anew(items[0]).await;
    let mut connection = bench.connection().await;
    for name in ["a", "b"] {
        assert!(connection.documents().mark_deleted(bench.document_id(name)).await.unwrap());
    }
    let work = connection.operation_items().find_work(&items[1..2]).await.unwrap();
    assert!(!work[0].is_wanted);
    assert!(connection.operation_items().mark_cancelled(items[1]).await.unwrap());
    bench.index_anew(items[2]).await;
    let coverage = connection.operations().reindex_coverage(id).await.unwrap();
    assert_eq!((coverage.lost, coverage.chunks), (0, 6), "what is in the new index of them counts");
    assert_eq!(connection.operations().list_unindexed(id).await.unwrap(), [bench.document_id("b")]);
    assert!(matches!(bench.swap(id).await, Swap::Done(_)));
    let ids = ["a", "b", "c"].map(|name| bench.document_id(name));
    let live = connection.search_documents().find_live(&ids).await.unwrap();
    assert_eq!(live.iter().map(|document| document.id).collect::<Vec<_>>(), [ids[2]]);
    assert_eq!(bench.index_of_collection().await.5, 3);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_document_that_the_new_index_lacks_stops_the_swap(pool: PgPool) {
    let bench = Bench::with_documents(pool, &["a", "b"]).await;
    let (id, items, _) = bench.run_reindex().await;
    for item_id in items {
        bench.index_anew(item_id).await;
    }
    bench.execute("UPDATE documents SET generation = 7, last_generation = 7 WHERE file_name = 'b'").await;
    assert_eq!(bench.swap(id).await, Swap::Uncovered(1));
    assert_eq!(bench.index_of_collection().await, before(&bench), "undone as a whole");
    assert_eq!(bench.document("a").await.generation, Generation(1));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_failed_newer_version_stays_the_one_to_try_again(pool: PgPool) {
    let bench = Bench::with_documents(pool, &["a"]).await;
    bench
        .execute("UPDATE documents SET status = 'failed', last_generation = 2, error_message = 'no', content_hash = NULL")
        .await;
    bench
        .execute(
            "INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
            SELECT id, collection_id, 2, 'text/plain', 'raw/2', 'newer', 10 FROM documents",
        )
        .await;
    let (id, items, _) = bench.run_reindex().await;
    let work = bench.connection().await.operation_items().find_work(&items).await.unwrap();
    assert_eq!(
        (work[0].base.unwrap().generation, work[0].staged.unwrap().generation),
        (Generation(1), Generation(3))
    );
    bench.index_anew(items[0]).await;
    let Swap::Done(_) = bench.swap(id).await else { panic!("not swapped") };
    let document = bench.document("a").await;
    assert_eq!((document.generation, document.last_generation), (Generation(3), Generation(2)));
    assert_eq!((document.status, document.error_message.as_deref()), (DocumentStatus::Failed, Some("no")));
    let mut connection = bench.connection().await;
    let shown = connection.document_artifacts().find_content(document.id).await.unwrap().unwrap();
    assert_eq!(
        (shown.content_hash.as_str(), shown.generation),
        ("a", Generation(3)),
        "its bytes are those that are searchable"
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_deletion_of_the_collection_wins(pool: PgPool) {
    let bench = Bench::with_documents(pool, &["a"]).await;
    let (id, items, name) = bench.run_reindex().await;
    bench.index_anew(items[0]).await;
    let mut tx = bench.db.begin().await.unwrap();
    assert!(tx.collections().mark_deleted(bench.collection_id, chrono::Utc::now()).await.unwrap());
    tx.commit().await.unwrap();
    assert_eq!(bench.swap(id).await, Swap::NotWanted);
    let mut connection = bench.connection().await;
    let finished = connection.operations().complete_if_done(id).await.unwrap().unwrap();
    assert_eq!(finished.status, OperationStatus::Cancelled);
    let all = connection.retired_vector_stores().retire_all(bench.collection_id).await.unwrap();
    assert_eq!(all, [name]);
}
