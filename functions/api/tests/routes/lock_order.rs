//! Requests and the stages lock rows in one order: collection, source, operation, document.
//!
//! Each test holds the collection row, lets a stage wait for it, then lets the request wait, and only
//! then releases the row. The stage is served first. A request that already holds a row that the
//! stage needs next deadlocks with it.

use std::time::Duration;

use db::Db;
use domain::OperationId;
use http::Method;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgPool, Postgres, Transaction};

use crate::harness::{Api, text};

/// A collection with a source, and the operation that has read the source and could end.
struct World {
    api: Api,
    token: String,
    source: String,
    operation: OperationId,
}

impl World {
    async fn new(options: PgPoolOptions, database: PgConnectOptions) -> Self {
        let pool = options.max_connections(10).connect_with(database).await.unwrap();
        let api = Api::new(pool);
        let token = api.sign_up("ada").await;
        let collection = api.create_collection(&token, "notes").await;
        api.sql("UPDATE operations SET status = 'completed', completed_at = now()").await;
        let body = serde_json::json!({ "source_path": "/srv/docs/a" });
        let operation = api.post(&format!("{collection}/sources"), &token, body).await.expect(202);
        let source = format!("{collection}/sources/{}", operation["source_id"]);
        Self { operation: text(&operation["id"]).parse().unwrap(), api, token, source }
    }

    fn db(&self) -> Db {
        Db::from_pool(self.api.pool.clone())
    }

    /// Holds the collection row as any transaction does that changes the collection.
    async fn hold_collection(&self) -> Transaction<'static, Postgres> {
        let mut tx = self.api.pool.begin().await.unwrap();
        sqlx::query("SELECT id FROM collections FOR NO KEY UPDATE").execute(&mut *tx).await.unwrap();
        tx
    }
}

/// Returns when so many sessions of this database wait for a lock.
async fn until_waiting(pool: &PgPool, sessions: i64) {
    for _ in 0..1000 {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        if waiting == sessions {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{sessions} sessions never waited for a lock at the same time");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn removing_a_source_does_not_deadlock_with_the_end_of_its_operation(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let world = World::new(options, database).await;
    world
        .api
        .sql("UPDATE operations SET status = 'processing', scan_finished_at = now() WHERE type = 'append'")
        .await;
    let gate = world.hold_collection().await;
    let release = async {
        until_waiting(&world.api.pool, 1).await;
        let removal = world.api.send(Method::DELETE, &world.source, &world.token, None);
        let release = async {
            until_waiting(&world.api.pool, 2).await;
            gate.rollback().await.unwrap();
        };
        futures_util::future::join(removal, release).await.0
    };
    let end =
        async { world.db().connection().await.unwrap().operations().end_if_done(world.operation).await };
    let (ended, removal) = futures_util::future::join(end, release).await;
    let ended = ended.expect("the end of the operation is no victim of a deadlock");
    assert!(matches!(ended, db::operations::Ending::Ended(_)), "{ended:?}");
    let removal = removal.expect(202);
    assert_eq!((&removal["type"], &removal["status"]), (&"remove_source".into(), &"pending".into()));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn cancelling_an_operation_does_not_deadlock_with_its_start(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let world = World::new(options, database).await;
    let gate = world.hold_collection().await;
    let release = async {
        until_waiting(&world.api.pool, 1).await;
        let path = format!("/api/v2/operations/{}/cancel", world.operation);
        let cancel = async { world.api.send(Method::POST, &path, &world.token, None).await };
        let release = async {
            until_waiting(&world.api.pool, 2).await;
            gate.rollback().await.unwrap();
        };
        futures_util::future::join(cancel, release).await.0
    };
    let claim = async { world.db().connection().await.unwrap().operations().claim(world.operation).await };
    let (claimed, cancelled) = futures_util::future::join(claim, release).await;
    assert!(claimed.expect("the start of the operation is no victim of a deadlock"));
    let cancelled = cancelled.expect(200);
    assert_eq!(cancelled["status"], "processing", "it had just started, so it is asked to stop");
    assert!(cancelled["cancel_requested_at"].is_string(), "{cancelled}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn changing_a_source_waits_for_its_collection_first(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let world = World::new(options, database).await;
    world
        .api
        .sql("UPDATE operations SET status = 'processing', scan_finished_at = now() WHERE type = 'append'")
        .await;
    let gate = world.hold_collection().await;
    let body = serde_json::json!({ "source_config": { "path": "/srv/docs/a", "recursive": false } });
    let change = world.api.send(Method::PATCH, &world.source, &world.token, Some(&body));
    let release = async {
        until_waiting(&world.api.pool, 1).await;
        // The source row is free while the request waits for the collection row.
        sqlx::query("SELECT id FROM collection_sources FOR UPDATE NOWAIT")
            .execute(&world.api.pool)
            .await
            .unwrap();
        gate.rollback().await.unwrap();
    };
    let (changed, ()) = futures_util::future::join(change, release).await;
    assert_eq!(changed.expect(200)["source_config"]["recursive"], false);
}
