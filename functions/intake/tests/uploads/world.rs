//! A collection with its owner and a writer, a bucket, and the function.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use artifacts::ArtifactStore;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use db::Db;
use intake::{Notification, State, handle};
use lambda::event::Invocation;
use queue::{QueueUrls, Queues};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::bucket::{BUCKET, Bucket, ENDPOINT, Object};

pub const COLLECTION: &str = "00000000-0000-0000-0000-000000000001";
/// The owner of the collection, and a user with write access.
pub const OWNER: i64 = 1;
pub const WRITER: i64 = 2;

pub struct World {
    pub pool: PgPool,
    pub bucket: Bucket,
    pub state: Arc<State>,
    start: DateTime<Utc>,
    seconds: AtomicI64,
}

/// An event of the bucket.
pub struct Event {
    body: Value,
}

impl World {
    pub async fn new(pool: PgPool) -> Self {
        sqlx::raw_sql(
            "INSERT INTO users (username, email, hashed_password)
                VALUES ('ada', 'ada@example.org', 'x'), ('grace', 'grace@example.org', 'x');
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
                VALUES ('00000000-0000-0000-0000-000000000001', 'notes', 1, 'v', 'm', 256, 51);
            INSERT INTO collection_permissions (collection_id, user_id, permission)
                VALUES ('00000000-0000-0000-0000-000000000001', 2, 'write')",
        )
        .execute(&pool)
        .await
        .unwrap();
        let bucket = Bucket::default();
        let sdk = bucket.sdk_config();
        let scan = Some(format!("{ENDPOINT}/000000000000/scan"));
        let state = Arc::new(State {
            db: Db::from_pool(pool.clone()),
            artifacts: ArtifactStore::new(&sdk, BUCKET),
            queues: Queues::new(&sdk, QueueUrls { scan, ..QueueUrls::default() }),
        });
        Self { pool, bucket, state, start: Utc::now().trunc_subsecs(0), seconds: AtomicI64::new(0) }
    }

    /// The time of the next step: one second after the one before.
    fn tick(&self) -> DateTime<Utc> {
        self.start + TimeDelta::seconds(self.seconds.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Announces 12 bytes of text. Returns the upload's id.
    pub async fn announce(&self, name: &str, user: i64) -> Uuid {
        let id = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO uploads (id, collection_id, user_id, name, object_key, size_bytes, content_type, expires_at,
                created_at, attributes)
            SELECT $1, id, $2, $3, $4, 12, 'text/plain', now() + interval '15 min', $5, '{\"topic\": \"tides\"}'
            FROM collections",
        )
        .bind(id)
        .bind(user)
        .bind(name)
        .bind(announced_key(id))
        .bind(self.tick())
        .execute(&self.pool)
        .await
        .unwrap();
        id
    }

    /// PUTs the file of an announced upload, as its presigned URL asks for.
    pub fn put_announced(&self, id: Uuid, etag: &str) -> Event {
        self.put(&announced_key(id), etag, Some(id))
    }

    /// Copies a file into the bucket.
    pub fn drop_file(&self, name: &str, etag: &str) -> Event {
        self.put(&drop_key(name), etag, None)
    }

    pub fn put(&self, key: &str, etag: &str, upload_id: Option<Uuid>) -> Event {
        let now = self.tick();
        let object = Object {
            size: 12,
            etag: etag.to_owned(),
            content_type: "text/plain".to_owned(),
            upload_id: upload_id.map(|id| id.to_string()),
            modified: now,
            is_denied: false,
        };
        self.bucket.put(key, object);
        Event::new("ObjectCreated:Put", key, Some(etag), now)
    }

    /// Deletes a file from the bucket.
    pub fn remove(&self, name: &str) -> Event {
        self.bucket.delete(&drop_key(name));
        Event::new("ObjectRemoved:Delete", &drop_key(name), None, self.tick())
    }

    /// Delivers these events in one invocation.
    pub async fn deliver(&self, events: &[&Event]) {
        self.receive(events.iter().map(|event| event.message()).collect()).await;
    }

    pub async fn check(&self, ids: &[Uuid]) {
        self.receive(vec![serde_json::from_value(json!({ "check_uploads": ids })).unwrap()]).await;
    }

    pub async fn receive(&self, messages: Vec<Notification>) {
        let invocation = Invocation::lasting(Duration::from_secs(60));
        for result in handle(Arc::clone(&self.state), messages, invocation).await {
            result.unwrap();
        }
    }

    pub async fn sql(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.pool).await.unwrap();
    }

