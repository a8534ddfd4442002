//! What the migrate function keeps between invocations.

use bytes::Bytes;
use db::Db;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lambda::env::EnvError;
use secrets::SecretSource;
use tokio::sync::OnceCell;

use crate::Config;

pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// The clients of this function.
#[derive(Debug)]
pub struct State {
    /// Speaks to CloudFormation, which waits for a response whatever is wrong with the rest. Its TLS needs no
    /// process-wide default, which tests that are built together with this crate would have to set as well.
    pub(crate) http: HttpClient,
    /// Reads the configuration.
    pub(crate) config: fn() -> Result<Config, EnvError>,
    /// Made by the first invocation that needs it and can.
    pub(crate) tools: OnceCell<Tools>,
}

/// What migrating and the commands need.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) db: Db,
    /// Read when they are needed: the schema does not wait for keys that are right.
    pub(crate) connector_secret: Option<SecretSource>,
    /// Read only if there is no superuser.
    pub(crate) administrator_secret: Option<SecretSource>,
}

impl State {
    /// Prepares the client that sends responses. Nothing is read from the environment yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn open() -> Result<Self, lambda::Error> {
        Ok(Self { http: http_client()?, config: Config::from_env, tools: OnceCell::new() })
    }

    /// Returns what migrating needs.
    ///
    /// # Errors
    /// When an environment variable is missing or invalid.
    pub(crate) async fn tools(&self) -> Result<&Tools, lambda::Error> {
        self.tools.get_or_try_init(async || Tools::open(&(self.config)()?)).await
    }
}

impl Tools {
    fn open(config: &Config) -> Result<Self, lambda::Error> {
        Ok(Self {
            db: Db::connect(&config.db)?,
            connector_secret: config.connector_secret.clone(),
            administrator_secret: config.administrator_secret.clone(),
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
