//! The certificate of a server is verified. A proxy that terminates TLS stands in front of the PostgreSQL of the tests,
//! as RDS Proxy does.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use secrets::{DatabaseAccess, DatabaseAuthentication};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use url::Url;

use crate::{Db, DbConfig, DbError};

/// The PostgreSQL of the tests.
#[expect(clippy::disallowed_methods, reason = "tests find their server as sqlx::test does")]
fn server() -> Url {
    std::env::var("DATABASE_URL").unwrap().parse().unwrap()
}

/// A certificate authority, with its certificate in a file.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Starts the proxy with a certificate for `host`; returns its port.
    async fn serve(&self, host: &str) -> u16 {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([host.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, acceptor.clone()));
            }
        });
        port
    }
}

/// Answers the request for TLS and relays what follows. Ends at the first error, as a refused certificate is one.
#[expect(clippy::disallowed_methods, reason = "the address is that of the tests' own server")]
async fn relay(mut client: TcpStream, acceptor: TlsAcceptor) -> std::io::Result<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request).await?;
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    let server = server();
    let mut server = TcpStream::connect((server.host_str().unwrap(), server.port().unwrap_or(5432))).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Connects through the proxy, with the rules of production.
async fn connect(port: Option<u16>, authorities: Option<&Path>) -> Result<(), DbError> {
    let mut url = server();
    url.set_host(Some("localhost")).unwrap();
    if let Some(port) = port {
        url.set_port(Some(port)).unwrap();
    }
    url.query_pairs_mut().append_pair("sslmode", "verify-full");
    if let Some(file) = authorities {
        url.query_pairs_mut().append_pair("sslrootcert", file.to_str().unwrap());
    }
    let config = DbConfig::new(DatabaseAccess {
        url: url.as_str().into(),
        authentication: DatabaseAuthentication::Url,
        requires_verify_full: true,
    });
    Db::connect(&config)?.ping().await
}

fn reason(outcome: Result<(), DbError>) -> String {
    let error = outcome.unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    source.to_string()
}

#[tokio::test]
async fn a_server_with_a_certificate_of_the_authority_is_accepted() {
    let authority = Authority::new();
    let port = authority.serve("localhost").await;
    connect(Some(port), Some(&authority.file())).await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let (authority, other) = (Authority::new(), Authority::new());
    let port = authority.serve("localhost").await;
    let refused = reason(connect(Some(port), Some(&other.file())).await);
    assert!(refused.contains("UnknownIssuer") || refused.contains("BadSignature"), "{refused}");
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let authority = Authority::new();
    let port = authority.serve("db.example").await;
    let refused = reason(connect(Some(port), Some(&authority.file())).await);
    assert!(refused.contains("not valid for name") || refused.contains("NotValidForName"), "{refused}");
}

#[tokio::test]
async fn a_server_without_tls_is_refused() {
    let refused = reason(connect(None, None).await);
    assert!(refused.contains("server does not support TLS"), "{refused}");
}

#[tokio::test]
async fn the_authorities_of_rds_can_be_used_and_vouch_for_no_other_server() {
    let port = Authority::new().serve("localhost").await;
    let refused = reason(connect(Some(port), None).await);
    assert!(refused.contains("UnknownIssuer"), "{refused}");
}
