//! Sync runs: start, end and schedule.

use chrono::TimeDelta;
use domain::{
    ErrorCategory, OperationId, OperationStatus, OperationType, SyncRunId, SyncRunStatus, SyncTrigger,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::collections::CollectionDetails;
use crate::operations::OperationQuery;
use crate::sync::{NewSyncRun, SyncRun, SyncRunQuery, SyncStart};
use crate::testing::Fixture;

impl Fixture {
    /// Adds sources besides the upload source.
    async fn add_sources(&self, count: i32) {
        let mut connection = self.connection().await;
        connection.collection_sources().find_or_create_upload(self.collection_id).await.unwrap();
        self.sql(&format!(
            "INSERT INTO collection_sources (collection_id, source_path, source_type, source_config)
            SELECT collections.id, '/srv/' || n, 'directory', jsonb_build_object('path', '/srv/' || n)
            FROM collections, generate_series(1, {count}) n"
        ))
        .await;
    }

    async fn sql(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    async fn start_run(&self) -> SyncRun {
        match self.connection().await.sync_runs().start(self.new_run()).await.unwrap() {
            SyncStart::Started { run, .. } => run,
            other => panic!("{other:?}"),
        }
    }

    fn new_run(&self) -> NewSyncRun {
        NewSyncRun {
            collection_id: self.collection_id,
            triggered_by: SyncTrigger::Manual,
            requested_by: Some(self.user_id),
            user_id: self.user_id,
        }
    }

    async fn run_of(&self, id: SyncRunId) -> SyncRun {
        self.connection().await.sync_runs().find(id).await.unwrap().unwrap()
    }

    async fn operations_of(&self, id: SyncRunId) -> Vec<OperationId> {
        let rows: Vec<Uuid> =
            sqlx::query_scalar("SELECT uuid FROM operations WHERE sync_run_id = $1 ORDER BY id")
                .bind(id.0)
                .fetch_all(&self.pool)
                .await
                .unwrap();
        rows.into_iter().map(OperationId).collect()
    }

    /// Runs an operation to its end, with a document in each of these states.
    async fn run_through(&self, id: OperationId, states: &[&str]) {
        assert!(self.connection().await.operations().claim(id).await.unwrap());
        for (number, state) in states.iter().enumerate() {
            sqlx::query(
                "INSERT INTO operation_items (operation_id, uri, location, file_name, state)
                SELECT id, $2, 'x', 'x', $3::item_state FROM operations WHERE uuid = $1",
            )
            .bind(id.0)
            .bind(format!("file:///{number}"))
            .bind(state)
            .execute(&self.pool)
            .await
            .unwrap();
        }
        self.finish(id).await;
    }

    async fn fail_operation(&self, id: OperationId, reason: &str) {
        let mut tx = self.db.begin().await.unwrap();
        let failed = tx.operations().mark_failed(id, reason, ErrorCategory::Permanent).await.unwrap();
        assert!(failed.is_some());
        tx.commit().await.unwrap();
    }

    async fn cancel_operation(&self, id: OperationId) {
        self.sql(&format!("UPDATE operations SET cancel_requested_at = now() WHERE uuid = '{id}'")).await;
        self.run_through(id, &["cancelled"]).await;
    }

    /// Makes the collection continuous and its sync run due.
    async fn make_due(&self) {
        self.sql(
            "UPDATE collections SET sync_mode = 'continuous', sync_interval_minutes = 15,
                sync_next_run_at = now() - interval '1 minute'",
        )
        .await;
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn run_queues_an_operation_for_each_source_except_uploads(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let mut connection = fixture.connection().await;
    assert_eq!(connection.sync_runs().start(fixture.new_run()).await.unwrap(), SyncStart::NoSources);
    fixture.add_sources(3).await;
    let started = connection.sync_runs().start(fixture.new_run()).await.unwrap();
    let SyncStart::Started { run, first_operation } = started else { panic!("{started:?}") };
    assert_eq!((run.expected_sources, run.status), (3, SyncRunStatus::Running));
    assert_eq!((run.triggered_by, run.user_id), (SyncTrigger::Manual, Some(fixture.user_id)));

    let query = OperationQuery {
        collection_ids: Some(vec![fixture.collection_id]),
        user_id: Some(fixture.user_id),
        statuses: vec![OperationStatus::Pending],
        types: vec![OperationType::Append],
        limit: 10,
        offset: 0,
    };
    let operations = connection.operations().list(&query).await.unwrap().items;
    let paths: Vec<&str> =
        operations.iter().rev().map(|operation| operation.config["source_path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["/srv/1", "/srv/2", "/srv/3"]);
    assert_eq!(operations.last().unwrap().id, first_operation);
    assert_eq!(
        operations[0].config,
        json!({"source_type": "directory", "source_path": "/srv/3", "source_config": {"path": "/srv/3"}})
    );
    assert_eq!(connection.sync_runs().start(fixture.new_run()).await.unwrap(), SyncStart::AlreadyRunning);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn one_of_many_concurrent_starts_succeeds(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.add_sources(2).await;
    let mut starts = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (db, new) = (fixture.db.clone(), fixture.new_run());
        starts.spawn(async move { db.connection().await.unwrap().sync_runs().start(new).await.unwrap() });
    }
    let outcomes = starts.join_all().await;
    let started = outcomes.iter().filter(|outcome| matches!(outcome, SyncStart::Started { .. })).count();
    let refused = outcomes.iter().filter(|outcome| **outcome == SyncStart::AlreadyRunning).count();
    assert_eq!((started, refused), (1, 19));
    let operations: i64 =
        sqlx::query_scalar("SELECT count(*) FROM operations").fetch_one(&fixture.pool).await.unwrap();
    assert_eq!(operations, 2);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn status_of_a_run_follows_from_its_operations(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.add_sources(2).await;
    let mut seen = Vec::new();
    // How the operations of the first and of the second source end.
    for (first, second) in [
        ("good", "empty"),
        ("good", "some"),
        ("good", "none"),
        ("none", "down"),
        ("good", "down"),
        ("stop", "stop"),
        ("good", "stop"),
        ("down", "stop"),
    ] {
        let run = fixture.start_run().await;
        for (id, what) in fixture.operations_of(run.id).await.into_iter().zip([first, second]) {
            match what {
                "good" => fixture.run_through(id, &["completed", "unchanged", "skipped", "duplicate"]).await,
                "empty" => fixture.run_through(id, &[]).await,
                "some" => fixture.run_through(id, &["completed", "failed"]).await,
                "none" => fixture.run_through(id, &["failed", "failed"]).await,
                "down" => fixture.fail_operation(id, "the folder is gone").await,
                _ => fixture.cancel_operation(id).await,
            }
            if what == first && first != second {
                let running = fixture.run_of(run.id).await;
                let ended = running.completed_sources + running.failed_sources + running.partial_sources;
                assert_eq!((running.status, running.completed_at), (SyncRunStatus::Running, None));
                assert_eq!(ended, 1, "{first}: counts are right while it runs");
            }
        }
        let ended = fixture.run_of(run.id).await;
        let counts = [ended.completed_sources, ended.partial_sources, ended.failed_sources];
        let summary = ended.error_summary.clone().unwrap_or_default();
        seen.push(format!("{first} {second}: {} {counts:?} {summary}", ended.status));
        let (status, error, completed_at): (String, Option<String>, chrono::DateTime<chrono::Utc>) =
            sqlx::query_as(
                "SELECT sync_last_run_status, sync_last_error, sync_last_run_completed_at FROM collections",
            )
            .fetch_one(&fixture.pool)
            .await
            .unwrap();
        assert_eq!((status.as_str(), error), (ended.status.as_str(), ended.error_summary));
        assert_eq!(Some(completed_at), ended.completed_at);
    }
    assert_eq!(
        seen,
        [
            "good empty: success [2, 0, 0] ",
            "good some: partial [1, 1, 0] /srv/2: 1 of 2 documents could not be indexed",
            "good none: partial [1, 0, 1] /srv/2: 2 of 2 documents could not be indexed",
            "none down: failed [0, 0, 2] /srv/1: 2 of 2 documents could not be indexed; /srv/2: the folder is gone",
            "good down: partial [1, 0, 1] /srv/2: the folder is gone",
            "stop stop: cancelled [0, 0, 0] /srv/1: cancelled; /srv/2: cancelled",
            "good stop: partial [1, 0, 0] /srv/2: cancelled",
            "down stop: failed [0, 0, 1] /srv/1: the folder is gone; /srv/2: cancelled",
        ]
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn operations_that_end_concurrently_leave_no_run_open(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.add_sources(4).await;
    for round in 0..15 {
        let run = fixture.start_run().await;
        let ids = fixture.operations_of(run.id).await;
        assert!(fixture.connection().await.operations().claim(ids[0]).await.unwrap());
        fixture.connection().await.operations().mark_scan_finished(ids[0]).await.unwrap();
        let mut ends = tokio::task::JoinSet::new();
        let db = fixture.db.clone();
        let first = ids[0];
        // Several concurrent callers on connections of their own.
        for _ in 0..3 {
            let db = db.clone();
            ends.spawn(async move {
                db.connection().await.unwrap().operations().complete_if_done(first).await.unwrap();
            });
        }
        // And others that end in transactions.
        for id in ids.into_iter().skip(1) {
            let db = db.clone();
            ends.spawn(async move {
                let mut tx = db.begin().await.unwrap();
                tx.operations().mark_failed(id, "gone", ErrorCategory::Permanent).await.unwrap().unwrap();
                tokio::task::yield_now().await;
                tx.commit().await.unwrap();
            });
        }
        ends.join_all().await;
        let ended = fixture.run_of(run.id).await;
        let counts = (ended.completed_sources, ended.failed_sources, ended.partial_sources);
        assert_eq!((ended.status, counts), (SyncRunStatus::Partial, (1, 3, 0)), "round {round}");
        assert_eq!(fixture.connection().await.sync_runs().list_unsettled(10).await.unwrap(), []);
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn unsettled_run_is_found_and_settled_once(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.add_sources(1).await;
    let run = fixture.start_run().await;
    let mut connection = fixture.connection().await;
    assert_eq!(connection.sync_runs().list_unsettled(10).await.unwrap(), []);
    assert_eq!(connection.sync_runs().settle(run.id).await.unwrap(), None);
    // As after a crash before the run was settled.
    fixture.sql("UPDATE operations SET status = 'failed', error_message = 'x', completed_at = now()").await;
    assert_eq!(connection.sync_runs().list_unsettled(10).await.unwrap(), [run.id]);
    assert_eq!(connection.sync_runs().settle(run.id).await.unwrap(), Some(SyncRunStatus::Failed));
    assert_eq!(connection.sync_runs().settle(run.id).await.unwrap(), None);
    assert_eq!(connection.sync_runs().list_unsettled(10).await.unwrap(), []);
    let ended = fixture.run_of(run.id).await;
    fixture.sql("UPDATE operations SET status = 'completed'").await;
    connection.sync_runs().settle(run.id).await.unwrap();
    assert_eq!(fixture.run_of(run.id).await, ended, "a run that has ended does not change");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn history_is_listed_newest_first_and_by_status(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.add_sources(1).await;
    for number in 0..5 {
        let run = fixture.start_run().await;
        let id = fixture.operations_of(run.id).await[0];
        match number % 2 {
            0 => fixture.run_through(id, &["completed"]).await,
            _ => fixture.fail_operation(id, "gone").await,
        }
    }
    let mut connection = fixture.connection().await;
    let all = SyncRunQuery { collection_id: fixture.collection_id, statuses: vec![], limit: 2, offset: 1 };
    let page = connection.sync_runs().list(&all).await.unwrap();
    assert_eq!(page.total, 5);
    let statuses: Vec<SyncRunStatus> = page.items.iter().map(|run| run.status).collect();
    assert_eq!(statuses, [SyncRunStatus::Failed, SyncRunStatus::Success]);
    assert!(page.items[0].id > page.items[1].id);
    let failed = SyncRunQuery { statuses: vec![SyncRunStatus::Failed], offset: 0, ..all };
    assert_eq!(connection.sync_runs().list(&failed).await.unwrap().total, 2);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn due_collection_is_claimed_once_by_concurrent_callers(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.add_sources(2).await;
    fixture.make_due().await;
    let mut takes = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (db, new) = (fixture.db.clone(), fixture.new_run());
        takes.spawn(async move {
            let mut tx = db.begin().await.unwrap();
            let Some(due) = tx.collections().claim_due().await.unwrap() else { return 0 };
            assert!(due.next_run_at > chrono::Utc::now() + TimeDelta::minutes(14));
            let started = tx.sync_runs().start(new).await.unwrap();
            assert!(matches!(started, SyncStart::Started { .. }), "{started:?}");
            tx.commit().await.unwrap();
            1
        });
    }
    assert_eq!(takes.join_all().await.into_iter().sum::<i32>(), 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn only_idle_continuous_unpaused_collections_are_due(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.add_sources(1).await;
    let is_due = async || {
        // Rolled back, so nothing is rescheduled.
        let mut tx = fixture.db.begin().await.unwrap();
        tx.collections().claim_due().await.unwrap().is_some()
    };
    assert!(!is_due().await, "read once");
    fixture.make_due().await;
    assert!(is_due().await);
    for (change, back) in [
        ("sync_next_run_at = now() + interval '1 second'", "sync_next_run_at = now()"),
        ("sync_paused_at = now()", "sync_paused_at = NULL"),
        ("deleted_at = now()", "deleted_at = NULL"),
        ("sync_interval_minutes = NULL", "sync_interval_minutes = 15"),
    ] {
        fixture.sql(&format!("UPDATE collections SET {change}")).await;
        assert!(!is_due().await, "{change}");
        fixture.sql(&format!("UPDATE collections SET {back}")).await;
        assert!(is_due().await, "{back}");
    }
    let run = fixture.start_run().await;
    assert!(!is_due().await, "a run is in progress");
    let id = fixture.operations_of(run.id).await[0];
    fixture.run_through(id, &[]).await;
    assert!(is_due().await, "due once the previous run has ended");
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn pausing_keeps_the_schedule(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let id = fixture.collection_id;
    let mut connection = fixture.connection().await;
    assert_eq!(
        connection.collections().pause_sync(id).await.unwrap(),
        None,
        "the collection is not continuous"
    );
    assert_eq!(connection.collections().resume_sync(id).await.unwrap(), None);

    let once = connection.collections().find_any(id).await.unwrap().unwrap().details();
    let hourly = CollectionDetails {
        sync_mode: "continuous".to_owned(),
        sync_interval_minutes: Some(60),
        ..once.clone()
    };
    connection.collections().update_details(id, &hourly).await.unwrap();
    let planned = connection.collections().find_any(id).await.unwrap().unwrap().sync_next_run_at.unwrap();
    let wait = planned - chrono::Utc::now();
    assert!(wait > TimeDelta::minutes(59) && wait <= TimeDelta::minutes(60), "{wait}");

    let renamed = CollectionDetails { name: "other".to_owned(), ..hourly.clone() };
    connection.collections().update_details(id, &renamed).await.unwrap();
    let daily = CollectionDetails { sync_interval_minutes: Some(1440), ..hourly.clone() };
    let still = connection.collections().find_any(id).await.unwrap().unwrap().sync_next_run_at;
    assert_eq!(still, Some(planned), "a new name does not reschedule");
    connection.collections().update_details(id, &daily).await.unwrap();
    let later = connection.collections().find_any(id).await.unwrap().unwrap().sync_next_run_at.unwrap();
    assert!(later - planned > TimeDelta::hours(22), "{later}");
    let planned = later;

    let paused_at = connection.collections().pause_sync(id).await.unwrap().unwrap();
    assert_eq!(
        connection.collections().pause_sync(id).await.unwrap(),
        Some(paused_at),
        "paused since the first call"
    );
    assert_eq!(connection.collections().resume_sync(id).await.unwrap(), Some(planned), "not yet due");
    connection.collections().pause_sync(id).await.unwrap();
    fixture.sql("UPDATE collections SET sync_next_run_at = now() - interval '3 days'").await;
    let next = connection.collections().resume_sync(id).await.unwrap().unwrap();
    assert!(chrono::Utc::now() - next < TimeDelta::minutes(1), "missed runs are not repeated");

    connection.collections().pause_sync(id).await.unwrap();
    connection.collections().update_details(id, &once).await.unwrap();
    let once = connection.collections().find_any(id).await.unwrap().unwrap();
    assert_eq!((once.sync_next_run_at, once.sync_paused_at), (None, None));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_schedule_leaves_out_a_source_that_failed_lately_and_a_user_does_not(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.add_sources(2).await;
    let scheduled =
        NewSyncRun { triggered_by: SyncTrigger::Scheduler, requested_by: None, ..fixture.new_run() };
    // Minutes that the schedule waits after each failure in a row.
    for (failures, minutes) in [(1, 15), (2, 30), (3, 60)] {
        let run = fixture.start_run().await;
        let operations = fixture.operations_of(run.id).await;
        assert_eq!(operations.len(), 2, "a user's run reads every source");
        let mut connection = fixture.connection().await;
        assert!(connection.operations().claim(operations[0]).await.unwrap());
        let failed =
            connection.operations().mark_failed(operations[0], "down", ErrorCategory::Transient).await;
        assert!(failed.unwrap().is_some());
        fixture.run_through(operations[1], &["unchanged"]).await;
        let sources = connection.collection_sources().list(fixture.collection_id, 10, 0).await.unwrap().items;
        let source = &sources[1];
        assert_eq!((source.failures, source.last_error.as_deref()), (failures, Some("down")));
        let wait = source.not_before.unwrap() - chrono::Utc::now();
        assert!((TimeDelta::minutes(minutes - 1)..=TimeDelta::minutes(minutes)).contains(&wait), "{wait}");
        assert_eq!((sources[2].failures, sources[2].not_before), (0, None));
    }
    let mut connection = fixture.connection().await;
    let SyncStart::Started { run, .. } = connection.sync_runs().start(scheduled).await.unwrap() else {
        panic!("the other source is read");
    };
    assert_eq!(run.expected_sources, 1);
    for operation in fixture.operations_of(run.id).await {
        fixture.run_through(operation, &["unchanged"]).await;
    }
    let run = fixture.start_run().await;
    for operation in fixture.operations_of(run.id).await {
        fixture.run_through(operation, &["unchanged"]).await;
    }
    let sources = connection.collection_sources().list(fixture.collection_id, 10, 0).await.unwrap().items;
    assert!(sources.iter().all(|source| source.failures == 0 && source.not_before.is_none()), "{sources:?}");
}
