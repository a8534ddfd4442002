//! Configuration of the scan function, read from environment variables.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use db::DbConfig;
use egress::{EgressConfig, EgressPolicy};
use lambda::env::{self, EnvError};
use secrets::SecretSource;
use vectors::{IndexStorage, OnDisk, VectorsConfig};

/// Settings of the scan function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `QDRANT_URL`, `QDRANT_SECRET_ARN` (optional).
    pub vectors: VectorsConfig,
    /// How Qdrant keeps new indexes. `QDRANT_SHARDS`: 0, the default, for one shard per node; `QDRANT_REPLICAS`, default 1;
    /// `QDRANT_WRITE_CONSISTENCY`, at most the replicas, default 1; `QDRANT_ON_DISK`: `none`, the default, `vectors` or
    /// `all`; `QDRANT_SCALAR_QUANTIZATION`: default false.
    pub index_storage: IndexStorage,
    /// `STAGING_BUCKET`: holds uploads and raw documents.
    pub staging_bucket: String,
    /// `SCAN_QUEUE_URL`: receives items to stage, and work that another invocation continues.
    pub scan_queue_url: String,
    /// `NOTIFY_QUEUE_URL`: receives what webhooks are notified of the end of an operation.
    pub notify_queue_url: String,
    /// `CHUNK_QUEUE_URL`: receives one message per staged document.
    pub chunk_queue_url: String,
    /// `DIRECTORY_ROOTS`: the directories that file and directory sources must be in, separated by colons;
    /// default none.
    pub directory_roots: Vec<PathBuf>,
    /// `PROTECTED_BUCKETS`: buckets that no source reads besides those of documents and models, separated by
    /// commas; default none.
    pub protected_buckets: Vec<String>,
    /// `CONNECTOR_SECRET_ARN`: decrypts the secrets of sources. Else `CONNECTOR_SECRETS_KEYS`. Default none: sources with secrets cannot
    /// be read.
    pub connector_secret: Option<SecretSource>,
    /// `EGRESS_ALLOW`: what sources reach besides public addresses, default nothing; see [`EgressPolicy`].
    /// `EGRESS_CA_FILE`: certificate authorities that they trust besides the public ones; default none.
    pub egress: EgressConfig,
    /// `MODELS_DIR`: directories of model folders; default `$LAMBDA_TASK_ROOT/models`.
    pub models_dirs: Vec<PathBuf>,
    /// `MODELS_URL`: a bucket with more model folders, `s3://bucket/prefix`; default none.
    pub models_url: Option<String>,
    /// `REINDEX_GRACE_SECONDS`: how long the index that a reindex has replaced is kept for a rollback;
    /// default 86400 (one day).
    pub reindex_grace: Duration,
    /// `MAX_ITEMS_UNDER_WAY`: how many documents of an operation are between their first message and their end at a time;
    /// default 100. The fewer, the sooner a document of another operation has its turn; too few leave functions idle.
    pub max_items_under_way: u32,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut vectors = VectorsConfig::new(&env::required("QDRANT_URL")?);
        vectors.api_key = env::optional_secret("QDRANT_SECRET_ARN", "QDRANT_API_KEY");
        let roots = env::optional("DIRECTORY_ROOTS").unwrap_or_default();
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            vectors,
            index_storage: index_storage()?,
            staging_bucket: env::required("STAGING_BUCKET")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            notify_queue_url: env::required("NOTIFY_QUEUE_URL")?,
            chunk_queue_url: env::required("CHUNK_QUEUE_URL")?,
            directory_roots: std::env::split_paths(&roots)
                .filter(|root| !root.as_os_str().is_empty())
                .collect(),
            protected_buckets: env::list("PROTECTED_BUCKETS"),
            connector_secret: env::optional_secret("CONNECTOR_SECRET_ARN", "CONNECTOR_SECRETS_KEYS"),
            egress: EgressConfig {
                ca_file: env::optional("EGRESS_CA_FILE").map(PathBuf::from),
                ..EgressConfig::new(env::parsed_or("EGRESS_ALLOW", EgressPolicy::default())?)
            },
            models_dirs: env::models_dirs(),
            models_url: env::optional("MODELS_URL"),
            reindex_grace: Duration::from_secs(env::parsed_or("REINDEX_GRACE_SECONDS", 86_400)?),
            max_items_under_way: env::parsed_or("MAX_ITEMS_UNDER_WAY", 100)?,
        })
    }
}

fn index_storage() -> Result<IndexStorage, EnvError> {
    let storage = IndexStorage {
        shards: NonZeroU32::new(env::parsed_or("QDRANT_SHARDS", 0)?),
        replicas: env::parsed_or("QDRANT_REPLICAS", NonZeroU32::MIN)?,
        write_consistency: env::parsed_or("QDRANT_WRITE_CONSISTENCY", NonZeroU32::MIN)?,
        on_disk: env::parsed_or("QDRANT_ON_DISK", OnDisk::None)?,
        has_scalar_quantization: env::parsed_or("QDRANT_SCALAR_QUANTIZATION", false)?,
    };
    if storage.write_consistency > storage.replicas {
        return Err(EnvError::Invalid {
            name: "QDRANT_WRITE_CONSISTENCY",
            got: storage.write_consistency.to_string(),
            reason: format!("at most QDRANT_REPLICAS, {}, is allowed", storage.replicas),
        });
    }
    Ok(storage)
}
