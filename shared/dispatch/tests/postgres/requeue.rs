//! Operations that sweep starts to repair what an earlier one left.

use std::time::Duration;

use dispatch::{Committed, dispatch_all, queue_unfinished_deletions, queue_unpurged, queue_without_points};
use sqlx::PgPool;

use crate::bench::Bench;

const HOUR: Duration = Duration::from_secs(3600);

/// Deleted documents with points, and others that are none of these.
const DOCUMENTS: &str = "
    INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, chunk_count, deleted_at)
    SELECT gen_random_uuid(), id, 'u' || n, 'p', 'n', 10,
        CASE WHEN n <= 3 THEN 'deleted' ELSE 'completed' END::document_status, CASE n WHEN 3 THEN 0 ELSE 2 END, now()
    FROM collections, generate_series(1, 4) n";

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn points_of_deleted_documents_are_removed_by_a_new_operation(pool: PgPool) {
    let bench = Bench::new(pool).await;
    bench.sql(DOCUMENTS).await;
    let queue = async |age| queue_unpurged(&bench.db, &bench.queues, age, 10, 100).await.unwrap();
    assert_eq!(queue(HOUR).await.len(), 0, "too soon");
    let committed = queue(Duration::ZERO).await;
    assert_eq!(committed.iter().flat_map(Committed::operations).count(), 1);
    // The operation is committed; its message cannot be sent and is left to sweep.
    dispatch_all(&bench.db, &bench.queues, committed).await.unwrap_err();
    assert_eq!(bench.left_to_sweep().await.len(), 1);
    assert_eq!(bench.count("operations WHERE type = 'remove_documents' AND user_id = 1").await, 1);
    assert_eq!(bench.count("operation_items WHERE is_removal").await, 2);
    assert_eq!(
        bench
            .count("collection_audit_log WHERE action = 'removal_requeued' AND user_id IS NULL AND operation_id IS NOT NULL AND collection_name = 'notes'")
            .await,
        1
    );
    assert_eq!(queue(Duration::ZERO).await.len(), 0, "an operation is open");
    bench.sql("UPDATE operations SET status = 'failed', completed_at = now()").await;
    bench.sql("UPDATE documents SET chunk_count = 0").await;
    assert_eq!(queue(Duration::ZERO).await.len(), 0, "nothing is left");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn duplicates_of_earlier_versions_are_indexed_in_bounded_steps(pool: PgPool) {
    let bench = Bench::new(pool).await;
    bench.sql(DOCUMENTS).await;
    let queue = async || queue_without_points(&bench.db, &bench.queues, 10, 2).await.unwrap();
    assert_eq!(queue().await.len(), 0, "all have points");
    bench
        .sql(
            "UPDATE documents SET status = 'completed', deleted_at = NULL, chunk_count = 0 WHERE uri <> 'u4'",
        )
        .await;
    bench.sql("UPDATE documents SET duplicate_of = (SELECT id FROM documents WHERE uri = 'u4') WHERE uri <> 'u4'").await;
    let committed = queue().await;
    assert_eq!(committed.iter().flat_map(Committed::operations).count(), 1);
    let items = "operation_items WHERE copy_document_id IS NULL AND state = 'listed'";
    assert_eq!(bench.count(items).await, 2, "the original has other bytes, so its copy is of no use");
    assert_eq!(bench.count("collection_audit_log WHERE action = 'duplicates_requeued'").await, 1);
    assert_eq!(queue().await.len(), 0, "an operation is open");
    bench.sql("UPDATE operations SET status = 'cancelled', completed_at = now()").await;
    assert_eq!(queue().await.len(), 0, "a cancelled one is not started again at once");
    bench.sql("UPDATE operations SET status = 'completed'").await;
    assert_eq!(queue().await.len(), 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_failed_deletion_is_tried_again(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let queue = async |age| queue_unfinished_deletions(&bench.db, &bench.queues, age, 10).await.unwrap();
    assert_eq!(queue(Duration::ZERO).await.len(), 0, "it is not deleted");
    bench.sql("UPDATE collections SET deleted_at = now() - interval '1 minute'").await;
    bench.sql(DOCUMENTS).await;
    assert_eq!(
        queue_unpurged(&bench.db, &bench.queues, Duration::ZERO, 10, 100).await.unwrap().len(),
        0,
        "the points go with the collection"
    );
    assert_eq!(queue(HOUR).await.len(), 0, "too soon");
    dispatch_all(&bench.db, &bench.queues, queue(Duration::ZERO).await).await.unwrap_err();
    assert_eq!(bench.left_to_sweep().await.len(), 1);
    let queued = "operations WHERE type = 'delete' AND config ->> 'vector_store_name' = 'v'";
    assert_eq!(bench.count(queued).await, 1);
    assert_eq!(bench.count("collection_audit_log WHERE action = 'deletion_requeued'").await, 1);
    assert_eq!(queue(Duration::ZERO).await.len(), 0, "an operation is open");
    bench.sql("UPDATE operations SET status = 'failed', completed_at = now()").await;
    assert_eq!(queue(HOUR).await.len(), 0, "too soon after the last try");
    assert_eq!(queue(Duration::ZERO).await.len(), 1);
    assert_eq!(bench.count("operations WHERE type = 'delete'").await, 2);
}
