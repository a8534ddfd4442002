//! The servers, and the process that handles the messages of all stages.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use artifacts::ArtifactStore;
use db::Db;
use lambda::StageError;
use queue::Queues;
use serde_json::json;
use sqlx::PgPool;
use tempfile::TempDir;
use vectors::VectorDatabase;

use crate::aws::{Aws, BUCKET, Message};
use crate::life::Life;
use crate::process::{Model, Process, write_model};
use crate::qdrant::Engine;

/// The servers, and the process that handles messages: a new one after each death. The clients of the tests
/// themselves are not counted.
pub(crate) struct Pipeline {
    pub(crate) pool: PgPool,
    pub(crate) db: Db,
    pub(crate) queues: Queues,
    pub(crate) artifacts: ArtifactStore,
    pub(crate) aws: Aws,
    engine: Engine,
    models: PathBuf,
    /// The model, the same in every process.
    pub(crate) model: Arc<Model>,
    /// How often each message was delivered.
    deliveries: Mutex<HashMap<usize, u32>>,
    process: Mutex<Arc<Process>>,
    messages: AtomicUsize,
    deaths: AtomicUsize,
    _folders: [TempDir; 2],
}

impl Pipeline {
    pub(crate) async fn start(pool: &PgPool) -> Self {
        let aws = Aws::new(false);
        let [storage, models] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        write_model(models.path());
        let engine = Engine::start(storage.path()).await;
        let model = Arc::<Model>::default();
        let process = Process::start(pool, &aws, &engine, models.path(), &model);
        let sdk = aws.sdk_config(&Arc::new(Life::new()));
        Self {
            pool: pool.clone(),
            db: Db::from_pool(pool.clone()),
            queues: Queues::new(&sdk, Aws::queue_urls()),
            artifacts: ArtifactStore::new(&sdk, BUCKET),
            aws,
            engine,
            models: models.path().to_owned(),
            model,
            deliveries: Mutex::default(),
            process: Mutex::new(Arc::new(process)),
            messages: AtomicUsize::new(0),
            deaths: AtomicUsize::new(0),
            _folders: [storage, models],
        }
    }

    /// Forgets all objects and messages.
    pub(crate) fn clear(&self) {
        self.aws.clear();
        self.deliveries.lock().unwrap().clear();
    }

    /// Has a stage handle a message; it dies before its call of number `calls`. Returns whether the message
    /// is done with: not if the stage died or returned a retryable error.
    pub(crate) async fn handle(&self, message: &Message, calls: Option<u32>) -> bool {
        self.messages.fetch_add(1, Ordering::Relaxed);
        let process = self.process();
        let receive_count =
            *self.deliveries.lock().unwrap().entry(message.id).and_modify(|n| *n += 1).or_insert(1);
        match process.life.run(calls, process.dispatch(message, receive_count)).await {
            Some(Ok(())) => true,
            Some(Err(error)) => !error.is_retryable(),
            None => {
                self.deaths.fetch_add(1, Ordering::Relaxed);
                process.bury().await;
                let next = Process::start(&self.pool, &self.aws, &self.engine, &self.models, &self.model);
                *self.process.lock().unwrap() = Arc::new(next);
                false
            }
        }
    }

    /// Has intake handle a notification of the bucket.
    pub(crate) async fn notify(&self, notification: intake::Notification) -> Result<(), StageError> {
        self.process().notify(notification).await
    }

    /// Runs sweep as the clock does.
    pub(crate) async fn sweep(&self) {
        let done = self.process().sweep(json!({})).await;
        assert_eq!(done["failed_steps"], json!([]), "{done}");
    }

    /// Has sweep receive a message from a dead-letter queue.
    pub(crate) async fn take_dead_letter(&self, message: &Message) {
        let record = json!({
            "messageId": message.id.to_string(), "body": message.body, "eventSourceARN": message.queue,
        });
        let done = self.process().sweep(json!({"Records": [record]})).await;
        assert_eq!(done["batchItemFailures"], json!([]), "{done}");
    }

    /// Qdrant, as the tests themselves see it.
    pub(crate) fn vectors(&self) -> &VectorDatabase {
        &self.engine.vectors
    }

    /// The numbers of messages that were handled and of processes that died.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.messages.load(Ordering::Relaxed), self.deaths.load(Ordering::Relaxed))
    }

    fn process(&self) -> Arc<Process> {
        Arc::clone(&self.process.lock().unwrap())
    }
}
