//! What the migrate function keeps between invocations.

use bytes::Bytes;
use db::Db;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use secrecy::SecretString;

use crate::Config;

pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The clients of this function.
#[derive(Debug, Clone)]
pub struct State {
    pub(crate) db: Db,
    /// Looked at when they are needed: the schema does not wait for keys that are right.
    pub(crate) connector_secrets_keys: SecretString,
    /// Speaks to CloudFormation. Its TLS needs no process-wide default, which tests that are
    /// built together with this crate would have to set as well.
    pub(crate) http: HttpClient,
}

impl State {
    /// Prepares the clients; nothing waits for the network.
    ///
    /// # Errors
    /// When `DATABASE_URL` is no URL, or TLS cannot be set up.
    pub fn open(config: &Config) -> Result<Self, lambda::Error> {
        Ok(Self {
            db: Db::connect(&config.db)?,
            connector_secrets_keys: config.connector_secrets_keys.clone(),
            http: http_client()?,
        })
    }
}

pub(crate) fn http_client() -> Result<HttpClient, rustls::Error> {
    let connector = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())?
        .https_or_http()
        .enable_http1()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
