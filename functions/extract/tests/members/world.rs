//! A collection, its bucket and queues, and the extract function.

use std::io::{Cursor, Write};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use artifacts::ArtifactStore;
use db::Db;
use db::operations::{BatchChunks, ItemFailure, NewItem, NewOperation, StagedItem, StagingOutcome};
use domain::{
    ArtifactKey, ChunkDocument, CollectionId, ItemId, OperationId, OperationType, UserId, document_id,
};
use extract::{PARSE, State};
use lambda::StageError;
use lambda::event::Invocation;
use lambda::sqs::Delivery;
use queue::Queues;
use sandbox::Sandbox;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::aws::{Aws, BUCKET};
use crate::life::{Life, counting_pool};

/// An entry of the work list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub(crate) struct Entry {
    name: String,
    state: String,
    reason: Option<String>,
}

impl Entry {
    pub(crate) fn new(name: &str, state: &str, reason: Option<&str>) -> Self {
        Self { name: name.to_owned(), state: state.to_owned(), reason: reason.map(str::to_owned) }
    }
}

/// An archive whose members are compressed if that makes them smaller.
pub(crate) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let method = match content.len() {
            0..1000 => zip::CompressionMethod::Stored,
            _ => zip::CompressionMethod::Deflated,
        };
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(*name, options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub(crate) struct World {
    pool: PgPool,
    db: Db,
    aws: Aws,
    user_id: UserId,
    collection_id: CollectionId,
    operation_id: Mutex<OperationId>,
}

impl World {
    pub(crate) async fn new(pool: &PgPool) -> Self {
        let user_id: i64 = sqlx::query_scalar(
            "INSERT INTO users (username, email, hashed_password)
            VALUES (gen_random_uuid()::text, 'ada@example.org', 'x') RETURNING id",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        let collection_id: Uuid = sqlx::query_scalar(
            "INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            VALUES (gen_random_uuid(), 'notes', $1, 'store ' || $1, 'model', 256, 51) RETURNING id",
        )
        .bind(user_id)
        .fetch_one(pool)
        .await
        .unwrap();
        Self {
            pool: pool.clone(),
            db: Db::from_pool(pool.clone()),
            aws: Aws::new(true),
            user_id: UserId(user_id),
            collection_id: CollectionId(collection_id),
            operation_id: Mutex::new(OperationId(Uuid::nil())),
        }
    }

    fn operation_id(&self) -> OperationId {
        *self.operation_id.lock().unwrap()
    }

    /// Starts an operation with one document, stages it, and ends the listing. Returns its item.
    pub(crate) async fn start(&self, name: &str, bytes: Vec<u8>) -> ItemId {
        let mut connection = self.db.connection().await.unwrap();
        let source = connection.collection_sources().find_or_create_upload(self.collection_id).await.unwrap();
        let operation_id = OperationId(Uuid::new_v4());
        *self.operation_id.lock().unwrap() = operation_id;
        let new = NewOperation {
            id: operation_id,
            collection_id: self.collection_id,
            user_id: self.user_id,
            source_id: Some(source.id),
            operation_type: OperationType::Append,
            config: json!({}),
        };
        connection.operations().insert(&new).await.unwrap();
        let uri = format!("upload://{name}");
        let item = NewItem {
            uri: uri.clone(),
            location: format!("uploads/{}/{name}", self.collection_id),
            file_name: name.to_owned(),
            file_path: None,
            size_bytes: 1,
            mime_type: None,
            change_hint: None,
            url: None,
            title: None,
            metadata: None,
        };
        let mut items = connection.operation_items();
        items.insert_many(operation_id, &[item]).await.unwrap();
        assert!(connection.operations().claim(operation_id).await.unwrap());
        let mut items = connection.operation_items();
        let ids = items.list_undispatched(operation_id, ItemId(0), 10).await.unwrap();
        let staging = items.begin_staging(operation_id, &ids).await.unwrap().remove(0);
        let document_id = document_id(self.collection_id, &uri);
        let key = ArtifactKey::Raw {
            collection_id: self.collection_id,
            document_id,
            generation: staging.generation,
        };
        let staged = StagedItem {
            item_id: staging.id,
            collection_id: self.collection_id,
            source_id: Some(source.id),
            document_id,
            content_hash: Some(&operation_id.to_string()),
            size_bytes: i64::try_from(bytes.len()).unwrap(),
            mime_type: None,
            change_hint: None,
            outcome: &StagingOutcome::Staged,
        };
        assert!(items.mark_staged(&staged).await.unwrap());
        assert!(connection.operations().mark_scan_finished(operation_id).await.unwrap());
        self.aws.put_object(&key.path(), bytes);
        staging.id
    }

    /// Has extract handle the item's message, and die before its call of number `calls`, if there is one. Returns
    /// `None` if it died.
    pub(crate) async fn extract(
        &self,
        item_id: ItemId,
        calls: Option<u32>,
    ) -> Option<Result<(), StageError>> {
        let life = Arc::new(Life::new());
        let pool = counting_pool(&self.pool, &life);
        let sdk = self.aws.sdk_config(&life);
        let state = State {
            db: Db::from_pool(pool.clone()),
            artifacts: ArtifactStore::new(&sdk, BUCKET),
            queues: Queues::new(&sdk, Aws::queue_urls()),
            sandbox: Sandbox {
                executable: env!("CARGO_BIN_EXE_extract").into(),
                arguments: vec![PARSE.into()],
            },
            ocr: None,
            sends_to_recognize: false,
            pdfium_library: "libpdfium.so".into(),
        };
        let message = ChunkDocument { operation_id: self.operation_id(), item_id };
        let delivery = Delivery {
            message_id: "1".to_owned(),
            receive_count: 1,
            receipt_handle: "1".to_owned(),
            queue_arn: "extract".to_owned(),
            invocation: Invocation::lasting(Duration::from_secs(600)),
        };
        let work = Box::pin(extract::handle(Arc::new(state), message, delivery));
        let result = life.run(calls, work).await;
        // Its last statement may commit after its death.
        while pool.num_idle() < pool.size() as usize {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        pool.close().await;
        result
    }

    /// Indexes everything that is staged, and ends the operation and the item of the archive.
    pub(crate) async fn index_all(&self, archive: ItemId) {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT i.id FROM operation_items i JOIN operations o ON o.id = i.operation_id
            WHERE o.uuid = $1 AND i.state = 'staged' AND i.id <> $2",
        )
        .bind(self.operation_id().0)
        .bind(archive.0)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let mut connection = self.db.connection().await.unwrap();
        for id in ids {
            assert!(connection.operation_items().mark_chunked(ItemId(id), 1, 1, &[]).await.unwrap());
            connection
                .operation_items()
                .mark_batch_done(ItemId(id), 0, BatchChunks::default())
                .await
                .unwrap()
                .unwrap();
        }
        let failure = ItemFailure::Skipped { reason: "it holds files only".to_owned() };
        let mut tx = self.db.begin().await.unwrap();
        assert!(tx.operation_items().mark_failed(archive, &failure).await.unwrap());
        tx.commit().await.unwrap();
        let ended = connection.operations().complete_if_done(self.operation_id()).await.unwrap();
        assert!(ended.is_some());
        for message in self.aws.messages() {
            self.aws.delete_message(message.id);
        }
    }

    pub(crate) async fn request_cancel(&self) {
        let mut connection = self.db.connection().await.unwrap();
        assert!(connection.operations().request_cancel(self.operation_id()).await.unwrap());
    }

    /// The status of the operation.
    pub(crate) async fn status(&self) -> String {
        sqlx::query_scalar("SELECT status::text FROM operations WHERE uuid = $1")
            .bind(self.operation_id().0)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// The work list, by name.
    pub(crate) async fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = sqlx::query_as(
            "SELECT i.file_name AS name, i.state::text AS state, i.error_message AS reason
            FROM operation_items i JOIN operations o ON o.id = i.operation_id
            WHERE o.uuid = $1",
        )
        .bind(self.operation_id().0)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        entries.sort();
        entries
    }

    /// The names of the documents whose bytes are staged; of each object that has no row, its key.
    pub(crate) async fn raw_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for key in self.aws.keys() {
            if !key.starts_with("raw/") {
                continue;
            }
            let name: Option<String> = sqlx::query_scalar(
                "SELECT d.file_name FROM document_artifacts a JOIN documents d ON d.id = a.document_id
                WHERE a.object_key = $1",
            )
            .bind(&key)
            .fetch_optional(&self.pool)
            .await
            .unwrap();
            names.push(name.unwrap_or(key));
        }
        names.sort();
        names
    }

    /// The names of the items about which a stage has messages, each once.
    pub(crate) async fn sent_to(&self, stage: &str) -> Vec<String> {
        let mut ids: Vec<i64> = Vec::new();
        for message in self.aws.messages().into_iter().filter(|message| message.queue == stage) {
            let body: Value = serde_json::from_str(&message.body).unwrap();
            ids.extend(body["item_id"].as_i64());
            ids.extend(body["item_ids"].as_array().into_iter().flatten().filter_map(Value::as_i64));
        }
        let mut names: Vec<String> =
            sqlx::query_scalar("SELECT file_name FROM operation_items WHERE id = ANY ($1)")
                .bind(ids)
                .fetch_all(&self.pool)
                .await
                .unwrap();
        names.sort();
        names
    }
}
