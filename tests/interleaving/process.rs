//! A process: the shipped stages, with clients of their own, in one life.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use artifacts::ArtifactStore;
use auth::{ConnectorKeys, SecretCipher};
use connectors::{Connectors, SourcePolicy};
use db::Db;
use domain::IndexSettings;
use egress::{Egress, EgressConfig, EgressPolicy};
use embed::ChunkEmbedder;
use embedding::EmbeddingError;
use lambda::StageError;
use lambda::event::Invocation;
use lambda::sqs::{Delivery, Received};
use models::ModelRegistry;
use queue::Queues;
use serde_json::{Value, json};
use sqlx::PgPool;
use sweep::StallTimeouts;
use vectors::IndexStorage;

use crate::aws::{Aws, BUCKET, Message};
use crate::life::{Life, counting_pool};
use crate::qdrant::{Engine, Proxy};

/// The model that the collections use.
pub(crate) const MODEL: &str = "model";
const DIMENSION: usize = 4;

/// How often a dead process's connections are looked at until the server has handled what they had sent.
const POLL: Duration = Duration::from_millis(1);

pub(crate) struct Process {
    pub(crate) life: Arc<Life>,
    pool: PgPool,
    intake: Arc<intake::State>,
    scan: Arc<scan::State>,
    chunk: Arc<chunk::State>,
    embed: Arc<embed::State>,
    sweep: Arc<sweep::State>,
    model: Arc<Model>,
    _qdrant: Proxy,
}

impl Process {
    pub(crate) fn start(
        database: &PgPool,
        aws: &Aws,
        engine: &Engine,
        models: &Path,
        model: &Arc<Model>,
    ) -> Self {
        let life = Arc::new(Life::new());
        let registry = || ModelRegistry::open(models).unwrap();
        let pool = counting_pool(database, &life);
        let db = Db::from_pool(pool.clone());
        let sdk = aws.sdk_config(&life);
        let artifacts = ArtifactStore::new(&sdk, BUCKET);
        let queues = Queues::new(&sdk, Aws::queue_urls());
        let qdrant = engine.connect(&life);
        let vectors = qdrant.vectors.clone();
        let sources = SourcePolicy::new(Vec::new(), BUCKET, None, &[]);
        let egress = Egress::new(EgressConfig::new(EgressPolicy::default())).unwrap();
        let at_once = Duration::ZERO;
        Self {
            intake: Arc::new(intake::State {
                db: db.clone(),
                artifacts: artifacts.clone(),
                queues: queues.clone(),
            }),
            scan: Arc::new(scan::State {
                db: db.clone(),
                artifacts: artifacts.clone(),
                connectors: Connectors::new(&sdk, egress, sources),
                secrets: ConnectorKeys::fixed(SecretCipher::default()),
                queues: queues.clone(),
                vectors: vectors.clone(),
                models: registry(),
                index_storage: IndexStorage::default(),
                reindex_grace: Duration::from_secs(86_400),
                // So that most operations have more.
                max_items_under_way: 2,
            }),
            chunk: Arc::new(chunk::State {
                db: db.clone(),
                artifacts: artifacts.clone(),
                queues: queues.clone(),
                models: registry(),
                tokens: Default::default(),
            }),
            embed: Arc::new(embed::State {
                db: db.clone(),
                artifacts: artifacts.clone(),
                queues: queues.clone(),
                vectors: vectors.clone(),
                embedder: Arc::clone(model) as Arc<dyn ChunkEmbedder>,
                pace: Arc::default(),
            }),
            sweep: Arc::new(sweep::State {
                has_recognize: false,
                db,
                queues,
                artifacts,
                vectors,
                deleted_document_retention: Duration::from_secs(30 * 86_400),
                integrity_interval: Duration::from_secs(86_400),
                stall_timeouts: StallTimeouts {
                    pending: at_once,
                    listing: at_once,
                    item: at_once,
                    overtaken_item: at_once,
                    queued_item: at_once,
                    unpurged: at_once,
                    expired_upload: at_once,
                },
                embed_jobs: None,
            }),
            model: Arc::clone(model),
            life,
            pool,
            _qdrant: qdrant,
        }
    }

