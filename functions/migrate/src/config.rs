//! What the migrate function is told by its environment.

use db::DbConfig;
use lambda::env::{self, EnvError};
use secrecy::SecretString;

/// The migrate function's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `CONNECTOR_SECRETS_KEYS`: what the secrets of sources are encrypted with, the newest first,
    /// separated by commas; default none.
    pub connector_secrets_keys: SecretString,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self {
            db: DbConfig::new(env::secret("DATABASE_URL")?),
            connector_secrets_keys: env::optional("CONNECTOR_SECRETS_KEYS").unwrap_or_default().into(),
        })
    }
}
