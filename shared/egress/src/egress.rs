//! The way out.

use std::sync::Arc;

use http::Method;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::connect::Gate;
use crate::host_slots::HostSlots;
use crate::http_client::{HttpClient, new_client};
use crate::resolver::Resolver;
use crate::target::Target;
use crate::tls::{Tls, TlsStream};
use crate::{EgressConfig, EgressConfigError, EgressError, Request};

/// What every request calls itself.
pub const USER_AGENT: &str = concat!("Semantik/", env!("CARGO_PKG_VERSION"));

/// Opens connections to addresses that users name. Created once per process; clones share connections and
/// limits.
#[derive(Clone)]
pub struct Egress {
    shared: Arc<Shared>,
}

struct Shared {
    config: EgressConfig,
    gate: Arc<Gate>,
    tls: Tls,
    http: HttpClient,
    slots: HostSlots,
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
        let http = new_client(Arc::clone(&gate), tls.clone());
        let slots = HostSlots::new(config.requests_per_host);
        Ok(Self { shared: Arc::new(Shared { config, gate, tls, http, slots }) })
    }

    /// Builds a request. Proxies of the environment are not used.
    pub fn request(&self, method: Method, url: &str) -> Request {
        Request::new(self.clone(), method, url)
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
        self.shared.gate.connect(&Target::parse(host, port)?).await
    }

    /// Opens a TLS connection, verified for the host.
    ///
    /// # Errors
    /// Returns why the connection was refused or failed; `Certificate` if the server cannot prove its name.
    pub async fn connect_tls(&self, host: &str, port: u16) -> Result<TlsStream, EgressError> {
        let target = Target::parse(host, port)?;
        let stream = self.shared.gate.connect(&target).await?;
        self.shared.tls.plain(stream, &target).await
    }

    /// Begins TLS on a connection of [`Self::connect`] (STARTTLS), verified for the host.
    ///
    /// # Errors
    /// Returns why the handshake failed; `Certificate` if the server cannot prove its name.
    pub async fn upgrade_tls<S>(&self, stream: S, host: &str, port: u16) -> Result<TlsStream<S>, EgressError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.shared.tls.plain(stream, &Target::parse(host, port)?).await
    }

    pub(crate) fn config(&self) -> &EgressConfig {
        &self.shared.config
    }

    pub(crate) fn http(&self) -> &HttpClient {
        &self.shared.http
    }

    pub(crate) fn slots(&self) -> &HostSlots {
        &self.shared.slots
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("config", &self.shared.config).finish_non_exhaustive()
    }
}
