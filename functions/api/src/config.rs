//! Configuration, read from environment variables.

use std::path::PathBuf;
use std::time::Duration;

use access::RateLimits;
use db::DbConfig;
use egress::{EgressConfig, EgressPolicy};
use lambda::env::{self, EnvError};
use queue::SweepQueue;
use secrets::SecretSource;
use vectors::VectorsConfig;

/// Configuration of the API function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `QDRANT_URL`, `QDRANT_SECRET_ARN` (optional): where chunks are read from.
    pub vectors: VectorsConfig,
    /// `TOKEN_SECRET_ARN`: signs access tokens. Else `JWT_SECRET`, at least 32 bytes.
    pub token_secret: SecretSource,
    /// `CONNECTOR_SECRET_ARN`: encrypts the secrets of sources. Else `CONNECTOR_SECRETS_KEYS`, comma-separated, newest
    /// first. Default none: secrets cannot be stored.
    pub connector_secret: Option<SecretSource>,
    /// `STAGING_BUCKET`: the bucket for uploads and artifacts.
    pub staging_bucket: String,
    /// `SCAN_QUEUE_URL`: the queue of the scan function, which starts operations.
    pub scan_queue_url: String,
    /// `NOTIFY_QUEUE_URL`: receives tests and repeated deliveries to webhooks.
    pub notify_queue_url: String,
    /// `SWEEP_QUEUE_URL`; `SWEEP_INTERVAL_SECONDS`, how often sweep runs while there is work, default 60.
    pub sweep_queue: SweepQueue,
    /// `MODELS_DIR`: directories that contain model folders; default `$LAMBDA_TASK_ROOT/models`.
    pub models_dirs: Vec<PathBuf>,
    /// `MODELS_URL`: more model folders, as `s3://bucket/prefix`; default none.
    pub models_url: Option<String>,
    /// `EGRESS_ALLOW`: what sources reach besides public addresses, default nothing; see [`EgressPolicy`].
    /// `EGRESS_CA_FILE`: certificate authorities that they trust besides the public ones; default none.
    pub egress: EgressConfig,
    /// Limits and defaults of requests.
    pub limits: Limits,
}

/// Limits and defaults of requests.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `DEFAULT_EMBEDDING_MODEL`: the model of collections created without one; default
    /// `sentence-transformers/all-MiniLM-L6-v2`.
    pub default_embedding_model: String,
    /// `DIRECTORY_ROOTS`: directories that `file` and `directory` sources must lie under;
    /// colon-separated; default none.
    pub directory_roots: Vec<PathBuf>,
    /// `PROTECTED_BUCKETS`: buckets that no source reads besides those of documents and models,
    /// comma-separated; default none.
    pub protected_buckets: Vec<String>,
    /// `API_URL`: the base URL that clients reach the API by, with `{api_id}` for the id of the API; default
    /// the one of the request.
    pub api_url: Option<String>,
    /// `MAX_UPLOAD_BYTES`: the maximum size of an uploaded file in bytes; default 5 GiB, which is also the
    /// maximum of a single S3 PUT.
    pub max_upload_bytes: u64,
    /// `UPLOAD_URL_SECONDS`: the default lifetime of an upload's presigned URL, 60 to 604800 (seven
    /// days); default 900. A second more for each MiB of the file is added.
    pub upload_url_lifetime: Duration,
    /// `OCR_ENABLED`: whether collections may use OCR, `true` or `false`; default false.
    pub ocr_enabled: bool,
    /// `REGISTRATION`: whether anyone may register an account until a superuser decides, `closed` or `open`; default
    /// closed.
    pub registration_open: bool,
    /// `RATE_LIMIT_FACTOR`: multiplies the rate limit of every route; 0 disables rate limits;
    /// default 1.
    pub rate_limits: RateLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            default_embedding_model: "sentence-transformers/all-MiniLM-L6-v2".to_owned(),
            directory_roots: Vec::new(),
            protected_buckets: Vec::new(),
            api_url: None,
            max_upload_bytes: 5 * 1024 * 1024 * 1024,
            upload_url_lifetime: Duration::from_secs(900),
            ocr_enabled: false,
            registration_open: false,
            rate_limits: RateLimits::DECLARED,
        }
    }
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Returns [`EnvError`] if a variable is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        let mut vectors = VectorsConfig::new(&env::required("QDRANT_URL")?);
        vectors.api_key = env::optional_secret("QDRANT_SECRET_ARN", "QDRANT_API_KEY");
        vectors.timeout = Duration::from_secs(3);
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            vectors,
            token_secret: env::secret("TOKEN_SECRET_ARN", "JWT_SECRET")?,
            connector_secret: env::optional_secret("CONNECTOR_SECRET_ARN", "CONNECTOR_SECRETS_KEYS"),
            staging_bucket: env::required("STAGING_BUCKET")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            notify_queue_url: env::required("NOTIFY_QUEUE_URL")?,
            sweep_queue: SweepQueue {
                url: env::required("SWEEP_QUEUE_URL")?,
                interval: Duration::from_secs(env::parsed_or("SWEEP_INTERVAL_SECONDS", 60)?),
            },
            models_dirs: env::models_dirs(),
            models_url: env::optional("MODELS_URL"),
            egress: EgressConfig {
                ca_file: env::optional("EGRESS_CA_FILE").map(PathBuf::from),
                ..EgressConfig::new(env::parsed_or("EGRESS_ALLOW", EgressPolicy::default())?)
            },
            limits: Limits::from_env()?,
        })
    }
}

impl Limits {
    fn from_env() -> Result<Self, EnvError> {
        let default = Self::default();
        let roots = env::optional("DIRECTORY_ROOTS").unwrap_or_default();
        let lifetime = env::parsed_or("UPLOAD_URL_SECONDS", default.upload_url_lifetime.as_secs())?;
        // S3 presigned URLs are valid for at most seven days.
        if !(60..=604_800).contains(&lifetime) {
            return Err(EnvError::Invalid {
                name: "UPLOAD_URL_SECONDS",
                got: lifetime.to_string(),
                reason: "out of range; 60 to 604800 allowed".to_owned(),
            });
        }
        Ok(Self {
            default_embedding_model: env::optional("DEFAULT_EMBEDDING_MODEL")
                .unwrap_or(default.default_embedding_model),
            directory_roots: std::env::split_paths(&roots)
                .filter(|root| !root.as_os_str().is_empty())
                .collect(),
            protected_buckets: env::list("PROTECTED_BUCKETS"),
            api_url: env::optional("API_URL"),
            max_upload_bytes: env::parsed_or("MAX_UPLOAD_BYTES", default.max_upload_bytes)?,
            upload_url_lifetime: Duration::from_secs(lifetime),
            ocr_enabled: env::parsed_or("OCR_ENABLED", default.ocr_enabled)?,
            registration_open: registration_open()?,
            rate_limits: env::parsed_or("RATE_LIMIT_FACTOR", default.rate_limits)?,
        })
    }
}

fn registration_open() -> Result<bool, EnvError> {
    const NAME: &str = "REGISTRATION";
    match env::optional(NAME).as_deref() {
        None | Some("closed") => Ok(false),
        Some("open") => Ok(true),
        Some(other) => Err(EnvError::Invalid {
            name: NAME,
            got: other.to_owned(),
            reason: "closed or open allowed".to_owned(),
        }),
    }
}
