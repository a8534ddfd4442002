//! Configuration, read from environment variables.

use db::DbConfig;
use lambda::env::{self, EnvError};

/// The intake function's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `STAGING_BUCKET`: the bucket whose events are handled.
    pub staging_bucket: String,
    /// `SCAN_QUEUE_URL`: receives the messages that run operations.
    pub scan_queue_url: String,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Returns an error that names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            db: DbConfig::new(env::secret("DATABASE_URL")?),
            staging_bucket: env::required("STAGING_BUCKET")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
        })
    }
}
