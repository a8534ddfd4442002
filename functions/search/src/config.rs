//! What the search function is told by its environment.

use std::path::PathBuf;
use std::time::Duration;

use access::RateLimits;
use db::DbConfig;
use lambda::env::{self, EnvError};
use secrecy::SecretString;
use vectors::VectorsConfig;

/// The search function's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `QDRANT_URL`, `QDRANT_API_KEY` (optional).
    pub vectors: VectorsConfig,
    /// `JWT_SECRET`: what access tokens are signed with.
    pub jwt_secret: SecretString,
    /// `MODELS_DIR`: the folders of model folders; default `$LAMBDA_TASK_ROOT/models`.
    pub models_dirs: Vec<PathBuf>,
    /// `MODELS_URL`: more model folders, `s3://bucket/prefix`; none when unset.
    pub models_url: Option<String>,
    /// `ORT_DYLIB_PATH`: ONNX Runtime; default `$LAMBDA_TASK_ROOT/lib/libonnxruntime.so`.
    pub onnx_runtime: PathBuf,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` (set by Lambda): decides how many threads a model gets.
    pub processors: Option<usize>,
    /// `RERANKER_DIR`: the folder of a cross-encoder, a Hugging Face ONNX export; default
    /// `$LAMBDA_TASK_ROOT/reranker` if that is there, else results are not reranked.
    pub reranker_dir: Option<PathBuf>,
    /// `RATE_LIMIT_FACTOR`: multiplies how often callers may search; 0 for no limits; default 1.
    pub rate_limits: RateLimits,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut vectors = VectorsConfig::new(&env::required("QDRANT_URL")?);
        vectors.api_key = env::optional("QDRANT_API_KEY").map(SecretString::from);
        // Shorter than the function's own limit, so that the caller hears which part is slow.
        vectors.timeout = Duration::from_secs(10);
        Ok(Self {
            db: DbConfig::new(env::secret("DATABASE_URL")?),
            vectors,
            jwt_secret: env::secret("JWT_SECRET")?,
            models_dirs: env::models_dirs(),
            models_url: env::optional("MODELS_URL"),
            onnx_runtime: path_or("ORT_DYLIB_PATH", "lib/libonnxruntime.so"),
            processors: env::processors(),
            reranker_dir: env::optional("RERANKER_DIR")
                .map(PathBuf::from)
                .or_else(|| Some(env::task_root().join("reranker")).filter(|folder| folder.is_dir())),
            rate_limits: env::parsed_or("RATE_LIMIT_FACTOR", RateLimits::DECLARED)?,
        })
    }
}

fn path_or(name: &'static str, below_task_root: &str) -> PathBuf {
    env::optional(name).map_or_else(|| env::task_root().join(below_task_root), PathBuf::from)
}
