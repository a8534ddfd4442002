//! The shipped stages, each with its state, and the servers that they share.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use artifacts::ArtifactStore;
use connectors::{Connectors, SourcePolicy};
use db::Db;
use domain::IndexSettings;
use embed::ChunkEmbedder;
use embedding::EmbeddingError;
use lambda::StageError;
use lambda::event::Invocation;
use lambda::sqs::Delivery;
use models::ModelRegistry;
use queue::Queues;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use sweep::StallTimeouts;
use tempfile::TempDir;
use vectors::VectorDatabase;

use crate::aws::{Aws, BUCKET, Message};
use crate::life::Life;
use crate::qdrant;

/// The model that the collections use.
pub(crate) const MODEL: &str = "model";
const DIMENSION: usize = 4;

/// The stages and what they share. Connections of the tests themselves do not count as calls of a stage.
pub(crate) struct Pipeline {
    pub(crate) pool: PgPool,
    pub(crate) db: Db,
    pub(crate) queues: Queues,
    pub(crate) vectors: VectorDatabase,
    pub(crate) aws: Aws,
    life: Arc<Life>,
    messages: AtomicUsize,
    intake: Arc<intake::State>,
    scan: Arc<scan::State>,
    chunk: Arc<chunk::State>,
    embed: Arc<embed::State>,
    sweep: Arc<sweep::State>,
    _folders: [TempDir; 2],
}

impl Pipeline {
    pub(crate) async fn start(pool: &PgPool) -> Self {
        let life = Arc::new(Life::new());
        let aws = Aws::new(Arc::clone(&life));
        let [storage, models] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        write_model(models.path());
        let registry = || ModelRegistry::open(models.path()).unwrap();
        let vectors = qdrant::start(Arc::clone(&life), storage.path()).await;
        let db = Db::from_pool(counting_pool(pool, &life).await);
        let sdk = aws.sdk_config();
        let artifacts = ArtifactStore::new(&sdk, BUCKET);
        let queues = Queues::new(&sdk, Aws::queue_urls());
        let sources = SourcePolicy { directory_roots: Vec::new(), staging_bucket: BUCKET.to_owned() };
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
                connectors: Connectors::new(&sdk, sources),
                queues: queues.clone(),
                vectors: vectors.clone(),
                models: registry(),
                reindex_grace: Duration::from_secs(86_400),
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
                artifacts,
                queues: queues.clone(),
                vectors: vectors.clone(),
                embedder: Arc::new(ByteEmbedder),
            }),
            sweep: Arc::new(sweep::State {
                db: db.clone(),
                queues: queues.clone(),
                vectors: vectors.clone(),
                stall_timeouts: StallTimeouts {
                    pending: at_once,
                    listing: at_once,
                    item: at_once,
                    queued_item: at_once,
                    unpurged: at_once,
                    expired_upload: at_once,
                },
                embed_jobs: None,
            }),
            pool: pool.clone(),
            db,
            queues,
            vectors,
            aws,
            life,
            messages: AtomicUsize::new(0),
            _folders: [storage, models],
        }
    }

    /// Has a stage handle a message; it dies before its call of number `calls`. Returns whether the message
    /// is done with: not if the stage died or returned a retryable error.
    pub(crate) async fn handle(&self, message: &Message, calls: Option<u32>) -> bool {
        self.messages.fetch_add(1, Ordering::Relaxed);
        match self.life.run(calls, self.dispatch(message)).await {
            Some(Ok(())) => true,
            Some(Err(error)) => !error.is_retryable(),
            None => false,
        }
    }

    async fn dispatch(&self, message: &Message) -> Result<(), StageError> {
        let body = message.body.as_str();
        match message.queue.as_str() {
            "intake" => {
                let notification = serde_json::from_str(body).unwrap();
                self.notify(notification).await
            }
            "scan" => {
                let work = serde_json::from_str(body).unwrap();
                scan::handle(Arc::clone(&self.scan), work, delivery(message)).await
            }
            "chunk" => {
                let work = serde_json::from_str(body).unwrap();
                chunk::handle(Arc::clone(&self.chunk), work, delivery(message)).await
            }
            "embed" => {
                let work = vec![serde_json::from_str(body).unwrap()];
                embed::handle(Arc::clone(&self.embed), work, invocation()).await.remove(0)
            }
            other => panic!("no stage consumes {other}"),
        }
    }

    /// Has intake handle a notification of the bucket.
    pub(crate) async fn notify(&self, notification: intake::Notification) -> Result<(), StageError> {
        intake::handle(Arc::clone(&self.intake), vec![notification], invocation()).await.remove(0)
    }

    /// Runs sweep as the clock does.
    pub(crate) async fn sweep(&self) {
        let done = sweep::handle(Arc::clone(&self.sweep), json!({}), invocation()).await.unwrap();
        assert_eq!(done["failed_steps"], json!([]), "{done}");
    }

    /// Has sweep receive a message from a dead-letter queue.
    pub(crate) async fn take_dead_letter(&self, message: &Message) {
        let record = json!({
            "messageId": message.id.to_string(), "body": message.body, "eventSourceARN": message.queue,
        });
        let event = json!({"Records": [record]});
        let done = sweep::handle(Arc::clone(&self.sweep), event, invocation()).await.unwrap();
        assert_eq!(done["batchItemFailures"], json!([]), "{done}");
    }

    /// The numbers of messages that were handled and of processes that died.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.messages.load(Ordering::Relaxed), self.life.deaths())
    }
}

/// A pool of the same database in which taking a connection counts as a call.
async fn counting_pool(pool: &PgPool, life: &Arc<Life>) -> PgPool {
    let (taken, made) = (Arc::clone(life), Arc::clone(life));
    PgPoolOptions::new()
        .max_connections(8)
        .test_before_acquire(false)
        .before_acquire(move |_, _| {
            let life = Arc::clone(&taken);
            Box::pin(async move {
                life.step().await;
                Ok(true)
            })
        })
        .after_connect(move |_, _| {
            let life = Arc::clone(&made);
            Box::pin(async move {
                life.step().await;
                Ok(())
            })
        })
        .connect_lazy_with((*pool.connect_options()).clone())
}

fn delivery(message: &Message) -> Delivery {
    Delivery {
        message_id: message.id.to_string(),
        receive_count: 1,
        receipt_handle: message.id.to_string(),
        queue_arn: message.queue.clone(),
        invocation: invocation(),
    }
}

fn invocation() -> Invocation {
    Invocation::lasting(Duration::from_secs(600))
}

/// A model folder without a graph: a manifest and a tokenizer that counts words.
fn write_model(models: &Path) {
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
#[derive(Debug)]
struct ByteEmbedder;

impl ChunkEmbedder for ByteEmbedder {
    fn embed(
        &self,
        _: &IndexSettings,
        texts: &[&str],
        _: &AtomicBool,
    ) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let vector = |text: &&str| {
            let mut vector = vec![1.0; DIMENSION];
            for (position, byte) in text.bytes().enumerate() {
                vector[position % DIMENSION] += f32::from(byte);
            }
            vector
        };
        Ok(texts.iter().map(vector).collect())
    }

    fn warm_up(&self) -> Result<(), EmbeddingError> {
        Ok(())
    }
}
