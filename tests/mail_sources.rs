//! Mailboxes as sources: from a mail server to the search results, attachments included.

use serde_json::{Value, json};
use testkit::{DOVECOT_PASSWORD, DOVECOT_USER, Dovecot, Stack, TestUser};

fn mail(id: &str, subject: &str, text: &str) -> String {
    format!(
        "From: Grace <grace@example.org>\r\nTo: {DOVECOT_USER}\r\nSubject: {subject}\r\n\
         Date: Mon, 30 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{id}@example.org>\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
    )
}

fn with_attachment(id: &str) -> String {
    format!(
        "From: Grace <grace@example.org>\r\nTo: {DOVECOT_USER}\r\nSubject: Minutes\r\nMessage-ID: <{id}@example.org>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\n\
         The minutes are attached.\r\n--b\r\nContent-Type: text/markdown; name=minutes.md\r\n\
         Content-Disposition: attachment; filename=minutes.md\r\n\r\n# Budget\r\n\r\n\
         The committee approved a new lighthouse lamp.\r\n--b--\r\n"
    )
}

async fn sync(user: &TestUser, collection: &str, source: &Value) -> Value {
    let operation = user.post(&format!("/api/v2/collections/{collection}/sources"), source).await.expect(202);
    user.wait_for_operation(operation["id"].as_str().unwrap()).await
}

fn counts(operation: &Value) -> [i64; 3] {
    let states = &operation["progress"]["by_state"];
    ["completed", "removed", "failed"].map(|state| states[state].as_i64().unwrap())
}

#[tokio::test]
async fn a_mailbox_is_indexed_with_attachments_and_deleted_mails_go() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let server = Dovecot::start();
    server.deliver(
        "INBOX",
        [
            mail("1", "Anchor", "The anchor chain was replaced on Tuesday."),
            mail("2", "Galley", "Tonight the cook serves pea soup."),
            with_attachment("3"),
        ],
    );
    let config =
        json!({ "host": "127.0.0.1", "port": server.port, "security": "none", "username": DOVECOT_USER });
    let sources = format!("/api/v2/collections/{collection}/sources");

    let source = json!({ "source_type": "imap", "source_config": config });
    let refusal = user.post(&sources, &source).await.expect(422);
    assert!(refusal["detail"].as_str().unwrap().contains("secrets.password: is required"), "{refusal}");
    let wrong =
        json!({ "source_type": "imap", "source_config": config, "secrets": { "password": "hunter2" } });
    let tried = user.post(&format!("{sources}/test"), &wrong).await.expect(200);
    assert_eq!(tried["ok"], false, "{tried}");
    assert!(!tried.to_string().contains("hunter2"), "{tried}");

    let source = json!({ "source_type": "imap", "source_config": config, "secrets": { "password": DOVECOT_PASSWORD } });
    let first = sync(&user, &collection, &source).await;
    // Three mails, and the file in one of them.
    assert_eq!((counts(&first), &first["status"]), ([4, 0, 0], &json!("completed")), "{first}");
    let hits = user.search(&collection, "dinner on board").await;
    assert_eq!(
        (&hits[0]["title"], &hits[0]["url"]),
        (&json!("Galley"), &json!("mid:2@example.org")),
        "{hits:?}"
    );
    let hits = user.search(&collection, "money for the light at the coast").await;
    assert!(hits[0]["text"].as_str().unwrap().contains("lighthouse lamp"), "{hits:?}");
    let by_grace = json!({
        "query": "chain", "collection_uuids": [collection],
        "metadata_filter": { "attributes": { "from": "grace@example.org" } },
    });
    let found = user.post("/api/v2/search", &by_grace).await.expect(200);
    assert_eq!(found["results"].as_array().unwrap().len(), 3, "{found}");

    let unchanged = sync(&user, &collection, &source).await;
    assert_eq!(counts(&unchanged), [0, 0, 0], "{unchanged}");

    server.doveadm(&["expunge", "-u", DOVECOT_USER, "mailbox", "INBOX", "header", "subject", "Galley"]);
    server.deliver("INBOX", [mail("4", "Pilot", "The pilot boards at the outer buoy.")]);
    let changed = sync(&user, &collection, &source).await;
    assert_eq!(counts(&changed), [1, 1, 0], "{changed}");
    let hits = user.search(&collection, "where does the guide come aboard").await;
    assert_eq!(hits[0]["title"], "Pilot", "{hits:?}");
}
