//! What the limits count, from operation to operation.

use super::*;

async fn used(bench: &Bench) -> (i64, i64) {
    sqlx::query_as("SELECT used_documents, used_bytes FROM collection_resource_limits")
        .fetch_one(&bench.pool)
        .await
        .unwrap()
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn what_is_used_is_counted_anew_when_an_operation_ends(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let mut connection = bench.connection().await;
    connection.collection_resource_limits().ensure(bench.collection_id).await.unwrap();
    drop(connection);
    let (operation, items) = bench.run_append(&["a", "b", "c"]).await;
    bench.index(items[0], "a", "h1").await;
    assert!(bench.fail(items[1], &binary()).await);
    let original = StagingOutcome::Duplicate { original: bench.document_id("a") };
    assert!(bench.stage(items[2], "c", "h1", &original).await.unwrap());
    bench.finish(operation).await;
    // A duplicate is a document that holds nothing; a failed one is none.
    assert_eq!(used(&bench).await, (2, 10));

    // An operation that is cancelled while it waits leaves the count to the one that is running.
    sqlx::query("UPDATE collection_resource_limits SET used_documents = 7")
        .execute(&bench.pool)
        .await
        .unwrap();
    let waiting = bench.insert_operation(OperationType::Append).await;
    let mut connection = bench.connection().await;
    assert!(connection.operations().cancel_waiting(waiting).await.unwrap().is_some());
    assert_eq!(used(&bench).await, (7, 10));
}
