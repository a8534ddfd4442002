//! TLS to servers of users: the public certificate authorities, and those that an operator adds.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use url::Host;

use crate::target::Target;
use crate::{EgressConfigError, EgressError};

/// A TLS connection, over a TCP connection unless said otherwise.
pub type TlsStream<S = tokio::net::TcpStream> = tokio_rustls::client::TlsStream<S>;

/// Opens TLS connections over those of the gate.
#[derive(Clone)]
pub(crate) struct Tls {
    http: TlsConnector,
    plain: TlsConnector,
    timeout: Duration,
}

impl Tls {
    pub(crate) fn new(ca_file: Option<&Path>, timeout: Duration) -> Result<Self, EgressConfigError> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        if let Some(path) = ca_file {
            add_authorities(&mut roots, path)?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let plain = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| EgressConfigError::Tls { reason: error.to_string() })?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = plain.clone();
        http.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { http: Arc::new(http).into(), plain: Arc::new(plain).into(), timeout })
    }

    /// Begins TLS for HTTP.
    pub(crate) async fn for_http<S>(&self, stream: S, target: &Target) -> Result<TlsStream<S>, EgressError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.handshake(&self.http, stream, target).await
    }

    /// Begins TLS for another protocol.
    pub(crate) async fn plain<S>(&self, stream: S, target: &Target) -> Result<TlsStream<S>, EgressError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.handshake(&self.plain, stream, target).await
    }

    async fn handshake<S>(
        &self,
        connector: &TlsConnector,
        stream: S,
        target: &Target,
    ) -> Result<TlsStream<S>, EgressError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = server_name(target)?;
        match tokio::time::timeout(self.timeout, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(handshake_error(target, &error)),
            Err(_) => Err(EgressError::TimedOut {
                target: target.to_string(),
                what: "did not complete the TLS handshake",
                limit: self.timeout,
            }),
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

fn server_name(target: &Target) -> Result<ServerName<'static>, EgressError> {
    match &target.host {
        Host::Domain(name) => ServerName::try_from(name.clone()).map_err(|error| EgressError::InvalidHost {
            host: name.clone(),
            reason: format!("no certificate can name it: {error}"),
        }),
        Host::Ipv4(address) => Ok(ServerName::from(IpAddr::from(*address))),
        Host::Ipv6(address) => Ok(ServerName::from(IpAddr::from(*address))),
    }
}

fn handshake_error(target: &Target, error: &io::Error) -> EgressError {
    let target = target.to_string();
    match error.get_ref().and_then(|source| source.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(reason)) => {
            EgressError::Certificate { target, reason: reason.to_string() }
        }
        _ => EgressError::Connection { target, reason: format!("the TLS handshake failed ({error})") },
    }
}

fn add_authorities(roots: &mut RootCertStore, path: &Path) -> Result<(), EgressConfigError> {
    let invalid = |reason: String| EgressConfigError::CaFile { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| invalid(error.to_string()))?;
        roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
    }
    if roots.len() == before {
        return Err(invalid("it contains no certificate".to_owned()));
    }
    Ok(())
}
