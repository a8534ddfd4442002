//! Connecting and signing in.

use connectors::{ConnectorError, Listing, SourceSpec};
use domain::{Classify, ErrorKind};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::source::{Source, connectors, mail};
use testkit::{DOVECOT_PASSWORD, DOVECOT_USER, Dovecot};

#[tokio::test]
async fn wrong_password_is_not_retried_and_not_shown() {
    let server = Dovecot::start();
    let wrong = "wrong-7f3a";
    let error = Source::with_password(&server, json!({}), wrong).list(None, 10).await.unwrap_err();
    assert!(matches!(error, ConnectorError::SignIn { .. }), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(!format!("{error} {error:?}").contains(wrong), "{error:?}");
    assert!(error.to_string().contains("the username or the password is wrong"), "{error}");
}

#[tokio::test]
async fn missing_password_is_named() {
    let spec = SourceSpec::parse("imap", &json!({ "host": "127.0.0.1", "username": DOVECOT_USER })).unwrap();
    let error = connectors(None).list(&spec, Listing::from_cursor(None)).await.unwrap_err();
    assert!(error.to_string().contains("secrets.password"), "{error}");
}

#[tokio::test]
async fn connection_is_encrypted_after_starttls() {
    let server = Dovecot::start();
    server.deliver("INBOX", [mail("one", "")]);
    let settings = json!({ "port": server.port, "security": "starttls" });
    assert_eq!(Source::of(&server, settings.clone()).list(None, 10).await.unwrap().entries.len(), 1);
    let open = Dovecot::start_with("ssl = no");
    let settings = json!({ "port": open.port, "security": "starttls" });
    let error = Source::of(&open, settings).list(None, 10).await.unwrap_err();
    assert!(error.to_string().contains("does not encrypt the connection"), "{error}");
}

#[tokio::test]
async fn certificate_of_nobody_is_refused() {
    let server = Dovecot::start();
    let source = Source::of(&server, json!({}));
    let stranger = Source { connectors: connectors(None), spec: source.spec };
    let error = stranger.list(None, 10).await.unwrap_err();
    assert!(error.to_string().contains("EGRESS_CA_FILE"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// What a server that means harm or is overloaded answers to the password.
async fn answer_to_sign_in(answers: &'static [&'static str]) -> ConnectorError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut received = vec![0; 4096];
        for answer in answers {
            client.write_all(answer.as_bytes()).await.unwrap();
            if client.read(&mut received).await.unwrap_or(0) == 0 {
                return;
            }
        }
    });
    let config = json!({ "host": "127.0.0.1", "port": port, "security": "none", "username": DOVECOT_USER });
    let secrets = [(domain::SecretType::Password, DOVECOT_PASSWORD.to_owned().into())].into_iter().collect();
    let spec = SourceSpec::parse("imap", &config).unwrap().with_secrets(secrets);
    connectors(None).list(&spec, Listing::from_cursor(None)).await.unwrap_err()
}

#[tokio::test]
async fn answers_of_strange_servers_are_told_apart() {
    const PLAIN: &str = "* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\nS1 OK done\r\n";
    for (answers, kind, words) in [
        (&["* OK hi\r\n", PLAIN, "S2 NO [UNAVAILABLE] later\r\n"][..], ErrorKind::Unavailable, "unavailable"),
        (&["* OK hi\r\n", PLAIN, "S2 NO [LIMIT] too often\r\n"], ErrorKind::Throttled, "limits the rate"),
        (&["* OK hi\r\n", PLAIN, "S2 NO you said pässword \"7\"\r\n"], ErrorKind::Forbidden, "is wrong;"),
        (
            &["* OK hi\r\n", "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\nS1 OK done\r\n"],
            ErrorKind::Forbidden,
            "accepts no password",
        ),
        (&["* OK hi\r\n", "* X {536870912}\r\n"], ErrorKind::Forbidden, "more than 16777216 bytes"),
        (&["* BYE full\r\n"], ErrorKind::Forbidden, "full"),
        (&["SSH-2.0-OpenSSH_9.2\r\n"], ErrorKind::Unavailable, "unavailable"),
    ] {
        let error = answer_to_sign_in(answers).await;
        assert_eq!(error.kind(), kind, "{answers:?}: {error}");
        assert!(error.to_string().contains(words) && !error.to_string().contains("pässword"), "{error}");
    }
}