    pub async fn count(&self, what: &'static str) -> i64 {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {what}"));
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    /// The status of an upload, with the reason if it was refused.
    pub async fn status(&self, id: Uuid) -> (String, String) {
        sqlx::query_as("SELECT status::text, coalesce(reason, '') FROM uploads WHERE id = $1")
            .bind(id)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// The work lists: location and metadata of each listed item.
    pub async fn listed(&self) -> Vec<(String, Option<Value>)> {
        sqlx::query_as("SELECT location, attributes FROM operation_items WHERE state = 'listed' ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// URI and file name of each item.
    pub async fn names(&self) -> Vec<(String, String)> {
        sqlx::query_as("SELECT uri, file_name FROM operation_items ORDER BY id")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// Ends all operations as if scan had indexed their items; announced objects are deleted.
    pub async fn index(&self) {
        let announced: Vec<String> = sqlx::query_scalar(
            "SELECT location FROM operation_items WHERE state = 'listed' AND location LIKE 'announced/%'",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        for key in announced {
            self.bucket.delete(&key);
        }
        self.sql(
            "INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, status, source_metadata)
            SELECT gen_random_uuid(), o.collection_id, o.source_id, i.uri, i.uri, i.file_name, 12, 'completed',
                jsonb_build_object('location', i.location)
            FROM operation_items i JOIN operations o ON o.id = i.operation_id
            WHERE i.state = 'listed' AND NOT i.is_removal
                AND NOT EXISTS (SELECT FROM documents d WHERE d.collection_id = o.collection_id AND d.uri = i.uri);
            UPDATE documents d SET source_metadata = jsonb_build_object('location', i.location), is_stale = FALSE,
                status = 'completed', deleted_at = NULL, deletion_reason = NULL
            FROM operation_items i WHERE i.state = 'listed' AND NOT i.is_removal AND i.uri = d.uri;
            UPDATE uploads u SET holds_object = FALSE FROM operation_items i
                WHERE i.state = 'listed' AND i.location = u.object_key;
            UPDATE operation_items SET state = 'completed' WHERE state = 'listed';
            UPDATE operations SET status = 'completed', completed_at = now() WHERE status = 'pending'",
        )
        .await;
    }

    /// Deletes all documents as a user does through the API.
    pub async fn delete_documents(&self) {
        sqlx::query("UPDATE documents SET status = 'deleted', deleted_at = $1, deletion_reason = 'user'")
            .bind(self.tick())
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Deletes one document as a user does through the API.
    pub async fn delete_document(&self, name: &str) {
        sqlx::query(
            "UPDATE documents SET status = 'deleted', deleted_at = $1, deletion_reason = 'user'
            WHERE uri = 'upload://' || $2",
        )
        .bind(self.tick())
        .bind(name)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Restores a document as a user does through the API.
    pub async fn restore_document(&self, name: &str) {
        sqlx::query(
            "UPDATE documents SET status = 'completed', deleted_at = NULL, deletion_reason = NULL
            WHERE uri = 'upload://' || $1",
        )
        .bind(name)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Id and status of each upload, in the order of their announcement.
    pub async fn statuses(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT id::text || ' ' || status::text FROM uploads ORDER BY created_at, id")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    /// The location of each listed item, by the name of its document.
    pub async fn locations(&self) -> BTreeMap<String, String> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT substr(uri, 10), location FROM operation_items WHERE state = 'listed' AND NOT is_removal",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        rows.into_iter().collect()
    }

    /// The location of each document that is not deleted, by its name.
    pub async fn documents(&self) -> BTreeMap<String, String> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT substr(uri, 10), source_metadata ->> 'location' FROM documents WHERE status <> 'deleted'",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap();
        rows.into_iter().collect()
    }
}

impl Event {
    fn new(name: &str, key: &str, etag: Option<&str>, at: DateTime<Utc>) -> Self {
        let mut object = json!({ "key": key.replace(' ', "+") });
        if let Some(etag) = etag {
            object["size"] = json!(12);
            object["eTag"] = json!(etag);
        }
        let body = json!({
            "eventName": name,
            "eventTime": at,
            "s3": { "bucket": { "name": BUCKET }, "object": object },
        });
        Self { body }
    }

    pub fn message(&self) -> Notification {
        serde_json::from_value(json!({ "Records": [self.body] })).unwrap()
    }
}

pub fn announced_key(id: Uuid) -> String {
    format!("announced/{COLLECTION}/{id}")
}

pub fn drop_key(name: &str) -> String {
    format!("uploads/{COLLECTION}/{name}")
}
