//! Configuration, read from environment variables.

use db::DbConfig;
use lambda::env::{self, EnvError};
use secrets::SecretSource;

/// The migrate function's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`, `DATABASE_SECRET_ARN`, `DATABASE_AUTHENTICATION`, `DATABASE_CONNECTIONS`.
    pub db: DbConfig,
    /// `CONNECTOR_SECRET_ARN`: the keys that the secrets of sources are encrypted with. Else `CONNECTOR_SECRETS_KEYS`,
    /// comma-separated, newest first. Default none.
    pub connector_secret: Option<SecretSource>,
    /// `ADMINISTRATOR_SECRET_ARN`: the first superuser. Else `ADMINISTRATOR_SECRET`, the same JSON. Default none.
    pub administrator_secret: Option<SecretSource>,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Returns an error that names the variable that is missing.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            db: DbConfig::new(env::database()?).with_connections(env::database_connections()?),
            connector_secret: env::optional_secret("CONNECTOR_SECRET_ARN", "CONNECTOR_SECRETS_KEYS"),
            administrator_secret: env::optional_secret("ADMINISTRATOR_SECRET_ARN", "ADMINISTRATOR_SECRET"),
        })
    }
}
