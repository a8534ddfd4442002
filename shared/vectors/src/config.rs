//! Configuration of the Qdrant client.

use std::time::Duration;

use qdrant_client::Qdrant;
use qdrant_client::config::QdrantConfig;
use secrecy::{ExposeSecret, SecretString};

use crate::VectorsError;

/// How to connect to Qdrant.
#[derive(Debug, Clone)]
pub struct VectorsConfig {
    /// The URL of the gRPC API, for example `http://127.0.0.1:6334` or `https://xyz.cloud.qdrant.io:6334`.
    pub url: String,
    /// The API key, if the server requires one.
    pub api_key: Option<SecretString>,
    /// The timeout of each call.
    pub timeout: Duration,
}

impl VectorsConfig {
    /// Configures a server without API key, with a timeout of 30 seconds.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), api_key: None, timeout: Duration::from_secs(30) }
    }

    pub(crate) fn client(&self) -> Result<Qdrant, VectorsError> {
        let mut config = QdrantConfig::from_url(&self.url);
        config.api_key = self.api_key.as_ref().map(|key| key.expose_secret().to_owned());
        config.timeout = self.timeout;
        // The compatibility check would add a call before the first one.
        config.check_compatibility = false;
        Qdrant::new(config)
            .map_err(|error| VectorsError::InvalidUrl { url: self.url.clone(), reason: error.to_string() })
    }
}
