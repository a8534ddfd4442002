//! The lock order: collection, source, operation, document.

use std::error::Error as _;
use std::time::Duration;

use db::operations::Ending;
use db::{Db, DbError};
use dispatch::{LockedCollection, lock_collection};
use domain::{OperationId, OperationType};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};

use crate::bench::{Bench, COLLECTION};

const DEADLOCK: &str = "40P01";

async fn bench(options: PgPoolOptions, database: PgConnectOptions) -> Bench {
    Bench::new(options.max_connections(10).connect_with(database).await.unwrap()).await
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

/// Ends the operation as the stages do: the statement takes the collection row, then the source row.
async fn end(db: &Db, operation_id: OperationId) -> Result<Ending, DbError> {
    db.connection().await?.operations().end_if_done(operation_id).await
}

async fn lock_source_row(pool: &PgPool) -> Transaction<'static, Postgres> {
    let mut tx = pool.begin().await.unwrap();
    // The other session has waited longer, so that its own check for deadlocks comes too early.
    sqlx::raw_sql("SET LOCAL deadlock_timeout = '50ms'").execute(&mut *tx).await.ok();
    sqlx::query("SELECT id FROM collection_sources FOR UPDATE").execute(&mut *tx).await.unwrap();
    tx
}

/// Why there is an order at all: removing a source used to lock the source before the collection.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn source_before_collection_deadlocks_with_the_end_of_an_operation(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let bench = bench(options, database).await;
    let operation_id = bench.insert_finished_reading().await;
    let mut removal = lock_source_row(&bench.pool).await;
    let remove = async {
        bench.until_waiting(1).await;
        let locked = sqlx::query("SELECT id FROM collections FOR NO KEY UPDATE").execute(&mut *removal).await;
        // Whoever is not the victim goes on when the other one has given its locks back.
        removal.rollback().await.unwrap();
        locked
    };
    let (ended, locked) = tokio::join!(end(&bench.db, operation_id), remove);
    let of_end = ended.as_ref().err().and_then(|error| error.source()).map(|error| {
        sqlstate(error.downcast_ref::<sqlx::Error>().expect("a database error")).unwrap_or_default()
    });
    let of_removal = locked.as_ref().err().map(|error| sqlstate(error).unwrap_or_default());
    let victims: Vec<String> = of_end.into_iter().chain(of_removal).collect();
    assert_eq!(victims, [DEADLOCK], "exactly one of the two: {ended:?} {locked:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn collection_before_source_lets_both_complete(options: PgPoolOptions, database: PgConnectOptions) {
    let bench = bench(options, database).await;
    let operation_id = bench.insert_finished_reading().await;
    // The end of the operation is served first, the removal second: the order in which the old one failed.
    let mut gate = bench.pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM collections FOR NO KEY UPDATE").execute(&mut *gate).await.unwrap();
    let remove = async {
        bench.until_waiting(1).await;
        let release = async {
            bench.until_waiting(2).await;
            gate.rollback().await.unwrap();
        };
        tokio::join!(remove_source(&bench), release).0
    };
    let (ended, removal) = tokio::join!(end(&bench.db, operation_id), remove);
    assert!(matches!(ended.unwrap(), Ending::Ended(_)));
    assert_eq!(bench.left_to_sweep().await, [removal]);
}

/// What the route that removes a source does.
async fn remove_source(bench: &Bench) -> OperationId {
    let collection: LockedCollection<_> = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let source = collection.lock_source(bench.source_id).await.unwrap().cancel_readings().await.unwrap();
    let (queued, operation) = source.start(bench.requested(OperationType::RemoveSource)).await.unwrap();
    let audited = queued.audit("source_removed", &json!({})).await.unwrap();
    audited.commit_with(&bench.db, &bench.queues, |tx| tx.commit()).await.unwrap();
    operation.id
}

/// A removal that holds its locks while an operation ends delays it and nothing more.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_end_of_an_operation_waits_for_a_removal_at_the_collection(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let bench = bench(options, database).await;
    let operation_id = bench.insert_finished_reading().await;
    let collection = lock_collection(bench.begin().await, COLLECTION).await.unwrap();
    let source = collection.lock_source(bench.source_id).await.unwrap();
    let remove = async {
        bench.until_waiting(1).await;
        let source = source.cancel_readings().await.unwrap();
        let (queued, _) = source.start(bench.requested(OperationType::RemoveSource)).await.unwrap();
        let audited = queued.audit("source_removed", &json!({})).await.unwrap();
        audited.commit(&bench.queues).await.unwrap().dispatch(&bench.db, &bench.queues).await;
    };
    let both = async { tokio::join!(end(&bench.db, operation_id), remove) };
    let (ended, ()) = tokio::time::timeout(Duration::from_secs(20), both).await.expect("both complete");
    // It was asked to stop before it could end, and everything of it had been read.
    assert!(matches!(ended.unwrap(), Ending::Ended(_)));
    assert_eq!(bench.count("operations WHERE status = 'cancelled' AND type = 'append'").await, 1);
    assert_eq!(bench.count("operations WHERE status = 'pending' AND type = 'remove_source'").await, 1);
}
