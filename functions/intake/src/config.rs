//! Configuration, read from environment variables.

use std::time::Duration;

use db::DbConfig;
use lambda::env::{self, EnvError};
use queue::SweepQueue;

/// The intake function's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `STAGING_BUCKET`: the bucket whose events are handled.
    pub staging_bucket: String,
    /// `SCAN_QUEUE_URL`: receives the messages that run operations.
    pub scan_queue_url: String,
    /// `SWEEP_QUEUE_URL`; `SWEEP_INTERVAL_SECONDS`, how often sweep runs while there is work, default 60.
    pub sweep_queue: SweepQueue,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Returns an error that names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            staging_bucket: env::required("STAGING_BUCKET")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            sweep_queue: SweepQueue {
                url: env::required("SWEEP_QUEUE_URL")?,
                interval: Duration::from_secs(env::parsed_or("SWEEP_INTERVAL_SECONDS", 60)?),
            },
        })
    }
}
