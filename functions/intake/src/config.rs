//! What the intake function is told by its environment.

use db::DbConfig;
use lambda::env::{self, EnvError};

/// The intake function's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `STAGING_BUCKET`: whose events these are.
    pub staging_bucket: String,
    /// `SCAN_QUEUE_URL`: where operations are started.
    pub scan_queue_url: String,
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
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
        })
    }
}
