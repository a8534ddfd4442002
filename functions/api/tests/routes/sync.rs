//! Sync runs and their schedule.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Api, text};

/// A collection with two directory sources, whose operations have ended.
async fn prepare(api: &Api, token: &str) -> String {
    let path = api.create_collection(token, "notes").await;
    for folder in ["/srv/docs/a", "/srv/docs/b"] {
        api.post(&format!("{path}/sources"), token, json!({ "source_path": folder })).await.expect(202);
    }
    api.sql("UPDATE operations SET status = 'completed', completed_at = now()").await;
    path
}

async fn post(api: &Api, path: &str, token: &str) -> crate::harness::Answer {
    api.send(Method::POST, path, token, None).await
}

/// Ends the run's operations as the stages would: the first with a failed document.
async fn end_operations(api: &Api) {
    let mut connection = api.state.db.connection().await.unwrap();
    while let Some(id) = next(api).await {
        assert!(connection.operations().claim(id).await.unwrap());
        api.sql(
            "INSERT INTO operation_items (operation_id, uri, location, file_name, state)
            SELECT id, 'x', 'x', 'x', 'completed'::item_state FROM operations WHERE status = 'processing'
            UNION ALL
            SELECT id, 'y', 'y', 'y', 'failed' FROM operations
            WHERE status = 'processing' AND config ->> 'source_path' = '/srv/docs/a'",
        )
        .await;
        connection.operations().mark_scan_finished(id).await.unwrap();
        connection.operations().complete_if_done(id).await.unwrap().unwrap();
    }
}

