//! What the chunk function is told by its environment.

use std::path::PathBuf;

use db::DbConfig;
use lambda::env::{self, EnvError};

/// The chunk function's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `STAGING_BUCKET`: where documents' bytes and chunks lie.
    pub staging_bucket: String,
    /// `EMBED_QUEUE_URL`: where chunks are handed on.
    pub embed_queue_url: String,
    /// `SCAN_QUEUE_URL`: where a collection's next operation is started.
    pub scan_queue_url: String,
    /// `MODELS_DIR`: the folders of model folders; default `$LAMBDA_TASK_ROOT/models`.
    pub models_dirs: Vec<PathBuf>,
    /// `MODELS_URL`: more model folders, `s3://bucket/prefix`; none when unset.
    pub models_url: Option<String>,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            db: DbConfig::new(env::secret("DATABASE_URL")?),
            staging_bucket: env::required("STAGING_BUCKET")?,
            embed_queue_url: env::required("EMBED_QUEUE_URL")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            models_dirs: env::models_dirs(),
            models_url: env::optional("MODELS_URL"),
        })
    }
}
