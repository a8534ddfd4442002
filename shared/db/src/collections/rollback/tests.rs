//! Rollback of a reindex, and dropping of replaced indexes.

use domain::{Generation, OperationType};
use sqlx::PgPool;

use crate::collections::Rollback;
use crate::testing::Fixture;

impl Fixture {
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
async fn rollback_restores_index_settings_and_counters_without_deleted_documents(pool: PgPool) {
    let (fixture, _) = Fixture::reindexed(pool, &["a", "b"]).await;
    let mut connection = fixture.connection().await;
    assert!(connection.documents().mark_deleted(fixture.document_id("b")).await.unwrap());
    let done = Rollback::Done {
        vector_store_name: fixture.collection_id.to_string(),
        replaced: "new_g2".to_owned(),
    };
    assert_eq!(fixture.roll_back().await, done);
    assert!(!fixture.uses_ocr().await);
    let index = fixture.index_of_collection().await;
    let old = (fixture.collection_id.to_string(), "model".to_owned(), "float16".to_owned(), 256, 51, 2);
    assert_eq!(index, old);
    assert_eq!(fixture.generations().await[0], ("a".to_owned(), 1, 1, 2));
    let ids = ["a", "b"].map(|name| fixture.document_id(name));
    let live = connection.search_documents().find_live(&ids).await.unwrap();
    assert_eq!((live.len(), live[0].id), (1, ids[0]));
    assert_eq!(fixture.retired().await, [("new_g2".to_owned(), None)], "the replaced index is to be dropped");
    assert_eq!(fixture.roll_back().await, Rollback::NothingKept);

    // The next index gets a new name, and its documents get new generations.
    let (_, items, name) = fixture.run_reindex().await;
    assert_eq!(name, "new_g3");
    let work = connection.operation_items().find_work(&items).await.unwrap();
    assert_eq!(work[0].staged.unwrap().generation, Generation(3));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn rollback_is_rejected_if_documents_changed_since(pool: PgPool) {
    let (fixture, _) = Fixture::reindexed(pool, &["a", "b"]).await;
    let (append, items) = fixture.run_append(&["c"]).await;
    assert_eq!(fixture.roll_back().await, Rollback::Busy);
    fixture.index(items[0], "c", "c").await;
    fixture.finish(append).await;
    assert_eq!(fixture.roll_back().await, Rollback::Changed(1));
    let (again, items) = fixture.run_append(&["a"]).await;
    fixture.index(items[0], "a", "another").await;
    fixture.finish(again).await;
    assert_eq!(fixture.roll_back().await, Rollback::Changed(2));
    assert_eq!(fixture.index_of_collection().await.0, "new_g2", "rolled back completely");
    assert_eq!(fixture.generations().await[1], ("b".to_owned(), 2, 2, 3));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn rollbacks_go_back_one_index_at_a_time(pool: PgPool) {
    let (fixture, _) = Fixture::reindexed(pool, &["a"]).await;
    let (second, items, name) = fixture.run_reindex().await;
    fixture.index_anew(items[0]).await;
    assert!(matches!(fixture.swap(second).await, crate::operations::Swap::Done(_)));
    assert_eq!((name.as_str(), fixture.document("a").await.generation), ("new_g3", Generation(3)));
    assert!(matches!(fixture.roll_back().await, Rollback::Done { .. }));
    assert_eq!(
        (fixture.index_of_collection().await.0.as_str(), fixture.document("a").await.generation),
        ("new_g2", Generation(2))
    );
    assert!(matches!(fixture.roll_back().await, Rollback::Done { .. }));
    assert_eq!(fixture.document("a").await.generation, Generation(1));
    assert_eq!(fixture.roll_back().await, Rollback::NothingKept);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn rollback_and_claim_exclude_each_other(pool: PgPool) {
    let (fixture, _) = Fixture::reindexed(pool, &["a"]).await;
    let append = fixture.insert_operation(OperationType::Append).await;
    let mut tx = fixture.db.begin().await.unwrap();
    assert!(matches!(
        tx.collections().roll_back(fixture.collection_id).await.unwrap(),
        Rollback::Done { .. }
    ));
    let db = fixture.db.clone();
    let claim =
        tokio::spawn(async move { db.connection().await.unwrap().operations().claim(append).await.unwrap() });
    let waits = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&fixture.pool).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    tx.commit().await.unwrap();
    assert!(claim.await.unwrap());
    assert_eq!(
        fixture.index_of_collection().await.0,
        fixture.collection_id.to_string(),
        "the claimed one sees it"
    );
    assert_eq!(fixture.roll_back().await, Rollback::NothingKept);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn replaced_index_is_dropped_after_its_retention_and_again_later(pool: PgPool) {
    let (fixture, _) = Fixture::reindexed(pool, &["a"]).await;
    let mut connection = fixture.connection().await;
    let mut stores = connection.retired_vector_stores();
    let old = [fixture.collection_id.to_string()];
    assert_eq!(stores.list_kept(fixture.collection_id).await.unwrap(), old);
    assert_eq!(stores.claim_due(10).await.unwrap(), Vec::<String>::new(), "a day has not passed");

    fixture.execute("UPDATE retired_vector_stores SET drop_after = now() - interval '1 s'").await;
    assert_eq!(stores.claim_due(10).await.unwrap(), old);
    assert_eq!(fixture.roll_back().await, Rollback::NothingKept, "it may be dropped from here on");
    assert_eq!(stores.list_kept(fixture.collection_id).await.unwrap(), Vec::<String>::new());
    assert_eq!(stores.claim_due(10).await.unwrap(), old, "nobody has metadata that it was dropped");
    stores.mark_dropped(&old[0]).await.unwrap();
    assert_eq!(stores.claim_due(10).await.unwrap(), Vec::<String>::new());

    fixture.execute("UPDATE retired_vector_stores SET dropped_at = dropped_at - interval '2 hours'").await;
    assert_eq!(stores.claim_due(10).await.unwrap(), old);
    stores.mark_dropped(&old[0]).await.unwrap();
    assert_eq!(fixture.retired().await, []);
}
