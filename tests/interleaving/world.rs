//! A collection, what clients do with it, and what happens to the messages of its operations.

use std::collections::BTreeMap;

use chrono::{TimeDelta, Utc};
use db::Tx;
use db::uploads::{NewUpload, UploadDocument};
use dispatch::{Initiator, LockedCollection, Queued, StartOperation, lock_collection, lock_operation};
use domain::{
    Actor, ArtifactKey, CollectionId, DocumentId, Generation, OperationId, OperationType, UploadId, UserId,
    document_id,
};
use serde_json::json;
use sqlx::Row;
use uuid::Uuid;

use crate::aws::{ANNOUNCED_TYPE, BUCKET, etag};
use crate::bytes::{Bytes, CHUNK_SIZE};
use crate::pipeline::Pipeline;
use crate::process::MODEL;
use crate::{Action, Fate};

/// The names of the files.
pub(crate) const NAMES: [&str; 5] = ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"];

/// Rounds of deliveries after which everything must have ended.
const MAX_ROUNDS: usize = 200;

pub(crate) struct World<'a> {
    pub(crate) pipeline: &'a Pipeline,
    pub(crate) collection_id: CollectionId,
    /// Its Qdrant collection.
    pub(crate) index: String,
    user_id: UserId,
    /// Operations and items that have ended, with how.
    pub(crate) ended: BTreeMap<String, String>,
}

