//! What a sync lists, and at what cost.

use std::time::Instant;

use connectors::{SourceSpec, Unlisted};
use domain::{Classify, ErrorKind};
use serde_json::json;

use crate::proxy::Proxy;
use crate::source::{Source, mail, paths, titles};
use testkit::{DOVECOT_USER, Dovecot};

#[tokio::test]
async fn mails_are_documents_with_their_headers_as_metadata() {
    let server = Dovecot::start();
    server.deliver("INBOX", [mail("=?utf-8?q?Gr=C3=BC=C3=9Fe?= an/alle", "Hello")]);
    let page = Source::of(&server, json!({})).list(None, 1000).await.unwrap();
    let [entry] = page.entries.as_slice() else { panic!("{page:?}") };
    let mailbox = format!("imap://ada%40example.org@127.0.0.1:{}/INBOX", server.tls_port);
    let validity = entry.change_hint.as_deref().unwrap().strip_suffix("-1").unwrap();
    assert_eq!(entry.uri, format!("{mailbox};UIDVALIDITY={validity}/;UID=1"));
    assert_eq!(entry.title.as_deref(), Some("Grüße an/alle"));
    assert_eq!((entry.file_name.as_str(), entry.file_path.as_str()), ("Grüße an alle.eml", "INBOX/1.eml"));
    assert_eq!(entry.mime_type.as_deref(), Some("message/rfc822"));
    let url = entry.url.as_deref().unwrap();
    assert!(url.starts_with("mid:=%3Futf-8") && url.ends_with("%2Fan%2Falle@example.org"), "{url}");
    assert!(entry.size_bytes > 200 && entry.modified_at.is_some());
    let metadata = serde_json::to_value(entry.metadata.as_ref().unwrap()).unwrap();
    assert_eq!(metadata["from"], "grace@example.org");
    assert_eq!(metadata["to"], "ada@example.org, b@example.org");
    assert_eq!((&metadata["date"], &metadata["mailbox"]), (&json!("2026-11-27"), &json!("INBOX")));
    assert_eq!(page.unlisted, Unlisted::Gone);
    let spec = SourceSpec::parse(
        "imap",
        &json!({ "host": "Mail.example.org", "username": "a/b", "mailboxes": ["x", "y"] }),
    );
    assert_eq!(spec.unwrap().source_path(), "imap://a%2Fb@mail.example.org/x and 1 more");
}

#[tokio::test]
async fn unchanged_mailboxes_cost_a_command_each() {
    let server = Dovecot::start();
    server.fill((0..50).map(|number| mail(&format!("Mail {number}"), "text")));
    server.doveadm(&["mailbox", "create", "-u", DOVECOT_USER, "Archive"]);
    let proxy = Proxy::to(server.port).await;
    let settings = json!({ "port": proxy.port, "security": "none", "mailboxes": ["INBOX", "Archive"] });
    let source = Source::of(&server, settings);
    let first = source.list(None, 1000).await.unwrap();
    assert_eq!(first.entries.len(), 50);
    let (commands, bytes) = (proxy.take_commands(), proxy.take_received());

    let second = source.list(first.checkpoint.as_deref(), 1000).await.unwrap();
    assert_eq!((second.entries.len(), second.unlisted), (0, Unlisted::Unchanged));
    assert_eq!(second.checkpoint, first.checkpoint);
    let (again, bytes_again) = (proxy.take_commands(), proxy.take_received());
    let verbs: Vec<&str> = again.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(verbs, ["CAPABILITY", "AUTHENTICATE", "LIST", "STATUS", "STATUS"]);
    assert!(bytes_again < 3000, "{bytes_again}");
    eprintln!(
        "first sync of 50: {} commands, {bytes} bytes; unchanged: {} and {bytes_again}",
        commands.len(),
        again.len()
    );
}

