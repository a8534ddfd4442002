//! What the migrate function is told by its environment.

use db::DbConfig;
use lambda::env::{self, EnvError};

/// The migrate function's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_env() -> Result<Self, EnvError> {
        Ok(Self { db: DbConfig::new(env::secret("DATABASE_URL")?) })
    }
}
