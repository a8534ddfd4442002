//! What is read of mails, and what is refused.

use domain::{Classify, ErrorKind};
use serde_json::json;

use crate::proxy::Proxy;
use crate::source::{Source, mail};
use testkit::{DOVECOT_USER, Dovecot};

#[tokio::test]
async fn mails_are_read_as_they_are_and_stay_unread() {
    let server = Dovecot::start();
    let large = "0123456789abcdef0123456789abcdef0123456789abcdef\r\n".repeat(60_000);
    let mails = [mail("small", "Grüße"), mail("large", &large), mail("also small", "x")];
    server.deliver("INBOX", mails.clone());
    let source = Source::of(&server, json!({}));
    let page = source.list(None, 1000).await.unwrap();
    let read = source.read_all(&page.entries).await.unwrap();
    for ((read, mail), entry) in read.into_iter().zip(&mails).zip(&page.entries) {
        let read = read.unwrap();
        assert_eq!(read.len() as u64, entry.size_bytes);
        assert!(read == mail.as_bytes(), "{}", entry.uri);
    }
    // Another one than was announced, and one that was opened before.
    let again = source.read_all(&[page.entries[2].clone(), page.entries[2].clone()]).await.unwrap();
    assert!(again.into_iter().all(|read| read.unwrap() == mails[2].as_bytes()));
    let flags =
        server.doveadm(&["-f", "flow", "fetch", "-u", DOVECOT_USER, "flags", "mailbox", "INBOX", "all"]);
    assert_eq!(flags.lines().count(), 3);
    assert!(!flags.contains("Seen"), "{flags}");
}

#[tokio::test]
async fn encrypted_large_and_deleted_mails_say_why_and_others_are_read() {
    let server = Dovecot::start();
    let encrypted =
        mail("secret", "x").replace("text/plain; charset=utf-8", "multipart/encrypted; boundary=x");
    let enveloped =
        mail("sealed", "x").replace("text/plain", "application/pkcs7-mime; smime-type=enveloped-data");
    server.deliver(
        "INBOX",
        [encrypted, mail("long", &"x".repeat(3000)), enveloped, mail("gone", ""), mail("fine", "")],
    );
    let source = Source::of(&server, json!({ "max_message_bytes": 2000 }));
    let page = source.list(None, 1000).await.unwrap();
    assert_eq!(page.entries.len(), 5, "what is refused is listed, so that its reason is seen");
    server.doveadm(&["expunge", "-u", DOVECOT_USER, "mailbox", "INBOX", "subject", "gone"]);
    let read = source.read_all(&page.entries).await.unwrap();
    let mut outcomes =
        read.iter().map(|read| read.as_ref().map_err(|error| (error.kind(), error.to_string())));
    let mut refused = |words: &str| {
        let (kind, message) = outcomes.next().unwrap().unwrap_err();
        assert!(message.contains(words), "{message}");
        kind
    };
    assert_eq!(refused("is left out: it is encrypted"), ErrorKind::Invalid);
    assert_eq!(refused("max_message_bytes allows 2000"), ErrorKind::Invalid);
    assert_eq!(refused("is left out: it is encrypted"), ErrorKind::Invalid);
    assert_eq!(refused("does not exist"), ErrorKind::NotFound);
    assert!(outcomes.next().unwrap().unwrap().ends_with(b"\r\n\r\n\r\n"));
}

#[tokio::test]
async fn connection_that_breaks_while_mails_are_read_is_retried() {
    let server = Dovecot::start();
    let large = "0123456789abcdef\r\n".repeat(200_000);
    server.deliver("INBOX", [mail("small", ""), mail("large", &large)]);
    let entries = Source::of(&server, json!({})).list(None, 1000).await.unwrap().entries;
    for after in [400, 900, 1500, 3000, 500_000, 1_500_000] {
        let proxy = Proxy::cutting(server.port, after).await;
        let source = Source::of(&server, json!({ "port": proxy.port, "security": "none" }));
        let error = match source.read_all(&entries).await {
            Ok(read) => read.into_iter().find_map(Result::err).expect("it was cut"),
            Err(error) => error,
        };
        assert_eq!(error.kind(), ErrorKind::Unavailable, "cut after {after}: {error}");
    }
}

#[tokio::test]
async fn mails_of_a_message_share_a_connection_and_commands() {
    let server = Dovecot::start();
    server.fill((0..25).map(|number| mail(&format!("Mail {number}"), "text")));
    let proxy = Proxy::to(server.port).await;
    let source = Source::of(&server, json!({ "port": proxy.port, "security": "none" }));
    let page = source.list(None, 1000).await.unwrap();
    proxy.take_commands();
    assert!(source.read_all(&page.entries).await.unwrap().iter().all(Result::is_ok));
    let commands = proxy.take_commands();
    let verbs: Vec<&str> = commands.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(verbs, ["CAPABILITY", "AUTHENTICATE", "EXAMINE", "UID", "UID"], "{commands:?}");
}