#[tokio::test]
async fn new_mails_are_listed_alone() {
    let server = Dovecot::start();
    server.deliver("INBOX", [mail("one", ""), mail("two", "")]);
    let source = Source::of(&server, json!({ "mailboxes": ["*"] }));
    let first = source.list(None, 1000).await.unwrap();
    assert_eq!(titles(&first), ["one", "two"]);

    server.deliver("INBOX", [mail("three", "")]);
    server.deliver("Archive", [mail("four", "")]);
    let second = source.list(first.checkpoint.as_deref(), 1000).await.unwrap();
    assert_eq!((titles(&second), second.unlisted), (vec!["four", "three"], Unlisted::Unchanged));
    let third = source.list(second.checkpoint.as_deref(), 1000).await.unwrap();
    assert_eq!((third.entries.len(), third.unlisted), (0, Unlisted::Unchanged));
}

#[tokio::test]
async fn deleted_and_moved_mails_are_missing_from_a_complete_list() {
    let server = Dovecot::start();
    server.deliver("INBOX", ["one", "two", "three"].map(|subject| mail(subject, "")));
    server.deliver("Archive", [mail("four", "")]);
    let source = Source::of(&server, json!({ "mailboxes": ["INBOX", "Archive"] }));
    let first = source.list(None, 1000).await.unwrap();

    server.doveadm(&["expunge", "-u", DOVECOT_USER, "mailbox", "INBOX", "subject", "two"]);
    server.doveadm(&["move", "-u", DOVECOT_USER, "Archive", "mailbox", "INBOX", "subject", "three"]);
    let second = source.list(first.checkpoint.as_deref(), 1000).await.unwrap();
    assert_eq!(second.unlisted, Unlisted::Gone);
    assert_eq!(paths(&second), ["Archive/1.eml", "Archive/2.eml", "INBOX/1.eml"]);
    assert_eq!(titles(&second), ["three"], "those that were listed before come without headers");
    assert!(second.entries.iter().all(|entry| entry.title.is_some() == entry.metadata.is_some()));
    let known: Vec<_> = first.entries.iter().map(|entry| (&entry.uri, &entry.change_hint)).collect();
    let kept = second.entries.iter().filter(|entry| known.contains(&(&entry.uri, &entry.change_hint)));
    assert_eq!(kept.count(), 2, "unchanged mails keep identity and change hint");

    // As many come as go: the number of mails alone does not tell.
    server.doveadm(&["expunge", "-u", DOVECOT_USER, "mailbox", "INBOX", "subject", "one"]);
    server.deliver("INBOX", [mail("five", "")]);
    let third = source.list(second.checkpoint.as_deref(), 1000).await.unwrap();
    assert_eq!((third.unlisted, titles(&third)), (Unlisted::Gone, vec!["five"]));
    assert_eq!(paths(&third), ["Archive/1.eml", "Archive/2.eml", "INBOX/4.eml"]);
}

#[tokio::test]
async fn mailbox_that_was_made_anew_has_other_mails() {
    let server = Dovecot::start();
    server.deliver("Work", [mail("old", "")]);
    let source = Source::of(&server, json!({ "mailboxes": ["Work"] }));
    let first = source.list(None, 1000).await.unwrap();
    server.doveadm(&["mailbox", "delete", "-u", DOVECOT_USER, "Work"]);
    // The validity is the time in seconds.
    server.doveadm(&[
        "mailbox",
        "create",
        "-u",
        DOVECOT_USER,
        "--guid",
        "0123456789abcdef0123456789abcdef",
        "Work",
    ]);
    server.doveadm(&["mailbox", "update", "-u", DOVECOT_USER, "--uid-validity", "4242", "Work"]);
    server.deliver("Work", [mail("new", "")]);
    let second = source.list(first.checkpoint.as_deref(), 1000).await.unwrap();
    assert_eq!((second.unlisted, titles(&second)), (Unlisted::Gone, vec!["new"]));
    assert!(second.entries[0].uri.contains(";UIDVALIDITY=4242/;UID=1"));
    let gone = source.read(&first.entries[0]).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
}

