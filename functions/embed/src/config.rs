//! What the embed function is told by its environment.

use std::path::PathBuf;

use db::DbConfig;
use lambda::env::{self, EnvError};
use secrecy::SecretString;
use vectors::VectorsConfig;

/// The embed function's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `QDRANT_URL`, `QDRANT_API_KEY` (optional).
    pub vectors: VectorsConfig,
    /// `STAGING_BUCKET`: where chunks and vectors lie.
    pub staging_bucket: String,
    /// `SCAN_QUEUE_URL`: where a collection's next operation is started.
    pub scan_queue_url: String,
    /// `MODELS_DIR`: the folders of model folders; default `$LAMBDA_TASK_ROOT/models`.
    pub models_dirs: Vec<PathBuf>,
    /// `ORT_DYLIB_PATH`: ONNX Runtime; default `$LAMBDA_TASK_ROOT/lib/libonnxruntime.so`.
    pub onnx_runtime: PathBuf,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` (set by Lambda): decides how many threads a model gets.
    pub processors: Option<usize>,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut vectors = VectorsConfig::new(&env::required("QDRANT_URL")?);
        vectors.api_key = env::optional("QDRANT_API_KEY").map(SecretString::from);
        Ok(Self {
            db: DbConfig::new(env::secret("DATABASE_URL")?),
            vectors,
            staging_bucket: env::required("STAGING_BUCKET")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            models_dirs: env::models_dirs(),
            onnx_runtime: path_or("ORT_DYLIB_PATH", "lib/libonnxruntime.so"),
            processors: env::processors(),
        })
    }
}

fn path_or(name: &'static str, below_task_root: &str) -> PathBuf {
    env::optional(name).map_or_else(|| env::task_root().join(below_task_root), PathBuf::from)
}
