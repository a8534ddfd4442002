//! Scheduled invocations.

use std::sync::Arc;
use std::time::Duration;

use artifacts::ArtifactStore;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use db::Db;
use lambda::event::Invocation;
use queue::{QueueUrls, Queues, SweepQueue};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use sweep::{StallTimeouts, State, handle};
use vectors::{VectorDatabase, VectorsConfig};

/// No process listens on this port.
const UNREACHABLE: &str = "http://127.0.0.1:9";

fn state(pool: &PgPool) -> Arc<State> {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(UNREACHABLE)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let url = |name: &str| Some(format!("{UNREACHABLE}/000000000000/{name}"));
    let urls = QueueUrls {
        intake: url("intake"),
        scan: url("scan"),
        extract: url("extract"),
        recognize: None,
        chunk: url("chunk"),
        embed: url("embed"),
        notify: url("notify"),
        sweep: url("sweep.fifo").map(|url| SweepQueue { url, interval: Duration::from_secs(60) }),
    };
    let stall_timeouts = StallTimeouts {
        pending: Duration::from_secs(60),
        listing: Duration::from_secs(120),
        item: Duration::from_secs(120),
        overtaken_item: Duration::from_secs(1800),
        queued_item: Duration::from_secs(3600),
        expired_upload: Duration::from_secs(10),
        unpurged: Duration::from_secs(300),
    };
    Arc::new(State {
        db: Db::from_pool(pool.clone()),
        queues: Queues::new(&sdk, urls),
        has_recognize: false,
        artifacts: ArtifactStore::new(&sdk, "staging"),
        vectors: VectorDatabase::connect(&VectorsConfig::new(UNREACHABLE)).unwrap(),
        deleted_document_retention: Duration::from_secs(30 * 86_400),
        integrity_interval: Duration::from_secs(86_400),
        stall_timeouts,
        embed_jobs: None,
    })
}

/// One scheduled invocation. Returns what it did.
async fn sweep(state: &Arc<State>) -> Value {
    let invocation = Invocation::lasting(Duration::from_secs(120));
    let event = serde_json::from_str(include_str!("../../../../events/sweep.json")).unwrap();
    handle(Arc::clone(state), event, invocation).await.unwrap()
}

