//! Where Qdrant is.

use std::time::Duration;

use qdrant_client::Qdrant;
use qdrant_client::config::QdrantConfig;
use secrecy::{ExposeSecret, SecretString};

use crate::VectorsError;

/// How to reach Qdrant.
#[derive(Debug, Clone)]
pub struct VectorsConfig {
    /// The gRPC address, for example `http://127.0.0.1:6334` or
    /// `https://xyz.cloud.qdrant.io:6334`.
    pub url: String,
    /// The key of a Qdrant that asks for one.
    pub api_key: Option<SecretString>,
    /// How long one call may take.
    pub timeout: Duration,
}

impl VectorsConfig {
    /// No key, and half a minute for each call.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), api_key: None, timeout: Duration::from_secs(30) }
    }

    pub(crate) fn client(&self) -> Result<Qdrant, VectorsError> {
        let mut config = QdrantConfig::from_url(&self.url);
        config.api_key = self.api_key.as_ref().map(|key| key.expose_secret().to_owned());
        config.timeout = self.timeout;
        // It would make a call of its own before the first one that matters.
        config.check_compatibility = false;
        Qdrant::new(config)
            .map_err(|error| VectorsError::InvalidUrl { url: self.url.clone(), reason: error.to_string() })
    }
}