    /// Has the stage that consumes the message's queue handle it.
    pub(crate) async fn dispatch(&self, message: &Message, receive_count: u32) -> Result<(), StageError> {
        let body = message.body.as_str();
        match message.queue.as_str() {
            "intake" => {
                let notification = serde_json::from_str(body).unwrap();
                self.notify(notification).await
            }
            "scan" => {
                let work = serde_json::from_str(body).unwrap();
                // On the heap: the stack of a test is small.
                Box::pin(scan::handle(Arc::clone(&self.scan), work, delivery(message, receive_count))).await
            }
            "chunk" => {
                let work = serde_json::from_str(body).unwrap();
                Box::pin(chunk::handle(Arc::clone(&self.chunk), work, delivery(message, receive_count))).await
            }
            "embed" => {
                let received = Received {
                    message: serde_json::from_str(body).unwrap(),
                    delivery: delivery(message, receive_count),
                };
                let invocation = Invocation::lasting(self.model.time_limit());
                Box::pin(embed::handle(Arc::clone(&self.embed), vec![received], invocation)).await.remove(0)
            }
            other => panic!("no stage consumes {other}"),
        }
    }

    /// Has intake handle a notification of the bucket.
    pub(crate) async fn notify(&self, notification: intake::Notification) -> Result<(), StageError> {
        Box::pin(intake::handle(Arc::clone(&self.intake), vec![notification], invocation())).await.remove(0)
    }

    /// Has sweep handle an event.
    pub(crate) async fn sweep(&self, event: Value) -> Value {
        Box::pin(sweep::handle(Arc::clone(&self.sweep), event, invocation())).await.unwrap()
    }

    /// Waits until the servers have handled every call that the process had sent before it died: its last
    /// statement may commit after its death. The pool pings a connection that was dropped in the middle of a
    /// statement before it is idle again.
    pub(crate) async fn bury(&self) {
        self.life.wait_until_served().await;
        while self.pool.num_idle() < self.pool.size() as usize {
            tokio::time::sleep(POLL).await;
        }
        self.pool.close().await;
    }
}

fn delivery(message: &Message, receive_count: u32) -> Delivery {
    Delivery {
        message_id: message.id.to_string(),
        receive_count,
        receipt_handle: message.id.to_string(),
        queue_arn: message.queue.clone(),
        invocation: invocation(),
    }
}

fn invocation() -> Invocation {
    Invocation::lasting(Duration::from_secs(600))
}

/// A model folder without a graph: a manifest and a tokenizer that counts words.
pub(crate) fn write_model(models: &Path) {
    let folder = models.join(MODEL);
    std::fs::create_dir(&folder).unwrap();
    let manifest = json!({
        "name": MODEL, "short_name": MODEL, "dimension": DIMENSION, "max_tokens": 64, "special_tokens": 0,
        "pooling": "mean", "normalize": true,
    });
    let tokenizer: Value = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "decoder": null,
        "normalizer": null, "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null,
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
    });
    std::fs::write(folder.join("model.json"), manifest.to_string()).unwrap();
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
}

/// Sums of a text's bytes, as a vector: equal texts have equal vectors.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// How long it takes for a text, in milliseconds.
    pub(crate) text_ms: AtomicU64,
    /// The time limit of the function that runs it, in milliseconds; 0 for ten minutes.
    pub(crate) limit_ms: AtomicU64,
    /// How many texts it has embedded.
    pub(crate) texts: AtomicU64,
}

impl Model {
    pub(crate) fn time_limit(&self) -> Duration {
        match self.limit_ms.load(Ordering::Relaxed) {
            0 => Duration::from_secs(600),
            limit => Duration::from_millis(limit),
        }
    }
}

impl ChunkEmbedder for Model {
    fn embed(
        &self,
        _: &IndexSettings,
        texts: &[&str],
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        let vector = |text: &&str| {
            if should_stop() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(self.text_ms.load(Ordering::Relaxed)));
            self.texts.fetch_add(1, Ordering::Relaxed);
            let mut vector = vec![1.0; DIMENSION];
            for (position, byte) in text.bytes().enumerate() {
                vector[position % DIMENSION] += f32::from(byte);
            }
            Some(vector)
        };
        Ok(texts.iter().map(vector).collect())
    }

    fn warm_up(&self) -> Result<(), EmbeddingError> {
        Ok(())
    }
}