async fn next(api: &Api) -> Option<domain::OperationId> {
    let id: Option<String> =
        sqlx::query_scalar("SELECT uuid::text FROM operations WHERE status = 'pending' ORDER BY id LIMIT 1")
            .fetch_optional(&api.pool)
            .await
            .unwrap();
    id.map(|id| id.parse().unwrap())
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_run_has_an_operation_for_each_source_and_ends_with_them(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = prepare(&api, &ada).await;
    let started = post(&api, &format!("{path}/sync/run"), &ada).await.expect(202);
    insta::assert_json_snapshot!(started, {
        ".id" => "[id]", ".collection_id" => "[id]", ".started_at" => "[time]",
    }, @r#"
    {
      "collection_id": "[id]",
      "completed_at": null,
      "completed_sources": 0,
      "error_summary": null,
      "expected_sources": 2,
      "failed_sources": 0,
      "id": "[id]",
      "partial_sources": 0,
      "started_at": "[time]",
      "status": "running",
      "triggered_by": "manual"
    }
    "#);
    let collection = api.get(&path, &ada).await.expect(200);
    assert_eq!(collection["sync_last_run_status"], "running");
    assert_eq!(collection["sync_last_run_started_at"], started["started_at"]);

    let shown_path = format!("{path}/sync/runs/{}", started["id"]);
    let shown = api.get(&shown_path, &ada).await.expect(200);
    let paths: Vec<&Value> =
        shown["operations"].as_array().unwrap().iter().map(|row| &row["config"]["source_path"]).collect();
    assert_eq!(paths, ["/srv/docs/a", "/srv/docs/b"]);
    assert_eq!((&shown["status"], &shown["expected_sources"]), (&json!("running"), &json!(2)));

    end_operations(&api).await;
    let ended = api.get(&shown_path, &ada).await.expect(200);
    assert_eq!((&ended["status"], &ended["partial_sources"]), (&json!("partial"), &json!(1)));
    assert_eq!(ended["completed_sources"], 1);
    assert_eq!(ended["error_summary"], "/srv/docs/a: 1 of 2 documents could not be indexed");
    assert_eq!(ended["operations"][0]["progress"]["by_state"]["failed"], 1);
    let collection = api.get(&path, &ada).await.expect(200);
    assert_eq!(collection["sync_last_run_status"], "partial");
    assert_eq!(collection["sync_last_run_completed_at"], ended["completed_at"]);
    assert_eq!(collection["sync_last_error"], ended["error_summary"]);

    // A run belongs to its collection.
    let other = api.create_collection(&ada, "other").await;
    api.get(&format!("{other}/sync/runs/{}", started["id"]), &ada).await.problem(404);
    let audit = api
        .select("SELECT username || ' ' || details::text FROM collection_audit_log WHERE action = 'sync_run_started'")
        .await;
    assert!(audit.starts_with("ada ") && audit.contains(r#""triggered_by": "manual""#), "{audit}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_run_at_a_time_and_none_without_sources(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let empty = api.create_collection(&ada, "empty").await;
    let refused = post(&api, &format!("{empty}/sync/run"), &ada).await.problem(409);
    assert_eq!(refused, "this collection has no sources; add one first");

    let path = prepare(&api, &ada).await;
    let run = format!("{path}/sync/run");
    let answers = join_all((0..20).map(|_| post(&api, &run, &ada))).await;
    let accepted = answers.iter().filter(|answer| answer.status.as_u16() == 202).count();
    assert_eq!(accepted, 1);
    for answer in answers.into_iter().filter(|answer| answer.status.as_u16() != 202) {
        let refused = answer.problem(409);
        assert_eq!(
            refused,
            "a sync run of this collection has not ended; wait for it or cancel its operations"
        );
    }
    let queued = "SELECT count(*)::text FROM operations WHERE sync_run_id IS NOT NULL";
    assert_eq!(api.select(queued).await, "2");
    end_operations(&api).await;

    // A repeated idempotency key starts no second run; another key does, when the first run has ended.
    let key = [("idempotency-key", "k1")];
    let first = api.send_with(Method::POST, &run, &ada, None, &key).await.expect(202);
    assert_eq!(api.send_with(Method::POST, &run, &ada, None, &key).await.expect(202), first);
    api.send_with(Method::POST, &run, &ada, None, &[("idempotency-key", "k2")]).await.problem(409);
    assert_eq!(api.select("SELECT count(*)::text FROM collection_sync_runs").await, "2");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn cancelling_its_operations_ends_a_run(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = prepare(&api, &ada).await;
    let started = post(&api, &format!("{path}/sync/run"), &ada).await.expect(202);
    let shown_path = format!("{path}/sync/runs/{}", started["id"]);
    let shown = api.get(&shown_path, &ada).await.expect(200);
    for operation in shown["operations"].as_array().unwrap() {
        post(&api, &format!("/api/v2/operations/{}/cancel", text(&operation["id"])), &ada).await.expect(200);
    }
    let ended = api.get(&shown_path, &ada).await.expect(200);
    assert_eq!(ended["status"], "cancelled");
    assert_eq!(ended["error_summary"], "/srv/docs/a: cancelled; /srv/docs/b: cancelled");
    post(&api, &format!("{path}/sync/run"), &ada).await.expect(202);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn runs_are_listed_newest_first_with_filter_and_offset(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = prepare(&api, &ada).await;
    for _ in 0..3 {
        post(&api, &format!("{path}/sync/run"), &ada).await.expect(202);
        end_operations(&api).await;
    }
    let last = post(&api, &format!("{path}/sync/run"), &ada).await.expect(202);
    let runs = format!("{path}/sync/runs");
    let all = api.get(&runs, &ada).await.expect(200);
    assert_eq!((&all["total"], &all["offset"], &all["limit"]), (&json!(4), &json!(0), &json!(50)));
    assert_eq!(all["items"][0], last);
    let some = api.get(&format!("{runs}?status=partial,failed&offset=1&limit=1"), &ada).await.expect(200);
    assert_eq!((&some["total"], some["items"].as_array().unwrap().len()), (&json!(3), 1));
    assert_eq!(some["items"][0], all["items"][2]);
    let wrong = api.get(&format!("{runs}?status=done"), &ada).await.problem(422);
    assert!(wrong.contains("; running, success, partial, failed, cancelled allowed, got"), "{wrong}");
    let wrong = api.get(&format!("{runs}?limit=101"), &ada).await.problem(422);
    assert_eq!(wrong, "limit: out of range; 1 to 100 allowed, got 101");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn schedules_are_planned_paused_and_resumed(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    for action in ["pause", "resume"] {
        let refused = post(&api, &format!("{path}/sync/{action}"), &ada).await.problem(409);
        assert!(refused.starts_with("this collection has no schedule; set sync_mode"), "{refused}");
    }
    let hourly = json!({ "sync_mode": "continuous", "sync_interval_minutes": 60 });
    let planned = api.send(Method::PATCH, &path, &ada, Some(&hourly)).await.expect(200);
    assert!(planned["sync_next_run_at"].is_string(), "{planned}");
    let made = json!({ "name": "other", "sync_mode": "continuous", "sync_interval_minutes": 15 });
    let made = api.post("/api/v2/collections", &ada, made).await.expect(201);
    assert!(made["sync_next_run_at"].is_string(), "{made}");

    let paused = post(&api, &format!("{path}/sync/pause"), &ada).await.expect(200);
    assert!(paused["sync_paused_at"].is_string());
    let again = post(&api, &format!("{path}/sync/pause"), &ada).await.expect(200);
    assert_eq!(again["sync_paused_at"], paused["sync_paused_at"]);
    let resumed = post(&api, &format!("{path}/sync/resume"), &ada).await.expect(200);
    assert_eq!(resumed["sync_paused_at"], Value::Null);
    assert_eq!(resumed["sync_next_run_at"], planned["sync_next_run_at"]);
    assert_eq!(resumed["access"], "owner");
    post(&api, &format!("{path}/sync/resume"), &ada).await.expect(200);
    let audit =
        "SELECT string_agg(action, ' ' ORDER BY id) FROM collection_audit_log WHERE action LIKE 'sync_%'";
    assert_eq!(
        api.select(audit).await,
        "sync_paused sync_resumed",
        "what changes nothing is not written down"
    );

    let once = json!({ "sync_mode": "one_time" });
    let once = api.send(Method::PATCH, &path, &ada, Some(&once)).await.expect(200);
    assert_eq!(once["sync_next_run_at"], Value::Null);
}
