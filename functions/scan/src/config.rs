//! What the scan function is told by its environment.

use std::path::PathBuf;
use std::time::Duration;

use db::DbConfig;
use lambda::env::{self, EnvError};
use secrecy::SecretString;
use vectors::VectorsConfig;

/// The scan function's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `QDRANT_URL`, `QDRANT_API_KEY` (optional).
    pub vectors: VectorsConfig,
    /// `STAGING_BUCKET`: where uploads lie, and where documents' bytes are put.
    pub staging_bucket: String,
    /// `SCAN_QUEUE_URL`: where work is put off to.
    pub scan_queue_url: String,
    /// `CHUNK_QUEUE_URL`: where staged documents are handed on.
    pub chunk_queue_url: String,
    /// `DIRECTORY_ROOTS`: folders that file and directory sources may lie under, separated by
    /// colons; default none.
    pub directory_roots: Vec<PathBuf>,
    /// `MODELS_DIR`: the folders of model folders; default `$LAMBDA_TASK_ROOT/models`.
    pub models_dirs: Vec<PathBuf>,
    /// `MODELS_URL`: more model folders, `s3://bucket/prefix`; none when unset.
    pub models_url: Option<String>,
    /// `REINDEX_GRACE_SECONDS`: how long the index that a reindex has replaced is kept, so that it can
    /// be brought back; default a day.
    pub reindex_grace: Duration,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut vectors = VectorsConfig::new(&env::required("QDRANT_URL")?);
        vectors.api_key = env::optional("QDRANT_API_KEY").map(SecretString::from);
        let roots = env::optional("DIRECTORY_ROOTS").unwrap_or_default();
        Ok(Self {
            db: DbConfig::new(env::secret("DATABASE_URL")?),
            vectors,
            staging_bucket: env::required("STAGING_BUCKET")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            chunk_queue_url: env::required("CHUNK_QUEUE_URL")?,
            directory_roots: std::env::split_paths(&roots)
                .filter(|root| !root.as_os_str().is_empty())
                .collect(),
            models_dirs: env::models_dirs(),
            models_url: env::optional("MODELS_URL"),
            reindex_grace: Duration::from_secs(env::parsed_or("REINDEX_GRACE_SECONDS", 86_400)?),
        })
    }
}
