//! Configuration of the extract function, read from environment variables.

use std::path::PathBuf;

use db::DbConfig;
use lambda::env::{self, EnvError};

/// Settings of the extract function.
#[derive(Debug, Clone)]
pub struct Config {
    /// `DATABASE_URL`.
    pub db: DbConfig,
    /// `STAGING_BUCKET`: holds raw documents and their text.
    pub staging_bucket: String,
    /// `CHUNK_QUEUE_URL`: receives one message per document.
    pub chunk_queue_url: String,
    /// `SCAN_QUEUE_URL`: receives a collection's next operation.
    pub scan_queue_url: String,
    /// `PDFIUM_LIBRARY`: the file `libpdfium.so`; default `$LAMBDA_TASK_ROOT/libpdfium.so`.
    pub pdfium_library: PathBuf,
}

impl Config {
    /// Reads the environment variables.
    ///
    /// # Errors
    /// Names the variable that is missing or invalid.
    pub fn from_env() -> Result<Self, EnvError> {
        let package = env::optional("LAMBDA_TASK_ROOT").map(PathBuf::from).unwrap_or_default();
        Ok(Self {
            db: DbConfig::new(env::secret("DATABASE_URL")?),
            staging_bucket: env::required("STAGING_BUCKET")?,
            chunk_queue_url: env::required("CHUNK_QUEUE_URL")?,
            scan_queue_url: env::required("SCAN_QUEUE_URL")?,
            pdfium_library: env::optional("PDFIUM_LIBRARY")
                .map_or_else(|| package.join("libpdfium.so"), PathBuf::from),
        })
    }
}
