//! The way out.

use std::sync::Arc;

use http::Method;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use url::Url;

use crate::connect::Gate;
use crate::http_client::HttpClient;
use crate::resolver::Resolver;
use crate::target::Target;
use crate::tls::{Tls, TlsStream};
use crate::{EgressConfig, EgressConfigError, EgressError, Request};

/// Opens connections to addresses that users name. Created once per process; clones share connections and
/// limits.
#[derive(Debug, Clone)]
pub struct Egress {
    gate: Arc<Gate>,
    tls: Tls,
    http: Arc<HttpClient>,
}

impl Egress {
    /// Reads the certificate authorities; connects to nothing.
    ///
    /// # Errors
    /// Names the file of certificate authorities if it cannot be used.
    pub fn new(config: EgressConfig) -> Result<Self, EgressConfigError> {
        Self::with_resolver(config, Resolver::System)
    }

    pub(crate) fn with_resolver(config: EgressConfig, resolver: Resolver) -> Result<Self, EgressConfigError> {
        let tls = Tls::new(config.ca_file.as_deref(), config.connect_timeout)?;
        let gate = Arc::new(Gate {
            policy: config.policy.clone(),
            resolver,
            connect_timeout: config.connect_timeout,
        });
        let http = Arc::new(HttpClient::new(config, Arc::clone(&gate), tls.clone()));
        Ok(Self { gate, tls, http })
    }

    /// Builds a request. Proxies of the environment are not used.
    pub fn request(&self, method: Method, url: &str) -> Request {
        Request::new(Arc::clone(&self.http), method, url)
    }

    /// Checks that requests can be sent to a URL, without connecting to its server. Every request is checked again.
    ///
    /// # Errors
    /// Returns why a request would be refused; `Unresolved` if the name of the host does not resolve now.
    pub async fn check(&self, url: &str) -> Result<(), EgressError> {
        let url = Url::parse(url).map_err(|error| EgressError::InvalidUrl { reason: error.to_string() })?;
        self.gate.check(&Target::of_url(&url)?).await
    }

    /// Builds a GET request.
    pub fn get(&self, url: &str) -> Request {
        self.request(Method::GET, url)
    }

    /// Opens a connection, for protocols other than HTTP. `host` is a name or an address.
    ///
    /// # Errors
    /// Returns why the connection was refused or failed.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, EgressError> {
        self.gate.connect(&Target::parse(host, port)?).await
    }

    /// Opens a TLS connection, verified for the host.
    ///
    /// # Errors
    /// Returns why the connection was refused or failed; `Certificate` if the server cannot prove its name.
    pub async fn connect_tls(&self, host: &str, port: u16) -> Result<TlsStream, EgressError> {
        let target = Target::parse(host, port)?;
        let stream = self.gate.connect(&target).await?;
        self.tls.plain(stream, &target).await
    }

    /// Begins TLS on a connection of [`Self::connect`] (STARTTLS), verified for the host.
    ///
    /// # Errors
    /// Returns why the handshake failed; `Certificate` if the server cannot prove its name.
    pub async fn upgrade_tls<S>(&self, stream: S, host: &str, port: u16) -> Result<TlsStream<S>, EgressError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.tls.plain(stream, &Target::parse(host, port)?).await
    }
}