#[tokio::test]
async fn names_in_every_script_and_patterns_select_mailboxes() {
    let server = Dovecot::start();
    for (mailbox, subject) in [("Entwürfe", "b"), ("Entwürfe/日本語", "a"), ("R&D", "c"), ("Trash", "d")]
    {
        server.deliver(mailbox, [mail(subject, "")]);
    }
    let listed = async |mailboxes: &[&str]| {
        let page = Source::of(&server, json!({ "mailboxes": mailboxes })).list(None, 1000).await;
        page.map(|page| page.entries.into_iter().map(|entry| entry.file_path).collect::<Vec<_>>())
    };
    assert_eq!(listed(&["Entwürfe/*"]).await.unwrap(), ["Entwürfe/日本語/1.eml"]);
    assert_eq!(listed(&["%"]).await.unwrap(), ["Entwürfe/1.eml", "R&D/1.eml"], "trash is left out");
    assert_eq!(listed(&["R&D", "Trash"]).await.unwrap(), ["R&D/1.eml", "Trash/1.eml"], "unless it is named");
    let missing = listed(&["INBOX", "Entwurfe"]).await.unwrap_err();
    assert_eq!(missing.field(), Some("mailboxes"));
    assert!(
        missing.to_string().contains("\"Entwürfe/日本語\"")
            && missing.to_string().contains("got \"Entwurfe\""),
        "{missing}"
    );
}

#[tokio::test]
async fn only_mails_since_a_day_are_listed() {
    let server = Dovecot::start();
    server.deliver("INBOX", [mail("today", "")]);
    let source = |since: &str| Source::of(&server, json!({ "since": since }));
    assert_eq!(source("2026-01-01").list(None, 10).await.unwrap().entries.len(), 1);
    assert_eq!(source("2099-01-01").list(None, 10).await.unwrap().entries.len(), 0);
}

#[tokio::test]
async fn connection_that_breaks_never_makes_a_list_shorter() {
    let server = Dovecot::start();
    server.fill((0..20).map(|number| mail(&format!("Mail {number}"), "text")));
    let whole = Proxy::to(server.port).await;
    let source = |port: u16| Source::of(&server, json!({ "port": port, "security": "none" }));
    assert_eq!(source(whole.port).list(None, 1000).await.unwrap().entries.len(), 20);
    let bytes = whole.take_received();
    let mut failed = 0;
    for after in (0..bytes).step_by(usize::try_from(bytes / 60).unwrap().max(1)) {
        let proxy = Proxy::cutting(server.port, after).await;
        match source(proxy.port).list(None, 1000).await {
            Ok(page) => assert_eq!((page.entries.len(), page.unreadable), (20, 0), "cut after {after}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unavailable, "cut after {after}: {error}");
                failed += 1;
            }
        }
    }
    assert!(failed >= 58, "{failed}");
}

#[tokio::test]
async fn five_hundred_mails_take_pages_and_little_memory() {
    let server = Dovecot::start();
    let body = "A line of text that is long enough to be one.\r\n".repeat(550);
    server.fill((0..500).map(|number| mail(&format!("Mail {number}"), &body)));
    let proxy = Proxy::to(server.port).await;
    let source = Source::of(&server, json!({ "port": proxy.port, "security": "none" }));
    let before = peak_memory_kib();
    let start = Instant::now();
    let page = source.list(None, 100).await.unwrap();
    let listed = start.elapsed();
    let (commands, bytes) = (proxy.take_commands().len(), proxy.take_received());
    assert_eq!(page.entries.len(), 500);
    let start = Instant::now();
    let mut read = 0;
    for message in page.entries.chunks(25) {
        for mail in source.read_all(message).await.unwrap() {
            read += mail.unwrap().len();
        }
    }
    let grown = peak_memory_kib() - before;
    eprintln!(
        "500 mails: listed in {listed:?} with {commands} commands and {bytes} bytes (5 pages), {read} bytes read in {:?} \
         with {} commands, peak memory grew by {grown} KiB",
        start.elapsed(),
        proxy.take_commands().len()
    );
    assert!(read > 12_000_000 && grown < 32 * 1024, "{read} {grown}");
    let again = source.list(page.checkpoint.as_deref(), 100).await.unwrap();
    assert_eq!(again.unlisted, Unlisted::Unchanged);
}

fn peak_memory_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
