//! Configuration of the embed function and the embed job, read from environment variables.

use std::path::PathBuf;
use std::time::Duration;

use db::DbConfig;
use embedding::{EmbedderOptions, ExecutionProvider};
use lambda::env::{self, EnvError};
use vectors::VectorsConfig;

/// Texts that the job embeds in one call, enough to fill the model's batches with texts of similar length. The function
/// counts tokens, by the time that it has.
const TEXTS_PER_GROUP: usize = 512;

/// Tokens per model call and texts per group on a GPU, which is fast only with large matrices.
const GPU_BATCH_TOKENS: usize = 16_384;
const GPU_TEXTS_PER_GROUP: usize = 4096;

/// Settings shared by the function and the job.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `QDRANT_URL`, `QDRANT_SECRET_ARN` (optional).
    pub vectors: VectorsConfig,
    /// `STAGING_BUCKET`: holds chunks and vectors.
    pub staging_bucket: String,
    /// `SCAN_QUEUE_URL`: receives a collection's next operation.
    pub scan_queue_url: String,
    /// `NOTIFY_QUEUE_URL`: receives what webhooks are notified of the end of an operation.
    pub notify_queue_url: String,
    /// `EMBED_QUEUE_URL`: receives batches that are handed back; the job drains it.
    pub embed_queue_url: String,
    /// `MODELS_DIR`: directories of model folders; default `$LAMBDA_TASK_ROOT/models`.
    pub models_dirs: Vec<PathBuf>,
    /// `MODELS_URL`: a bucket with more model folders, `s3://bucket/prefix`; default none.
    pub models_url: Option<String>,
    /// `ORT_DYLIB_PATH`: the ONNX Runtime library; default `$LAMBDA_TASK_ROOT/lib/libonnxruntime.so`.
    pub onnx_runtime: PathBuf,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE` (set by Lambda) determines the number of threads per model.
    /// `EXECUTION_PROVIDER`: `cpu` (the default) or `cuda`. `BATCH_TOKENS`: the maximum number of tokens,
    /// padding included, in one model call; default 512, with `cuda` 16384.
    pub embedder: EmbedderOptions,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut vectors = VectorsConfig::new(&env::required("QDRANT_URL")?);
        vectors.api_key = env::optional_secret("QDRANT_SECRET_ARN", "QDRANT_API_KEY");
        let provider = env::parsed_or("EXECUTION_PROVIDER", ExecutionProvider::Cpu)?;
        let batch_tokens = match provider {
            ExecutionProvider::Cpu => EmbedderOptions::DEFAULT_BATCH_TOKENS,
            ExecutionProvider::Cuda => GPU_BATCH_TOKENS,
        };
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            vectors,
            staging_bucket: env::required("STAGING_BUCKET")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            notify_queue_url: env::required("NOTIFY_QUEUE_URL")?,
            embed_queue_url: env::required("EMBED_QUEUE_URL")?,
            models_dirs: env::models_dirs(),
            models_url: env::optional("MODELS_URL"),
            onnx_runtime: path_or("ORT_DYLIB_PATH", "lib/libonnxruntime.so"),
            embedder: EmbedderOptions {
                batch_tokens: env::parsed_or("BATCH_TOKENS", batch_tokens)?,
                provider,
                ..EmbedderOptions::for_chunks(env::processors())
            },
        })
    }
}

/// Settings of the job.
#[derive(Debug, Clone)]
pub struct DrainConfig {
    /// Settings shared with the function. The job uses more database connections, having more in flight.
    pub function: Config,
    /// `DRAIN_IDLE_SECONDS`: the job ends when the queue has been empty for this long; default 60,
    /// minimum 1.
    pub idle: Duration,
    /// `DRAIN_GROUP_TEXTS`: the maximum number of texts per group; default 512, with `cuda` 4096.
    pub group_texts: usize,
    /// `DRAIN_RECEIVES`: concurrent receive calls; default 4.
    pub receives: usize,
    /// `AWS_BATCH_JOB_ID` (set by AWS Batch): the job's id in the logs.
    pub job_id: Option<String>,
}

impl DrainConfig {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut function = Config::from_env()?;
        function.db.max_connections = 12;
        let group_texts = match function.embedder.provider {
            ExecutionProvider::Cpu => TEXTS_PER_GROUP,
            ExecutionProvider::Cuda => GPU_TEXTS_PER_GROUP,
        };
        Ok(Self {
            function,
            idle: Duration::from_secs(env::parsed_or("DRAIN_IDLE_SECONDS", 60)?).max(Duration::from_secs(1)),
            group_texts: env::parsed_or("DRAIN_GROUP_TEXTS", group_texts)?,
            receives: env::parsed_or("DRAIN_RECEIVES", 4)?.max(1),
            job_id: env::optional("AWS_BATCH_JOB_ID"),
        })
    }
}

fn path_or(name: &'static str, below_task_root: &str) -> PathBuf {
    env::optional(name).map_or_else(|| env::task_root().join(below_task_root), PathBuf::from)
}
