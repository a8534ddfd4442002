//! A user, a collection, a source, and a queue that cannot be reached.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use db::{Db, Tx};
use dispatch::{Initiator, StartOperation};
use domain::{Actor, CollectionId, OperationId, OperationType, SourceId, UserId};
use lambda::http::ClientInfo;
use queue::{QueueUrls, Queues};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

/// No process listens on this port.
const UNREACHABLE: &str = "http://127.0.0.1:9";

pub const COLLECTION: CollectionId = CollectionId(Uuid::from_u128(1));
pub const USER: UserId = UserId(1);

pub struct Bench {
    pub pool: PgPool,
    pub db: Db,
    pub queues: Queues,
    pub source_id: SourceId,
    pub client: ClientInfo,
}

impl Bench {
    pub async fn new(pool: PgPool) -> Self {
        sqlx::raw_sql(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x');
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
                VALUES (lpad('1', 32, '0')::uuid, 'notes', 1, 'v', 'm', 256, 51);
            INSERT INTO collection_sources (collection_id, source_path, source_type)
                VALUES (lpad('1', 32, '0')::uuid, '/srv/docs', 'directory');",
        )
        .execute(&pool)
        .await
        .unwrap();
        let source_id =
            sqlx::query_scalar("SELECT id FROM collection_sources").fetch_one(&pool).await.unwrap();
        let credentials = Credentials::new("test", "test", None, None, "test");
        let sdk = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(UNREACHABLE)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let scan = Some(format!("{UNREACHABLE}/000000000000/scan"));
        Self {
            db: Db::from_pool(pool.clone()),
            queues: Queues::new(&sdk, QueueUrls { scan, ..QueueUrls::default() }),
            source_id: SourceId(source_id),
            client: ClientInfo {
                ip_address: Some("192.0.2.7".to_owned()),
                user_agent: Some("tests/1.0".to_owned()),
                request_id: "request-1".to_owned(),
            },
            pool,
        }
    }

    pub async fn begin(&self) -> Tx {
        self.db.begin().await.unwrap()
    }

    pub fn caller(&self) -> Initiator<'_> {
        Initiator::Caller { actor: Actor::user(USER), client: &self.client }
    }

    /// An operation of this type that a caller starts.
    pub fn requested(&self, operation_type: OperationType) -> StartOperation<'_> {
        StartOperation { operation_type, initiator: self.caller(), config: json!({}) }
    }

    /// An append operation of the source that has listed everything and could end.
    pub async fn insert_finished_reading(&self) -> OperationId {
        let id: Uuid = sqlx::query_scalar(
            "INSERT INTO operations (uuid, collection_id, user_id, source_id, type, status, started_at, scan_finished_at)
            SELECT gen_random_uuid(), collection_id, 1, id, 'append', 'processing', now(), now()
            FROM collection_sources RETURNING uuid",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        OperationId(id)
    }

    pub async fn count(&self, what: &'static str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub async fn sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    /// The operations that sweep would dispatch now.
    pub async fn left_to_sweep(&self) -> Vec<OperationId> {
        let mut connection = self.db.connection().await.unwrap();
        connection.operations().list_overdue(Duration::ZERO, Duration::ZERO, 100).await.unwrap()
    }

    /// Returns when so many sessions of this database wait for a lock.
    pub async fn until_waiting(&self, sessions: i64) {
        for _ in 0..1000 {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&self.pool)
            .await
            .unwrap();
            if waiting == sessions {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{sessions} sessions never waited for a lock at the same time");
    }
}
