//! What one minute's run does to a real PostgreSQL. Nobody listens where the queues should be: that
//! nothing is lost by that is part of what is tested.

use std::sync::Arc;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use db::Db;
use lambda::event::Invocation;
use queue::{QueueUrls, Queues};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use sweep::{Patience, State, handle};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

fn state(pool: &PgPool) -> Arc<State> {
    let credentials = Credentials::new("test", "test", None, None, "test");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(NOWHERE)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let url = |name: &str| Some(format!("{NOWHERE}/000000000000/{name}"));
    let urls =
        QueueUrls { intake: url("intake"), scan: url("scan"), chunk: url("chunk"), embed: url("embed") };
    let patience = Patience {
        pending: Duration::from_secs(60),
        listing: Duration::from_secs(120),
        item: Duration::from_secs(120),
        queued_item: Duration::from_secs(3600),
        expired_upload: Duration::from_secs(10),
    };
    Arc::new(State { db: Db::from_pool(pool.clone()), queues: Queues::new(&sdk, urls), patience })
}

/// One run, as the clock asks for it. Returns what it did.
async fn sweep(state: &Arc<State>) -> Value {
    let invocation = Invocation::lasting(Duration::from_secs(120));
    handle(Arc::clone(state), json!({"source": "aws.events"}), invocation).await.unwrap()
}

async fn sql(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

async fn count(pool: &PgPool, what: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {what}"))).fetch_one(pool).await.unwrap()
}

/// So many continuous collections of one owner, each with two folders and its uploads.
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

/// Rows of everything that is kept for some time: as many old ones, and one that is young.
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
    -- One that has waited for as long.
    INSERT INTO operations (uuid, collection_id, user_id, type, created_at)
    SELECT gen_random_uuid(), id, owner_id, 'append', now() - interval '91 days' FROM collections;
    INSERT INTO operation_items (operation_id, uri, location, file_name, state)
    SELECT operations.id, n::text, 'x', 'x', 'completed' FROM operations, generate_series(1, 700) n;
    INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at, status, operation_id, created_at)
    SELECT gen_random_uuid(), collections.id, owner_id, 'a.txt', 'uploads/a.txt', 1, 'text/plain', now() + interval '1 hour',
        upload_status, (SELECT max(id) FROM operations WHERE completed_at IS NOT NULL),
        now() - CASE n WHEN 0 THEN interval '89 days' ELSE interval '91 days' END
    FROM collections, unnest(enum_range(NULL::upload_status)) upload_status, generate_series(0, 1) n;
    INSERT INTO collection_audit_log (collection_id, collection_name, operation_id, action)
    SELECT collection_id, 'notes', id, 'operation_completed' FROM operations;";

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn what_has_served_its_time_goes_and_everything_else_stays(pool: PgPool) {
    collections(&pool, 1).await;
    sql(&pool, "UPDATE collections SET sync_mode = 'one_time'").await;
    sql(&pool, ROWS).await;
    let state = state(&pool);
    let done = sweep(&state).await;
    assert_eq!(
        done["removed"],
        json!({
            "idempotency_keys": 2500, "refresh_tokens": 3, "login_attempts": 3, "request_throttles": 3,
            "uploads": 2, "operation_items": 2100, "operations": 3, "sync_runs": 3,
        })
    );
    for (table, left) in [
        ("idempotency_keys", 1),
        ("refresh_tokens", 1),
        ("login_attempts", 1),
        ("request_throttles", 1),
        ("uploads WHERE status = 'expected'", 2),
        ("uploads", 4),
        ("operation_items", 1400),
        ("operations", 2),
        ("operations WHERE status = 'pending'", 1),
        ("collection_sync_runs", 1),
        ("collection_audit_log", 5),
        ("collection_audit_log WHERE operation_id IS NULL AND collection_name = 'notes'", 3),
    ] {
        assert_eq!(count(&pool, table).await, left, "{table}");
    }
    assert_eq!(sweep(&state).await["removed"]["operations"], 0);
}
