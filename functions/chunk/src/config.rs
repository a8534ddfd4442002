//! Configuration of the chunk function, read from environment variables.

use std::path::PathBuf;

use db::DbConfig;
use lambda::env::{self, EnvError};

/// Settings of the chunk function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `STAGING_BUCKET`: holds raw documents and chunks.
    pub staging_bucket: String,
    /// `EMBED_QUEUE_URL`: receives one message per batch of chunks.
    pub embed_queue_url: String,
    /// `EXTRACT_QUEUE_URL`: receives documents that need a parser.
    pub extract_queue_url: String,
    /// `SCAN_QUEUE_URL`: receives a collection's next operation.
    pub scan_queue_url: String,
    /// `NOTIFY_QUEUE_URL`: receives what webhooks are notified of the end of an operation.
    pub notify_queue_url: String,
    /// `MODELS_DIR`: directories of model folders; default `$LAMBDA_TASK_ROOT/models`.
    pub models_dirs: Vec<PathBuf>,
    /// `MODELS_URL`: a bucket with more model folders, `s3://bucket/prefix`; default none.
    pub models_url: Option<String>,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            staging_bucket: env::required("STAGING_BUCKET")?,
            embed_queue_url: env::required("EMBED_QUEUE_URL")?,
            extract_queue_url: env::required("EXTRACT_QUEUE_URL")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            notify_queue_url: env::required("NOTIFY_QUEUE_URL")?,
            models_dirs: env::models_dirs(),
            models_url: env::optional("MODELS_URL"),
        })
    }
}
