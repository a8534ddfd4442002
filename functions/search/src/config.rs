//! Configuration, read from environment variables.

use std::path::PathBuf;
use std::time::Duration;

use access::RateLimits;
use db::DbConfig;
use lambda::env::{self, EnvError};
use secrets::SecretSource;
use vectors::VectorsConfig;

use crate::RerankerSource;

/// The configuration of the search function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `QDRANT_URL`, `QDRANT_SECRET_ARN` (optional).
    pub vectors: VectorsConfig,
    /// `STAGING_BUCKET`: the bucket of the documents' text.
    pub staging_bucket: String,
    /// `TOKEN_SECRET_ARN`: verifies access tokens. Else `JWT_SECRET`.
    pub token_secret: SecretSource,
    /// `MODELS_DIR`: folders that contain model folders; default `$LAMBDA_TASK_ROOT/models`.
    pub models_dirs: Vec<PathBuf>,
    /// `MODELS_URL`: more model folders, `s3://bucket/prefix`; none by default.
    pub models_url: Option<String>,
    /// `ORT_DYLIB_PATH`: the library of ONNX Runtime; default `$LAMBDA_TASK_ROOT/lib/libonnxruntime.so`.
    pub onnx_runtime: PathBuf,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` (set by Lambda) in vCPUs: the number of threads of a model.
    pub processors: Option<usize>,
    /// The cross-encoder, a Hugging Face ONNX export. `RERANKER_MODEL`: the name of its folder in `MODELS_URL`; else
    /// `RERANKER_DIR`: a folder, default `$LAMBDA_TASK_ROOT/reranker` if it exists. Without one, results are not reranked.
    pub reranker: Option<RerankerSource>,
    /// `API_URL`: the base URL that clients reach the API by, with `{api_id}` for the id of the API; default the one of
    /// the request.
    pub api_url: Option<String>,
    /// `RATE_LIMIT_FACTOR`: the factor on all rate limits, 0 for none; default 1.
    pub rate_limits: RateLimits,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut vectors = VectorsConfig::new(&env::required("QDRANT_URL")?);
        vectors.api_key = env::optional_secret("QDRANT_SECRET_ARN", "QDRANT_API_KEY");
        // Shorter than the function's time limit, so that the response names the slow collection.
        vectors.timeout = Duration::from_secs(10);
        let models_url = env::optional("MODELS_URL");
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            vectors,
            token_secret: env::secret("TOKEN_SECRET_ARN", "JWT_SECRET")?,
            staging_bucket: env::required("STAGING_BUCKET")?,
            models_dirs: env::models_dirs(),
            reranker: reranker(models_url.as_deref())?,
            models_url,
            onnx_runtime: path_or("ORT_DYLIB_PATH", "lib/libonnxruntime.so"),
            processors: env::processors(),
            api_url: env::optional("API_URL"),
            rate_limits: env::parsed_or("RATE_LIMIT_FACTOR", RateLimits::DECLARED)?,
        })
    }
}

fn path_or(name: &'static str, below_task_root: &str) -> PathBuf {
    env::optional(name).map_or_else(|| env::task_root().join(below_task_root), PathBuf::from)
}

fn reranker(models_url: Option<&str>) -> Result<Option<RerankerSource>, EnvError> {
    if let Some(name) = env::optional("RERANKER_MODEL") {
        let models_url = models_url.ok_or(EnvError::Missing("MODELS_URL"))?.to_owned();
        return Ok(Some(RerankerSource::Bucket { models_url, name }));
    }
    let packaged = || Some(env::task_root().join("reranker")).filter(|folder| folder.is_dir());
    Ok(env::optional("RERANKER_DIR").map(PathBuf::from).or_else(packaged).map(RerankerSource::Folder))
}
