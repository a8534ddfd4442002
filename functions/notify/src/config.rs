//! Configuration of the notify function, read from environment variables.

use std::path::PathBuf;
use std::time::Duration;

use db::DbConfig;
use egress::{EgressConfig, EgressPolicy};
use lambda::env::{self, EnvError};
use queue::SweepQueue;
use secrets::SecretSource;

/// Settings of the notify function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `CONNECTOR_SECRET_ARN`: decrypts the secrets of webhooks. Else `CONNECTOR_SECRETS_KEYS`. Default none: nothing can be
    /// signed.
    pub connector_secret: Option<SecretSource>,
    /// `NOTIFY_QUEUE_URL`: receives the next attempts.
    pub notify_queue_url: String,
    /// `SWEEP_QUEUE_URL`; `SWEEP_INTERVAL_SECONDS`, how often sweep runs while there is work, default 60.
    pub sweep_queue: SweepQueue,
    /// `EGRESS_ALLOW`: what webhooks reach besides public addresses, default nothing; see [`EgressPolicy`].
    /// `EGRESS_CA_FILE`: certificate authorities that they trust besides the public ones; default none.
    pub egress: EgressConfig,
    /// `WEBHOOK_RETRY_FACTOR`: multiplies the time between attempts; default 1.
    pub retry_factor: f64,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            connector_secret: env::optional_secret("CONNECTOR_SECRET_ARN", "CONNECTOR_SECRETS_KEYS"),
            notify_queue_url: env::required("NOTIFY_QUEUE_URL")?,
            sweep_queue: SweepQueue {
                url: env::required("SWEEP_QUEUE_URL")?,
                interval: Duration::from_secs(env::parsed_or("SWEEP_INTERVAL_SECONDS", 60)?),
            },
            egress: EgressConfig {
                ca_file: env::optional("EGRESS_CA_FILE").map(PathBuf::from),
                // A slow receiver delays the others of its batch, not those of other hosts.
                requests_per_host: 10,
                ..EgressConfig::new(env::parsed_or("EGRESS_ALLOW", EgressPolicy::default())?)
            },
            retry_factor: env::parsed_or("WEBHOOK_RETRY_FACTOR", 1.0)?,
        })
    }
}