async fn sql(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

async fn count(pool: &PgPool, what: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {what}"))).fetch_one(pool).await.unwrap()
}

/// Creates continuous collections of one owner, each with two directory sources and its uploads.
async fn collections(pool: &PgPool, number: usize) {
    sql(
        pool,
        &format!(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x');
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size,
                chunk_overlap, sync_mode, sync_interval_minutes, sync_next_run_at)
            SELECT gen_random_uuid(), 'notes ' || n, users.id, 'store ' || n, 'a-model', 256, 51,
                'continuous', 30, now() - interval '1 second'
            FROM users, generate_series(1, {number}) n;
            INSERT INTO collection_sources (collection_id, source_path, source_type)
            SELECT id, path, CASE WHEN path = 'uploads' THEN 'upload' ELSE 'directory' END
            FROM collections, unnest(ARRAY['uploads', '/srv/a', '/srv/b']) path"
        ),
    )
    .await;
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn two_concurrent_sweeps_start_one_run_of_each_due_collection(pool: PgPool) {
    collections(&pool, 5).await;
    let state = state(&pool);
    let (one, other) = tokio::join!(sweep(&state), sweep(&state));
    let started = [&one, &other].map(|done| done["syncs_started"].as_u64().unwrap());
    assert_eq!(started.iter().sum::<u64>(), 5, "{one} {other}");
    assert_eq!(count(&pool, "collection_sync_runs WHERE status = 'running' AND user_id IS NULL").await, 5);
    let owned = "operations JOIN collections ON collections.id = collection_id AND owner_id = user_id
        WHERE type = 'append' AND operations.status = 'pending' AND sync_run_id IS NOT NULL";
    assert_eq!(count(&pool, owned).await, 10, "an operation for each folder, of the collection's owner");
    let planned = "collections WHERE sync_next_run_at BETWEEN now() + interval '29 minutes' AND now() + interval '31 minutes'";
    assert_eq!(count(&pool, planned).await, 5);
    let audited =
        "collection_audit_log WHERE action = 'sync_run_started' AND details ->> 'triggered_by' = 'scheduler'";
    assert_eq!(count(&pool, audited).await, 5);

    // No message could be sent; the operations are left to the next sweep.
    for done in [one, other].iter().filter(|done| done["syncs_started"] != 0) {
        assert!(done["failed_steps"].as_array().unwrap().contains(&json!("schedule")), "{done}");
    }
    sql(&pool, "UPDATE operations SET created_at = now() - interval '2 minutes'").await;
    let mut connection = state.db.connection().await.unwrap();
    let stall_timeouts = state.stall_timeouts;
    let overdue = connection
        .operations()
        .list_overdue(stall_timeouts.pending, stall_timeouts.listing, 100)
        .await
        .unwrap();
    assert_eq!(overdue.len(), 5, "the first of each collection");
    assert_eq!(sweep(&state).await["syncs_started"], 0, "a run is running");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_sweep_starts_at_most_twenty_runs_and_the_next_continues(pool: PgPool) {
    collections(&pool, 25).await;
    let state = state(&pool);
    assert_eq!(sweep(&state).await["syncs_started"], 20);
    assert_eq!(sweep(&state).await["syncs_started"], 5);
    assert_eq!(sweep(&state).await["syncs_started"], 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_collection_without_sources_starts_no_run_and_is_due_after_its_interval(pool: PgPool) {
    collections(&pool, 1).await;
    sql(&pool, "DELETE FROM collection_sources WHERE source_type <> 'upload'").await;
    let state = state(&pool);
    assert_eq!(sweep(&state).await["syncs_started"], 0);
    assert_eq!(count(&pool, "collection_sync_runs").await, 0);
    assert_eq!(count(&pool, "collections WHERE sync_next_run_at > now() + interval '29 minutes'").await, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_run_whose_operations_have_ended_is_ended(pool: PgPool) {
    collections(&pool, 1).await;
    let state = state(&pool);
    sweep(&state).await;
    sql(
        &pool,
        "UPDATE operations SET status = 'completed', completed_at = now(),
            meta = CASE WHEN id % 2 = 0 THEN '{\"counts\": {\"failed\": 1, \"completed\": 1}}'::jsonb ELSE '{}' END",
    )
    .await;
    let done = sweep(&state).await;
    assert_eq!((&done["syncs_settled"], &done["syncs_started"]), (&json!(1), &json!(0)), "{done}");
    let ended =
        "collection_sync_runs WHERE status = 'partial' AND completed_sources = 1 AND partial_sources = 1
        AND completed_at IS NOT NULL";
    assert_eq!(count(&pool, ended).await, 1);
    assert_eq!(count(&pool, "collections WHERE sync_last_run_status = 'partial'").await, 1);
    assert_eq!(sweep(&state).await["syncs_settled"], 0);
}

/// Rows of every kind with a retention period: several old ones and a recent one.
const ROWS: &str = "
    INSERT INTO idempotency_keys (user_id, key, method, path, request_hash, created_at)
    SELECT users.id, n::text, 'POST', '/', '\\x00', now() - CASE n WHEN 0 THEN interval '23 hours' ELSE interval '25 hours' END
    FROM users, generate_series(0, 2500) n;
    INSERT INTO refresh_tokens (user_id, family_id, token_hash, expires_at)
    SELECT users.id, gen_random_uuid(), sha256(n::text::bytea), now() - CASE n WHEN 0 THEN interval '29 days' ELSE interval '31 days' END
    FROM users, generate_series(0, 3) n;
    INSERT INTO login_attempts (subject, failures, last_failure_at)
    SELECT 'account:' || n, 1, now() - CASE n WHEN 0 THEN interval '1 hour' ELSE interval '2 days' END
    FROM generate_series(0, 3) n;
    INSERT INTO request_throttles (key, drained_at)
    SELECT n::text, now() + CASE n WHEN 0 THEN interval '1 minute' ELSE interval '-1 second' END
    FROM generate_series(0, 3) n;
    INSERT INTO collection_sync_runs (collection_id, triggered_by, status, completed_at)
    SELECT id, 'manual', 'success', now() - CASE n WHEN 0 THEN interval '89 days' ELSE interval '91 days' END
    FROM collections, generate_series(0, 3) n;
    INSERT INTO operations (uuid, collection_id, user_id, type, status, completed_at, sync_run_id)
    SELECT gen_random_uuid(), collections.id, owner_id, 'append', 'completed', runs.completed_at, runs.id
    FROM collections JOIN collection_sync_runs runs ON runs.collection_id = collections.id;
    -- A pending one of the same age.
    INSERT INTO operations (uuid, collection_id, user_id, type, created_at)
    SELECT gen_random_uuid(), id, owner_id, 'append', now() - interval '91 days' FROM collections;
    INSERT INTO operation_items (operation_id, uri, location, file_name, state)
    SELECT operations.id, n::text, 'x', 'x', 'completed' FROM operations, generate_series(1, 700) n;
    INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at, status, operation_id, created_at)
    SELECT gen_random_uuid(), collections.id, owner_id, 'a.txt', 'uploads/a.txt', 1, 'text/plain', now() + interval '1 hour',
        upload_status, (SELECT max(id) FROM operations WHERE completed_at IS NOT NULL),
        now() - CASE n WHEN 0 THEN interval '89 days' ELSE interval '91 days' END
    FROM collections, unnest(enum_range(NULL::upload_status)) upload_status, generate_series(0, 1) n;
    INSERT INTO push_runs (id, collection_id, source_id, user_id, status, ended_at)
    SELECT gen_random_uuid(), s.collection_id, s.id, users.id, 'ended',
        now() - CASE n WHEN 0 THEN interval '89 days' ELSE interval '91 days' END
    FROM users, collection_sources s, generate_series(0, 3) n WHERE s.source_type = 'upload';
    -- Open ones, of which those of the folders have expired.
    INSERT INTO push_runs (id, collection_id, source_id, user_id, started_at)
    SELECT gen_random_uuid(), s.collection_id, s.id, users.id,
        now() - CASE s.source_type WHEN 'upload' THEN interval '6 days' ELSE interval '8 days' END
    FROM users, collection_sources s;
    INSERT INTO push_run_documents (run_id, uri) SELECT id, 'crm:1' FROM push_runs WHERE status = 'open';
    INSERT INTO webhooks (id, user_id, url, events)
    SELECT gen_random_uuid(), id, 'https://hooks.example.org', '{operation.completed}' FROM users;
    INSERT INTO webhook_deliveries (id, webhook_id, event_type, payload, state, created_at)
    SELECT gen_random_uuid(), webhooks.id, 'operation.completed', '{}', 'delivered',
        now() - CASE n WHEN 0 THEN interval '29 days' ELSE interval '31 days' END
    FROM webhooks, generate_series(0, 3) n;
    INSERT INTO webhook_secrets (webhook_id, ciphertext, key_id) SELECT id, '\\x00', 'key' FROM webhooks;
    INSERT INTO webhook_secrets (webhook_id, ciphertext, key_id, expires_at)
    SELECT id, '\\x00', 'key', now() + CASE n WHEN 0 THEN interval '1 minute' ELSE interval '-1 second' END
    FROM webhooks, generate_series(0, 2) n;
    INSERT INTO collection_audit_log (collection_id, collection_name, operation_id, action)
    SELECT collection_id, 'notes', id, 'operation_completed' FROM operations;";

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn rows_past_their_retention_period_are_deleted_and_no_others(pool: PgPool) {
    collections(&pool, 1).await;
    sql(&pool, "UPDATE collections SET sync_mode = 'one_time'").await;
    sql(&pool, ROWS).await;
    let state = state(&pool);
    let done = sweep(&state).await;
    assert_eq!(
        done["removed"],
        json!({
            "idempotency_keys": 2500, "refresh_tokens": 3, "login_attempts": 3, "request_throttles": 3,
            "uploads": 4, "operation_items": 2100, "operations": 3, "sync_runs": 3,
            "push_runs": 3, "webhook_deliveries": 3, "webhook_secrets": 2,
        })
    );
    for (table, left) in [
        ("idempotency_keys", 1),
        ("refresh_tokens", 1),
        ("login_attempts", 1),
        ("request_throttles", 1),
        ("uploads WHERE status = 'expected'", 2),
        ("uploads", 6),
        ("operation_items", 1400),
        ("operations", 2),
        ("operations WHERE status = 'pending'", 1),
        ("collection_sync_runs", 1),
        ("push_runs", 4),
        ("push_runs WHERE status = 'open'", 1),
        ("webhook_deliveries", 1),
        ("webhook_secrets", 2),
        ("push_runs WHERE status = 'expired' AND ended_at IS NOT NULL", 2),
        ("push_run_documents", 1),
        ("collection_audit_log", 5),
        ("collection_audit_log WHERE operation_id IS NULL AND collection_name = 'notes'", 3),
    ] {
        assert_eq!(count(&pool, table).await, left, "{table}");
    }
    assert_eq!(sweep(&state).await["removed"]["operations"], 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_dead_event_stays_until_intake_can_be_asked_to_look_again(pool: PgPool) {
    let event = |key: &str| json!({"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "staging"}, "object": {"key": key, "size": 12}}});
    let body = json!({"Records": [event("uploads/6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f/a+b.txt")]});
    let letter = json!({"Records": [{"messageId": "m", "body": body.to_string(), "eventSource": "aws:sqs"}]});
    let invocation = Invocation::lasting(Duration::from_secs(120));
    // The queue cannot be reached here.
    let answer = handle(state(&pool), letter, invocation).await.unwrap();
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "m"}]}));
}

/// A delivery of a message that asks for a run so many seconds from now. Returns the batch item failures.
async fn deliver(state: &Arc<State>, seconds: i64) -> Value {
    let body = json!({"sweep_at": chrono::Utc::now().timestamp() + seconds});
    let record = json!({"messageId": "m", "body": body.to_string(), "receiptHandle": "r", "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:sweep.fifo"});
    let invocation = Invocation::lasting(Duration::from_secs(120));
    let mut answer = handle(Arc::clone(state), json!({"Records": [record]}), invocation).await.unwrap();
    answer["batchItemFailures"].take()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_message_waits_for_its_time_without_the_database_and_is_the_last_one_without_work(pool: PgPool) {
    collections(&pool, 1).await;
    let state = state(&pool);
    let kept = json!([{"itemIdentifier": "m"}]);
    let sessions = pool.size();
    assert_eq!(deliver(&state, 600).await, kept, "not before its time");
    assert_eq!(count(&pool, "collection_sync_runs").await, 0);
    assert_eq!(pool.size(), sessions, "the database is not asked");
    // The run starts a sync, and the queue cannot be reached: the next run is not armed.
    assert_eq!(deliver(&state, 0).await, kept);
    assert_eq!(count(&pool, "collection_sync_runs WHERE status = 'running'").await, 1);
    sql(
        &pool,
        "UPDATE operations SET status = 'completed', completed_at = now(), meta = '{}';
        UPDATE collections SET sync_mode = 'one_time'",
    )
    .await;
    assert_eq!(deliver(&state, -30).await, json!([]), "nothing is left");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_sync_run_that_is_due_after_the_hour_is_left_to_the_schedule(pool: PgPool) {
    collections(&pool, 1).await;
    let state = state(&pool);
    for (minutes, is_armed) in [(59, true), (61, false)] {
        sql(
            &pool,
            &format!("UPDATE collections SET sync_next_run_at = now() + interval '{minutes} minutes'"),
        )
        .await;
        let failed = sweep(&state).await["failed_steps"].as_array().unwrap().contains(&json!("next run"));
        assert_eq!(failed, is_armed, "the queue cannot be reached, so arming is seen by its failure");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn dropping_an_index_is_retried(pool: PgPool) {
    let state = state(&pool);
    sql(
        &pool,
        "INSERT INTO retired_vector_stores (name, collection_id, drop_after)
        VALUES ('due', gen_random_uuid(), now()), ('kept', gen_random_uuid(), now() + interval '1 day')",
    )
    .await;
    for _ in 0..2 {
        let done = sweep(&state).await;
        assert_eq!(done["indexes_dropped"], 0);
        let failed = done["failed_steps"].as_array().unwrap();
        assert!(failed.contains(&json!("retired indexes")), "{failed:?}");
        assert_eq!(count(&pool, "retired_vector_stores WHERE drops = 0 AND dropped_at IS NOT NULL").await, 1);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn leftovers_of_deletions_start_audited_operations(pool: PgPool) {
    collections(&pool, 2).await;
    sql(
        &pool,
        "UPDATE collections SET sync_mode = 'one_time';
        UPDATE collections SET deleted_at = now() - interval '1 hour' WHERE name = 'notes 1';
        INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, chunk_count, deleted_at)
        SELECT gen_random_uuid(), id, 'u', 'p', 'n', 10, 'deleted', 2, now() - interval '1 hour' FROM collections",
    )
    .await;
    let state = state(&pool);
    let done = sweep(&state).await;
    assert_eq!(done["removals_queued"], 2);
    // No message could be sent; the operations are left to the next sweep.
    assert!(done["failed_steps"].as_array().unwrap().contains(&json!("unfinished removals")), "{done}");
    for (operation_type, action, name) in
        [("delete", "deletion_requeued", "notes 1"), ("remove_documents", "removal_requeued", "notes 2")]
    {
        let audited = format!(
            "operations o JOIN collection_audit_log a ON a.operation_id = o.id
            WHERE o.type = '{operation_type}' AND o.status = 'pending' AND a.action = '{action}'
                AND a.collection_name = '{name}' AND a.user_id IS NULL"
        );
        assert_eq!(count(&pool, &audited).await, 1, "{operation_type}");
    }
    assert_eq!(sweep(&state).await["removals_queued"], 0, "they are pending");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_erasure_that_fails_leaves_the_queue_to_others_and_is_retried(pool: PgPool) {
    collections(&pool, 1).await;
    sql(
        &pool,
        "UPDATE collections SET sync_mode = 'one_time';
        INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, generation, last_generation, deleted_at)
        SELECT gen_random_uuid(), collections.id, n::text, 'p', 'n', 10,
            CASE n WHEN 1 THEN 'completed' ELSE 'deleted' END::document_status, 1, 1,
            CASE n WHEN 1 THEN NULL WHEN 2 THEN now() - interval '29 days' ELSE now() - interval '31 days' END
        FROM collections, generate_series(1, 3) n;
        INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
        SELECT id, collection_id, 1, 'text/plain', 'raw/x', 'h', 10 FROM documents;
        UPDATE documents SET generation = 2, last_generation = 2 WHERE status = 'completed';
        INSERT INTO erasures (collection_id, document_id) SELECT id, gen_random_uuid() FROM collections",
    )
    .await;
    assert_eq!(count(&pool, "erasures").await, 2, "the replaced generation, and a document that is gone");
    let state = state(&pool);
    let done = sweep(&state).await;
    assert_eq!((&done["erased"]["expired"], &done["erased"]["objects"]), (&json!(1), &json!(0)), "{done}");
    assert!(done["failed_steps"].as_array().unwrap().contains(&json!("erasures")), "{done}");
    // The bucket cannot be reached: the rows that say what it holds stay.
    assert_eq!(count(&pool, "document_artifacts").await, 3);
    assert_eq!(count(&pool, "erasures WHERE due_at > now() + interval '4 minutes'").await, 2);
    assert_eq!(count(&pool, "erasures").await, 2);
    assert_eq!(count(&pool, "documents WHERE purge_requested_at IS NOT NULL AND purged_at IS NULL").await, 1);
    let again = sweep(&state).await;
    assert!(!again["failed_steps"].as_array().unwrap().contains(&json!("erasures")), "{again}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn nothing_is_erased_while_a_backup_runs(pool: PgPool) {
    collections(&pool, 1).await;
    sql(
        &pool,
        "INSERT INTO erasures (collection_id, document_id) SELECT id, gen_random_uuid() FROM collections",
    )
    .await;
    let state = state(&pool);
    let mut backup = pool.acquire().await.unwrap();
    sqlx::raw_sql("SELECT pg_advisory_lock(20261130000504)").execute(&mut *backup).await.unwrap();
    sweep(&state).await;
    assert_eq!(count(&pool, "erasures").await, 1);
    sqlx::raw_sql("SELECT pg_advisory_unlock(20261130000504)").execute(&mut *backup).await.unwrap();
    sweep(&state).await;
    assert_eq!(count(&pool, "erasures").await, 0);
}
