//! Events of uploaded files.

use std::sync::Arc;
use std::time::Duration;

use artifacts::ArtifactStore;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use db::Db;
use intake::{Notification, State, handle};
use lambda::event::Invocation;
use queue::{QueueUrls, Queues};
use serde_json::json;
use sqlx::PgPool;

/// No process listens on this port.
const UNREACHABLE: &str = "http://127.0.0.1:9";
const COLLECTION: &str = "00000000-0000-0000-0000-000000000001";

async fn state(pool: &PgPool) -> Arc<State> {
    sqlx::raw_sql(
        "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x');
        INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            VALUES ('00000000-0000-0000-0000-000000000001', 'notes', 1, 'v', 'm', 256, 51)",
    )
    .execute(pool)
    .await
    .unwrap();
    let credentials = Credentials::new("test", "test", None, None, "test");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(UNREACHABLE)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let scan = Some(format!("{UNREACHABLE}/000000000000/scan"));
    Arc::new(State {
        db: Db::from_pool(pool.clone()),
        artifacts: ArtifactStore::new(&sdk, "staging"),
        queues: Queues::new(&sdk, QueueUrls { scan, ..QueueUrls::default() }),
    })
}

/// The body of a message about one uploaded file.
fn uploaded(collection: &str, name: &str) -> Notification {
    let record = json!({
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": { "name": "staging" },
            "object": { "key": format!("uploads/{collection}/{name}"), "size": 12, "eTag": "\"e\"" },
        },
    });
    serde_json::from_value(json!({ "Records": [record] })).unwrap()
}

async fn receive(state: &Arc<State>, messages: Vec<Notification>) {
    let invocation = Invocation::lasting(Duration::from_secs(60));
    for result in handle(Arc::clone(state), messages, invocation).await {
        result.unwrap();
    }
}

async fn count(pool: &PgPool, what: &'static str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
    sqlx::query_scalar(sql).fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn uploads_start_one_audited_operation_that_is_left_to_sweep(pool: PgPool) {
    let state = state(&pool).await;
    receive(&state, vec![uploaded(COLLECTION, "a.txt"), uploaded(COLLECTION, "b.txt")]).await;
    assert_eq!(
        count(&pool, "operations WHERE type = 'append' AND status = 'pending' AND user_id = 1").await,
        1
    );
    assert_eq!(count(&pool, "operation_items").await, 2);
    let audited = "collection_audit_log a JOIN operations o ON o.id = a.operation_id
        WHERE action = 'uploads_received' AND a.user_id IS NULL AND collection_name = 'notes'
            AND details = '{\"files\": 2}'";
    assert_eq!(count(&pool, audited).await, 1);
    let mut connection = state.db.connection().await.unwrap();
    let overdue = connection.operations().list_overdue(Duration::ZERO, Duration::ZERO, 10).await.unwrap();
    assert_eq!(overdue.len(), 1);

    // Later files join the pending operation; the same file is on its work list once.
    receive(&state, vec![uploaded(COLLECTION, "b.txt"), uploaded(COLLECTION, "c.txt")]).await;
    assert_eq!(count(&pool, "operations").await, 1);
    assert_eq!(count(&pool, "operation_items").await, 3);
    assert_eq!(count(&pool, "collection_audit_log").await, 1);

    // Once it runs, they start the next one.
    assert!(connection.operations().claim(overdue[0]).await.unwrap());
    receive(&state, vec![uploaded(COLLECTION, "d.txt")]).await;
    assert_eq!(count(&pool, "operations WHERE status = 'pending'").await, 1);
    assert_eq!(count(&pool, "collection_audit_log").await, 2);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn both_spellings_of_a_name_are_one_document(pool: PgPool) {
    let state = state(&pool).await;
    let (composed, decomposed) = ("caf\u{e9}.txt", "cafe\u{301}.txt");
    receive(&state, vec![uploaded(COLLECTION, composed), uploaded(COLLECTION, decomposed)]).await;
    receive(&state, vec![uploaded(COLLECTION, decomposed)]).await;
    let items: Vec<(String, String)> =
        sqlx::query_as("SELECT uri, file_name FROM operation_items").fetch_all(&pool).await.unwrap();
    assert_eq!(items, [(format!("upload://{composed}"), composed.to_owned())]);
    let location: String =
        sqlx::query_scalar("SELECT location FROM operation_items").fetch_one(&pool).await.unwrap();
    assert_eq!(location, format!("uploads/{COLLECTION}/{decomposed}"), "the object's key as it is");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_that_was_uploaded_in_the_other_spelling_keeps_its_uri(pool: PgPool) {
    let state = state(&pool).await;
    let (composed, decomposed) = ("caf\u{e9}.txt", "cafe\u{301}.txt");
    sqlx::query(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size)
        SELECT gen_random_uuid(), id, $1, $2, $2, 1 FROM collections",
    )
    .bind(format!("upload://{decomposed}"))
    .bind(composed)
    .execute(&pool)
    .await
    .unwrap();
    receive(&state, vec![uploaded(COLLECTION, composed)]).await;
    let uri: String = sqlx::query_scalar("SELECT uri FROM operation_items").fetch_one(&pool).await.unwrap();
    assert_eq!(uri, format!("upload://{decomposed}"));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn uploads_are_not_limited_by_the_hourly_quota_of_operations(pool: PgPool) {
    let state = state(&pool).await;
    sqlx::raw_sql(
        "INSERT INTO collection_resource_limits (collection_id, max_operations_per_hour) SELECT id, 0 FROM collections",
    )
    .execute(&pool)
    .await
    .unwrap();
    receive(&state, vec![uploaded(COLLECTION, "a.txt")]).await;
    assert_eq!(count(&pool, "operations").await, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn uploads_to_deleted_and_unknown_collections_are_skipped(pool: PgPool) {
    let state = state(&pool).await;
    sqlx::raw_sql("UPDATE collections SET deleted_at = now()").execute(&pool).await.unwrap();
    let unknown = "00000000-0000-0000-0000-000000000002";
    receive(&state, vec![uploaded(COLLECTION, "a.txt"), uploaded(unknown, "a.txt")]).await;
    assert_eq!(count(&pool, "operations").await, 0);
    assert_eq!(count(&pool, "collection_sources").await, 0);
}