impl<'a> World<'a> {
    /// Creates a collection, and deletes what earlier histories left.
    pub(crate) async fn new(pipeline: &'a Pipeline) -> Self {
        pipeline.clear();
        let earlier: Vec<String> = sqlx::query_scalar("DELETE FROM collections RETURNING vector_store_name")
            .fetch_all(&pipeline.pool)
            .await
            .unwrap();
        for index in earlier {
            pipeline.vectors().delete_index(&index).await.unwrap();
        }
        let name = Uuid::new_v4().to_string();
        let user_id: i64 = sqlx::query_scalar(
            "WITH owner AS (
                INSERT INTO users (username, email, hashed_password) VALUES ($1, $1 || '@example.org', 'x') RETURNING id
            )
            INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            SELECT $1::uuid, $1, id, $1, $2, $3, 0 FROM owner RETURNING owner_id",
        )
        .bind(&name)
        .bind(MODEL)
        .bind(CHUNK_SIZE)
        .fetch_one(&pipeline.pool)
        .await
        .unwrap();
        let collection_id = CollectionId(name.parse().unwrap());
        let mut world =
            Self { pipeline, collection_id, index: name, user_id: UserId(user_id), ended: BTreeMap::new() };
        world.run(OperationType::Index).await;
        world.settle().await.unwrap();
        world
    }

    /// Starts an operation without a work list.
    pub(crate) async fn run(&self, operation_type: OperationType) {
        let (queued, _) = self.start(self.lock().await, operation_type).await;
        self.commit(queued, true).await;
    }

    pub(crate) async fn act(&mut self, action: &Action) {
        match action {
            Action::Upload(files) => self.upload(files).await,
            Action::Deliver { place, fate } => {
                let count = self.pipeline.aws.messages().len();
                if count > 0 {
                    self.deliver(place % count, *fate).await;
                }
            }
            Action::Cancel { place } => self.cancel(*place).await,
            Action::Delete { name, is_lost, is_purge } => {
                self.delete(NAMES[*name], *is_lost, *is_purge).await
            }
            Action::Restore { name } => {
                let id = self.document(NAMES[*name]);
                let (mut queued, operation) =
                    self.start(self.lock().await, OperationType::RestoreDocuments).await;
                if queued.tx().documents().restore(id, operation).await.unwrap() {
                    self.commit(queued, true).await;
                }
            }
            Action::Retry => {
                let (mut queued, operation) =
                    self.start(self.lock().await, OperationType::RetryDocuments).await;
                if queued.tx().documents().retry(self.collection_id, None, operation, true).await.unwrap() > 0
                {
                    self.commit(queued, true).await;
                }
            }
            Action::Sweep => self.pipeline.sweep().await,
        }
    }

    /// Puts files into the bucket, which notifies intake: those of every second name as announced uploads, the
    /// others as drops.
    pub(crate) async fn upload(&mut self, files: &[(usize, Bytes)]) {
        let files: BTreeMap<usize, Bytes> = files.iter().copied().collect();
        let mut records = Vec::new();
        for (number, bytes) in files {
            let (name, content) = (NAMES[number], bytes.content());
            let key = match number % 2 {
                0 => self.upload_key(name),
                _ => self.announce(name, content.len()).await,
            };
            let (size, etag) = (content.len(), etag(&content));
            self.pipeline.aws.put_object(&key, content);
            records.push(json!({
                "eventName": "ObjectCreated:Put",
                "eventTime": Utc::now(),
                "s3": {"bucket": {"name": BUCKET}, "object": {"key": key, "size": size, "eTag": etag}},
            }));
        }
        let event = json!({"Records": records});
        self.pipeline.notify(serde_json::from_value(event).unwrap()).await.unwrap();
    }

    /// Announces a file. Returns the key that its presigned URL writes.
    async fn announce(&self, name: &str, size: usize) -> String {
        let id = UploadId(Uuid::now_v7());
        let key = ArtifactKey::Announced { collection_id: self.collection_id, upload_id: id }.path();
        let upload = NewUpload {
            id,
            collection_id: self.collection_id,
            announcer: Actor::user(self.user_id),
            name: name.to_owned(),
            object_key: key.clone(),
            size_bytes: size.try_into().unwrap(),
            content_type: ANNOUNCED_TYPE.to_owned(),
            sha256: None,
            metadata: None,
            document: UploadDocument::default(),
            expires_at: Utc::now() + TimeDelta::minutes(15),
        };
        self.pipeline.db.connection().await.unwrap().uploads().insert_many(&[upload]).await.unwrap();
        key
    }

    /// Lets everything end: no more faults, and sweep runs when the queues are empty.
    pub(crate) async fn settle(&mut self) -> Result<(), String> {
        for _ in 0..MAX_ROUNDS {
            if self.pipeline.aws.messages().is_empty() {
                sqlx::query("UPDATE erasures SET due_at = now()").execute(&self.pipeline.pool).await.unwrap();
                self.pipeline.sweep().await;
            }
            let messages = self.pipeline.aws.messages();
            if messages.is_empty() && self.open_operations().await == 0 {
                return Ok(());
            }
            for message in messages {
                if self.pipeline.handle(&message, None).await {
                    self.pipeline.aws.delete_message(message.id);
                }
            }
        }
        let (open, messages) = (self.open_operations().await, self.pipeline.aws.messages());
        Err(format!("{open} operations never end, and these messages remain: {messages:?}"))
    }

    pub(crate) async fn count(&self, condition: &str) -> i64 {
        let counted = format!("SELECT count(*) FROM documents WHERE collection_id = $1 AND {condition}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(counted))
            .bind(self.collection_id.0)
            .fetch_one(&self.pipeline.pool)
            .await
            .unwrap()
    }

    /// Returns the staged bytes of a file's searchable generation.
    pub(crate) async fn staged_content(&self, name: &str) -> Option<Vec<u8>> {
        let (collection_id, document_id) = (self.collection_id, self.document(name));
        let generation = Generation(self.generation(name).await);
        self.pipeline.aws.object(&ArtifactKey::Raw { collection_id, document_id, generation }.path())
    }

    /// Returns a file's searchable generation.
    pub(crate) async fn generation(&self, name: &str) -> i32 {
        sqlx::query_scalar("SELECT generation FROM documents WHERE id = $1")
            .bind(self.document(name).0)
            .fetch_one(&self.pipeline.pool)
            .await
            .unwrap()
    }

    async fn deliver(&mut self, place: usize, fate: Fate) {
        let aws = &self.pipeline.aws;
        let message = aws.messages().swap_remove(place);
        match fate {
            Fate::Handled => {
                if self.pipeline.handle(&message, None).await {
                    aws.delete_message(message.id);
                }
            }
            Fate::Twice => {
                self.pipeline.handle(&message, None).await;
            }
            Fate::Dies(calls) => {
                self.pipeline.handle(&message, Some(calls)).await;
            }
            Fate::Lost => aws.delete_message(message.id),
            Fate::DeadLetter => {
                aws.delete_message(message.id);
                self.pipeline.take_dead_letter(&message).await;
            }
        }
    }

    async fn cancel(&mut self, place: usize) {
        let open: Vec<Uuid> = sqlx::query(
            "SELECT uuid FROM operations WHERE collection_id = $1 AND status IN ('pending', 'processing')
                AND type <> 'remove_documents' ORDER BY id",
        )
        .bind(self.collection_id.0)
        .fetch_all(&self.pipeline.pool)
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
        if open.is_empty() {
            return;
        }
        let id = OperationId(open[place % open.len()]);
        let tx = self.pipeline.db.begin().await.unwrap();
        let operation = lock_operation(tx, self.collection_id, id).await.unwrap().unwrap();
        operation.cancel(&self.pipeline.db, &self.pipeline.queues).await.unwrap();
    }

    async fn delete(&mut self, name: &str, is_lost: bool, is_purge: bool) {
        let id = self.document(name);
        let mut collection = self.lock().await;
        let is_deleted = collection.tx().documents().mark_deleted(id).await.unwrap();
        let actor = Actor::user(self.user_id);
        let is_requested = is_purge && collection.tx().documents().request_purge(id, actor).await.unwrap();
        if !is_deleted && !is_requested {
            return;
        }
        let pending = collection.tx().operations().lock_pending_removal(self.collection_id).await.unwrap();
        let (mut queued, operation) = match pending {
            Some(operation) => (collection.join(self.initiator(), operation), operation),
            None => self.start(collection, OperationType::RemoveDocuments).await,
        };
        queued.tx().operation_items().insert_removals(operation, &[id]).await.unwrap();
        self.commit(queued, !is_lost).await;
    }

    async fn lock(&self) -> LockedCollection<Tx> {
        lock_collection(self.pipeline.db.begin().await.unwrap(), self.collection_id).await.unwrap()
    }

    async fn start(
        &self,
        collection: LockedCollection<Tx>,
        operation_type: OperationType,
    ) -> (Queued<'static, Tx>, OperationId) {
        let operation = StartOperation { operation_type, initiator: self.initiator(), config: json!({}) };
        let (queued, operation) = collection.start(operation).await.unwrap();
        (queued, operation.id)
    }

    /// Commits an operation and sends its message, unless that is lost.
    async fn commit(&self, queued: Queued<'_, Tx>, is_sent: bool) {
        let committed = queued.audit("tested", &json!({})).await.unwrap();
        let committed = committed.commit(&self.pipeline.queues).await.unwrap();
        if is_sent {
            committed.dispatch(&self.pipeline.db, &self.pipeline.queues).await;
        }
    }

    fn initiator(&self) -> Initiator<'static> {
        Initiator::System { on_behalf_of: self.user_id }
    }

    pub(crate) fn upload_key(&self, name: &str) -> String {
        format!("uploads/{}/{name}", self.collection_id)
    }

    pub(crate) fn document(&self, name: &str) -> DocumentId {
        document_id(self.collection_id, &format!("upload://{name}"))
    }

    async fn open_operations(&self) -> i64 {
        let open = "SELECT count(*) FROM operations WHERE collection_id = $1 AND status IN ('pending', 'processing')";
        sqlx::query_scalar(open).bind(self.collection_id.0).fetch_one(&self.pipeline.pool).await.unwrap()
    }
}
