//! The way back from a reindex, and the end of what is kept for it.

use domain::{Generation, OperationType};
use sqlx::PgPool;

use crate::collections::Rollback;
use crate::testing::Bench;

impl Bench {
    async fn roll_back(&self) -> Rollback {
        let mut tx = self.db.begin().await.unwrap();
        let rollback = tx.collections().roll_back(self.collection_id).await.unwrap();
        if let Rollback::Done { .. } = rollback {
            tx.commit().await.unwrap();
        }
        rollback
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_rollback_brings_back_index_settings_and_counts_without_what_was_deleted(pool: PgPool) {
    let (bench, _) = Bench::reindexed(pool, &["a", "b"]).await;
    let mut connection = bench.connection().await;
    assert!(connection.documents().mark_deleted(bench.document_id("b")).await.unwrap());
    let done =
        Rollback::Done { vector_store_name: bench.collection_id.to_string(), replaced: "new_g2".to_owned() };
    assert_eq!(bench.roll_back().await, done);
    let index = bench.index_of_collection().await;
    let old = (bench.collection_id.to_string(), "model".to_owned(), "float16".to_owned(), 256, 51, 2);
    assert_eq!(index, old);
    assert_eq!(bench.generations().await[0], ("a".to_owned(), 1, 1, 2));
    let ids = ["a", "b"].map(|name| bench.document_id(name));
    let live = connection.search_documents().find_live(&ids).await.unwrap();
    assert_eq!((live.len(), live[0].id), (1, ids[0]));
    assert_eq!(bench.retired().await, [("new_g2".to_owned(), None)], "what answered is to be dropped");
    assert_eq!(bench.roll_back().await, Rollback::NothingKept);

    // The next index has a name of its own, and its documents numbers of their own.
    let (_, items, name) = bench.run_reindex().await;
    assert_eq!(name, "new_g3");
    let work = connection.operation_items().find_work(&items).await.unwrap();
    assert_eq!(work[0].staged.unwrap().generation, Generation(3));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn there_is_no_way_back_over_what_was_indexed_since(pool: PgPool) {
    let (bench, _) = Bench::reindexed(pool, &["a", "b"]).await;
    let (append, items) = bench.run_append(&["c"]).await;
    assert_eq!(bench.roll_back().await, Rollback::Busy);
    bench.index(items[0], "c", "c").await;
    bench.finish(append).await;
    assert_eq!(bench.roll_back().await, Rollback::Changed(1));
    let (again, items) = bench.run_append(&["a"]).await;
    bench.index(items[0], "a", "another").await;
    bench.finish(again).await;
    assert_eq!(bench.roll_back().await, Rollback::Changed(2));
    assert_eq!(bench.index_of_collection().await.0, "new_g2", "undone as a whole");
    assert_eq!(bench.generations().await[1], ("b".to_owned(), 2, 2, 3));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn steps_back_go_one_index_at_a_time(pool: PgPool) {
    let (bench, _) = Bench::reindexed(pool, &["a"]).await;
    let (second, items, name) = bench.run_reindex().await;
    bench.index_anew(items[0]).await;
    assert!(matches!(bench.swap(second).await, crate::operations::Swap::Done(_)));
    assert_eq!((name.as_str(), bench.document("a").await.generation), ("new_g3", Generation(3)));
    assert!(matches!(bench.roll_back().await, Rollback::Done { .. }));
    assert_eq!(
        (bench.index_of_collection().await.0.as_str(), bench.document("a").await.generation),
        ("new_g2", Generation(2))
    );
    assert!(matches!(bench.roll_back().await, Rollback::Done { .. }));
    assert_eq!(bench.document("a").await.generation, Generation(1));
    assert_eq!(bench.roll_back().await, Rollback::NothingKept);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn rollback_and_claim_exclude_each_other(pool: PgPool) {
    let (bench, _) = Bench::reindexed(pool, &["a"]).await;
    let append = bench.insert_operation(OperationType::Append).await;
    let mut tx = bench.db.begin().await.unwrap();
    assert!(matches!(tx.collections().roll_back(bench.collection_id).await.unwrap(), Rollback::Done { .. }));
    let db = bench.db.clone();
    let claim =
        tokio::spawn(async move { db.connection().await.unwrap().operations().claim(append).await.unwrap() });
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&bench.pool).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    tx.commit().await.unwrap();
    assert!(claim.await.unwrap());
    assert_eq!(
        bench.index_of_collection().await.0,
        bench.collection_id.to_string(),
        "the claimed one sees it"
    );
    assert_eq!(bench.roll_back().await, Rollback::NothingKept);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_is_kept_is_dropped_after_its_time_and_once_more_later(pool: PgPool) {
    let (bench, _) = Bench::reindexed(pool, &["a"]).await;
    let mut connection = bench.connection().await;
    let mut stores = connection.retired_vector_stores();
    let old = [bench.collection_id.to_string()];
    assert_eq!(stores.list_kept(bench.collection_id).await.unwrap(), old);
    assert_eq!(stores.take_due(10).await.unwrap(), Vec::<String>::new(), "a day has not passed");

    bench.execute("UPDATE retired_vector_stores SET drop_after = now() - interval '1 s'").await;
    assert_eq!(stores.take_due(10).await.unwrap(), old);
    assert_eq!(bench.roll_back().await, Rollback::NothingKept, "from here on it may be gone");
    assert_eq!(stores.list_kept(bench.collection_id).await.unwrap(), Vec::<String>::new());
    assert_eq!(stores.take_due(10).await.unwrap(), old, "nobody has said that it was dropped");
    stores.mark_dropped(&old[0]).await.unwrap();
    assert_eq!(stores.take_due(10).await.unwrap(), Vec::<String>::new());

    bench.execute("UPDATE retired_vector_stores SET dropped_at = dropped_at - interval '2 hours'").await;
    assert_eq!(stores.take_due(10).await.unwrap(), old);
    stores.mark_dropped(&old[0]).await.unwrap();
    assert_eq!(bench.retired().await, []);
}
