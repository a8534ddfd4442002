//! Rebuilds from staged vectors.

use domain::{DocumentStatus, Generation, OperationId};
use serde_json::json;
use sqlx::PgPool;

use crate::operations::RebuiltDocument;
use crate::testing::Fixture;

/// Indexes three documents with two chunks each, the third with the bytes of the first.
async fn indexed(fixture: &Fixture) -> OperationId {
    let (first, items) = fixture.run_append(&["a", "b", "c"]).await;
    fixture.index(items[0], "a", "1").await;
    fixture.index(items[1], "b", "2").await;
    fixture.index(items[2], "c", "1").await;
    fixture.finish(first).await;
    let mut tx = fixture.db.begin().await.unwrap();
    let queued =
        tx.operations().queue_rebuilds(fixture.user_id, Some(&[fixture.collection_id])).await.unwrap();
    let again = tx.operations().queue_rebuilds(fixture.user_id, None).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(queued, again, "one pending rebuild is enough");
    assert_eq!((queued.len(), queued[0].collection_id), (1, fixture.collection_id));
    let id = queued[0].operation_id;
    assert!(fixture.connection().await.operations().claim(id).await.unwrap());
    id
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn each_document_with_points_is_listed_once(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    indexed(&fixture).await;
    let mut connection = fixture.connection().await;
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = connection.documents().list_searchable(fixture.collection_id, after, 1).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        listed.extend(page);
    }
    let mut expected = ["a", "b", "c"].map(|name| fixture.document_id(name));
    expected.sort_unstable();
    assert_eq!(listed.iter().map(|document| document.id).collect::<Vec<_>>(), expected);
    assert!(listed.iter().all(|document| (document.generation, document.chunk_count) == (Generation(1), 2)));
    assert!(connection.documents().mark_deleted(fixture.document_id("a")).await.unwrap());
    let left = connection.documents().list_searchable(fixture.collection_id, None, 10).await.unwrap();
    assert_eq!(left.len(), 2);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn rebuilt_index_is_used_at_once_without_lost_documents(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let id = indexed(&fixture).await;
    let mut connection = fixture.connection().await;
    let old = connection.collections().find_any(fixture.collection_id).await.unwrap().unwrap();
    let old = old.vector_store_name;
    let noted = connection.operations().record_rebuild(id, &old, "new").await.unwrap();
    assert_eq!(noted, (old.clone(), "new".to_owned()));
    assert_eq!(connection.operations().record_rebuild(id, "new", "new").await.unwrap(), noted, "the first");
    let rebuilt = |name: &str, reason: Option<&str>| RebuiltDocument {
        id: fixture.document_id(name),
        generation: Generation(1),
        chunk_count: 2,
        reason: reason.map(str::to_owned),
    };
    let documents =
        [rebuilt("a", None), rebuilt("b", Some("its vectors are not staged")), rebuilt("c", None)];
    connection.operation_items().insert_rebuilt(id, &documents).await.unwrap();
    // A retry handles the same documents; the recorded outcomes stay.
    connection.operation_items().insert_rebuilt(id, &[rebuilt("b", None)]).await.unwrap();
    assert_eq!(connection.operation_items().count_rebuilt_chunks(id).await.unwrap(), 4);
    assert_eq!(fixture.document("b").await.status, DocumentStatus::Completed, "until the swap");

    assert!(!connection.collections().swap_rebuilt(id, "another", "new").await.unwrap());
    assert!(connection.collections().swap_rebuilt(id, &old, "new").await.unwrap());
    assert!(!connection.collections().swap_rebuilt(id, &old, "new").await.unwrap(), "once");
    let lost = fixture.document("b").await;
    assert_eq!((lost.status, lost.chunk_count, lost.content_hash), (DocumentStatus::Failed, 0, None));
    assert_eq!(lost.error_message.as_deref(), Some("its vectors are not staged"));
    fixture.finish(id).await;
    let operation = connection.operations().find(id).await.unwrap().unwrap();
    assert_eq!(
        (&operation.meta["counts"]["unchanged"], &operation.meta["counts"]["failed"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(operation.meta["chunks"]["embedded"], 0);
    let collection = connection.collections().find_any(fixture.collection_id).await.unwrap().unwrap();
    assert_eq!((collection.vector_store_name.as_str(), collection.vector_count), ("new", 4));
    assert_eq!(collection.status.as_str(), "degraded");
    assert_eq!(connection.documents().count_unfinished(fixture.collection_id, None).await.unwrap().failed, 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn cancelled_rebuild_changes_nothing(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let id = indexed(&fixture).await;
    let mut connection = fixture.connection().await;
    let old = connection.collections().find_any(fixture.collection_id).await.unwrap().unwrap();
    assert!(connection.operations().request_cancel(id).await.unwrap());
    assert!(!connection.collections().swap_rebuilt(id, &old.vector_store_name, "new").await.unwrap());
    let after = connection.collections().find_any(fixture.collection_id).await.unwrap().unwrap();
    assert_eq!(after.vector_store_name, old.vector_store_name);
}
