//! Showing and listing operations.

mod cancel;

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::PgPool;

use crate::harness::{Api, text};

async fn append(api: &Api, token: &str, collection: &str) -> String {
    let body = json!({ "source_path": "/srv/docs" });
    let operation = api.post(&format!("{collection}/sources"), token, body).await.expect(202);
    format!("/api/v2/operations/{}", text(&operation["id"]))
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn progress_counts_documents_by_state(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let operation = append(&api, &token, &collection).await;
    api.sql(
        "INSERT INTO operation_items (operation_id, uri, location, file_name, state)
        SELECT (SELECT max(id) FROM operations), n::text, 'x', 'x',
            (ARRAY['completed', 'failed', 'listed'])[n]::item_state FROM generate_series(1, 3) n",
    )
    .await;
    let shown = api.get(&operation, &token).await.expect(200);
    insta::assert_json_snapshot!(shown["progress"], @r#"
    {
      "by_state": {
        "cancelled": 0,
        "chunked": 0,
        "completed": 1,
        "duplicate": 0,
        "failed": 1,
        "listed": 1,
        "removed": 0,
        "skipped": 0,
        "staged": 0,
        "unchanged": 0
      },
      "done": 2,
      "is_listed": false,
      "percent": 66.6,
      "total": 3
    }
    "#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_open_operation_says_what_it_waits_for(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    // The operation that creates the index.
    api.sql("UPDATE operations SET status = 'completed'").await;
    let first = append(&api, &token, &collection).await;
    let second = append(&api, &token, &collection).await;
    api.sql(
        "INSERT INTO operation_waits (operation_id, waiting_for, error, next_attempt_at)
        SELECT min(id), 'vector_database', 'unavailable', now() + interval '4 minutes' FROM operations
        WHERE status = 'pending'",
    )
    .await;
    let waits = |operation: &serde_json::Value| {
        let attempt = operation["next_attempt_at"].is_string();
        (operation["waiting_for"].clone(), operation["last_transient_error"].clone(), attempt)
    };
    let shown = api.get(&first, &token).await.expect(200);
    assert_eq!(waits(&shown), (json!("vector_database"), json!("unavailable"), true), "{shown}");
    let behind = api.get(&second, &token).await.expect(200);
    assert_eq!(waits(&behind), (json!("another_operation"), json!(null), false), "{behind}");

    for path in ["/api/v2/operations?status=pending", &format!("{collection}/operations?status=pending")] {
        let page = api.get(path, &token).await.expect(200);
        let listed = page.get("operations").unwrap_or(&page).clone();
        assert_eq!([waits(&listed[0]), waits(&listed[1])], [waits(&behind), waits(&shown)], "{path}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_long_poll_responds_to_a_change_at_once(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let operation = append(&api, &token, &collection).await;
    let waiting = format!("{operation}?wait_seconds=20");
    let started = Instant::now();
    let change = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        api.sql("UPDATE operations SET status = 'failed', error_message = 'x' WHERE type = 'append'").await;
    };
    let (answer, ()) = tokio::join!(api.get(&waiting, &token), change);
    assert_eq!(answer.expect(200)["status"], "failed");
    assert!(started.elapsed() >= Duration::from_millis(400));
    assert!(started.elapsed() < Duration::from_secs(5));
    // It has ended, so that the long poll responds at once.
    let started = Instant::now();
    assert_eq!(api.get(&waiting, &token).await.expect(200)["progress"]["percent"], 100.0);
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_long_poll_responds_after_its_time_limit(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let operation = append(&api, &token, &collection).await;
    let started = Instant::now();
    assert_eq!(
        api.get(&format!("{operation}?wait_seconds=1"), &token).await.expect(200)["status"],
        "pending"
    );
    assert!(started.elapsed() >= Duration::from_secs(1));
    let refused = api.get(&format!("{operation}?wait_seconds=21"), &token).await.problem(422);
    assert_eq!(refused, "wait_seconds: out of range; 0 to 20 allowed, got 21");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn filters_apply_before_paging(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    append(&api, &token, &collection).await;
    append(&api, &token, &collection).await;
    let appends =
        api.get("/api/v2/operations?status=pending,processing&operation_type=append&per_page=1", &token);
    let appends = appends.await.expect(200);
    assert_eq!((&appends["total"], appends["operations"].as_array().unwrap().len()), (&json!(2), 1));
    let of_collection = api.get(&format!("{collection}/operations?type=index"), &token).await;
    assert_eq!(of_collection.headers["x-total-count"], "1");
    assert_eq!(of_collection.expect(200)[0]["type"], "index");
    let wrong = api.get("/api/v2/operations?status=done", &token).await.problem(422);
    assert!(wrong.contains("; pending, processing, completed, failed, cancelled allowed, got"), "{wrong}");
    let bob = api.sign_up("bob").await;
    assert_eq!(api.get("/api/v2/operations", &bob).await.expect(200)["total"], 0);
}
