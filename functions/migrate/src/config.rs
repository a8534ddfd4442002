//! Configuration, read from environment variables.

use db::DbConfig;
use lambda::env::{self, EnvError};
use secrecy::SecretString;

/// The migrate function's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `CONNECTOR_SECRETS_KEYS`: the keys that the secrets of sources are encrypted with, separated by
    /// commas, the newest first; default none.
    pub connector_secrets_keys: SecretString,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Returns an error that names the variable that is missing.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            db: DbConfig::new(env::secret("DATABASE_URL")?),
            connector_secrets_keys: env::optional("CONNECTOR_SECRETS_KEYS").unwrap_or_default().into(),
        })
    }
}
