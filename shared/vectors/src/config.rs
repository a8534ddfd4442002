//! Configuration of the Qdrant client.

use std::time::Duration;

use qdrant_client::Qdrant;
use qdrant_client::config::QdrantConfig;
use secrecy::{ExposeSecret, SecretString};
use secrets::{Secret, SecretSource};
use serde::Deserialize;

use crate::VectorsError;

/// How to connect to Qdrant.
#[derive(Debug, Clone)]
pub struct VectorsConfig {
    /// The URL of the gRPC API, for example `http://127.0.0.1:6334` or `https://xyz.cloud.qdrant.io:6334`.
    pub url: String,
    /// The API key, if the server requires one.
    pub api_key: Option<SecretSource>,
    /// The timeout of each call.
    pub timeout: Duration,
}

impl VectorsConfig {
    /// Configures a server without API key, with a timeout of 30 seconds.
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), api_key: None, timeout: Duration::from_secs(30) }
    }

    /// Returns the client, which is replaced when the key changes.
    pub(crate) fn client(&self) -> Result<Secret<Qdrant>, VectorsError> {
        match &self.api_key {
            None => Ok(Secret::fixed(self.client_with(None)?)),
            Some(SecretSource::Value(key)) => Ok(Secret::fixed(self.client_with(Some(key))?)),
            Some(SecretSource::Arn(arn)) => {
                // An unusable URL is reported at the start, not by the first call.
                self.client_with(None)?;
                let config = self.clone();
                Ok(Secret::managed(arn, move |text| {
                    let secret: KeySecret = secrets::json(text, r#"{"api_key": "…"}"#)?;
                    config.client_with(Some(&secret.api_key)).map_err(|error| error.to_string())
                }))
            }
        }
    }

    fn client_with(&self, key: Option<&SecretString>) -> Result<Qdrant, VectorsError> {
        let mut config = QdrantConfig::from_url(&self.url);
        config.api_key = key.map(|key| key.expose_secret().to_owned());
        config.timeout = self.timeout;
        // The compatibility check would add a call before the first one.
        config.check_compatibility = false;
        Qdrant::new(config)
            .map_err(|error| VectorsError::InvalidUrl { url: self.url.clone(), reason: error.to_string() })
    }
}

/// The secret in Secrets Manager.
#[derive(Deserialize)]
struct KeySecret {
    api_key: SecretString,
}
