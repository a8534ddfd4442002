//! TLS: whose certificates are trusted, and for which names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use domain::{Classify, ErrorKind};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::resolver_table::ResolverTable;
use super::server::{Server, config, read_head};
use crate::resolver::Resolver;
use crate::{Egress, EgressConfigError, EgressError};

/// For mail.corp.example and 127.0.0.1 until 2126, of an authority whose key is gone.
const CERTIFICATE: &[u8] = include_bytes!("certificates/server.pem");
const KEY: &[u8] = include_bytes!("certificates/server.key");

fn acceptor() -> TlsAcceptor {
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    Arc::new(config).into()
}

/// Answers every request over TLS; connections that end in the handshake are those that the tests refuse.
async fn tls_server(answer: String) -> Server {
    let acceptor = acceptor();
    Server::with_connections(move |stream| {
        let (acceptor, answer) = (acceptor.clone(), answer.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            read_head(&mut stream).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await
}

fn authority() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/certificates/ca.pem")
}

fn egress(allow: &str, ca_file: Option<PathBuf>) -> Egress {
    let mut config = config(allow);
    config.ca_file = ca_file;
    let names = ResolverTable::default()
        .answer("mail.corp.example", &["127.0.0.1"])
        .answer("other.corp.example", &["127.0.0.1"]);
    Egress::with_resolver(config, Resolver::Table(names)).unwrap()
}

#[tokio::test]
async fn a_private_authority_is_trusted_for_the_names_it_certifies() {
    let server = tls_server("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello\n".to_owned()).await;
    let trusting = egress("127.0.0.0/8", Some(authority()));
    for host in ["mail.corp.example", "MAIL.corp.example.", "127.0.0.1"] {
        let url = format!("https://{host}:{}/", server.port());
        assert_eq!(trusting.get(&url).send().await.unwrap().text(100).await.unwrap(), "hello\n");
        let mut stream = trusting.connect_tls(host, server.port()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("hello\n"));
    }
    let strict = egress("127.0.0.0/8", None);
    for (egress, host) in [(&trusting, "other.corp.example"), (&strict, "mail.corp.example")] {
        let error = egress.get(&format!("https://{host}:{}/", server.port())).send().await.unwrap_err();
        assert!(matches!(error, EgressError::Certificate { .. }), "{host}: {error}");
        assert_eq!(error.kind(), ErrorKind::Invalid);
        let error = egress.connect_tls(host, server.port()).await.unwrap_err();
        assert!(matches!(error, EgressError::Certificate { .. }), "{host}: {error}");
    }
}

#[tokio::test]
async fn a_connection_is_upgraded_for_the_host() {
    let acceptor = acceptor();
    let server = Server::with_connections(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            stream.write_all(b"ready\n").await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            stream.write_all(b"secure\n").await.unwrap();
            stream.shutdown().await.unwrap();
        }
    })
    .await;
    let egress = egress("127.0.0.1", Some(authority()));
    let mut answer = [0; 6];
    for (host, is_trusted) in [("mail.corp.example", true), ("other.corp.example", false)] {
        let mut stream = egress.connect(host, server.port()).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"ready\n");
        match egress.upgrade_tls(stream, host, server.port()).await {
            Ok(mut stream) => {
                assert!(is_trusted);
                let mut secure = String::new();
                stream.read_to_string(&mut secure).await.unwrap();
                assert_eq!(secure, "secure\n");
            }
            Err(error) => assert!(!is_trusted && matches!(error, EgressError::Certificate { .. }), "{error}"),
        }
    }
}

#[tokio::test]
async fn credentials_do_not_follow_a_redirect_from_https_to_http() {
    let plain = Server::with_answer("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false).await;
    let location = plain.url("/").replace("127.0.0.1", "mail.corp.example");
    let server =
        tls_server(format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")).await;
    let egress = egress("127.0.0.1", Some(authority()));
    let url = format!("https://mail.corp.example:{}/", server.port());
    let secret = "secret".into();
    for request in [
        egress.get(&url).bearer(&secret),
        egress.get(&url).basic("grace", &secret),
        egress.get(&url).secret_header("x-api-key", &secret),
        egress.get(&url).header("cookie", "session=secret"),
    ] {
        let error = request.send().await.unwrap_err();
        assert!(matches!(error, EgressError::InsecureRedirect { .. }), "{error}");
        assert_eq!(error.kind(), ErrorKind::Forbidden);
    }
    assert_eq!(plain.connections(), 0);
    assert_eq!(egress.get(&url).send().await.unwrap().text(10).await.unwrap(), "ok");
}

#[test]
fn files_that_hold_no_authorities_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let open = || {
        let mut config = config("");
        config.ca_file = Some(file.clone());
        Egress::new(config).map(|_| ()).unwrap_err()
    };
    assert!(matches!(open(), EgressConfigError::CaFile { .. }));
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, text).unwrap();
        assert!(open().to_string().contains("ca.pem"), "{}", open());
    }
}
