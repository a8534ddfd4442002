//! Secrets of sources: stored encrypted before the first run, and in no response.

use std::io::Write;
use std::sync::{Arc, Mutex};

use auth::{ConnectorKeys, SecretCipher, SecretSlot};
use domain::{SecretType, SourceId};
use http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::{Answer, Api};

const TOKEN: &str = "ghp_Zq81TokenThatMustNeverLeak";
const SSH_KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nZq82KeyThatMustNeverLeak\n";
/// Texts that would reveal a secret, wholly or in part.
const TRACES: [&str; 2] = ["Zq81", "Zq82"];

fn assert_no_trace(what: &str, text: &str) {
    for trace in TRACES {
        let hex = hex::encode(trace);
        assert!(!text.contains(trace) && !text.contains(&hex), "{trace} is in {what}: {text}");
    }
}

/// Adds a source with these secrets and returns its path.
async fn add(api: &Api, token: &str, collection: &str, secrets: Value) -> String {
    let body = json!({
        "source_type": "directory", "source_config": { "path": "/srv/docs/a" }, "secrets": secrets,
    });
    let operation = api.post(&format!("{collection}/sources"), token, body).await.expect(202);
    format!("{collection}/sources/{}", operation["source_id"])
}

async fn patch(api: &Api, token: &str, path: &str, body: Value) -> Answer {
    api.send(Method::PATCH, path, token, Some(&body)).await
}

fn presence(source: &Value) -> [bool; 4] {
    ["has_password", "has_token", "has_ssh_key", "has_ssh_passphrase"]
        .map(|name| source[name].as_bool().unwrap_or_else(|| panic!("no {name} in {source}")))
}

/// The source's secrets, decrypted with the keys.
async fn decrypted(api: &Api, path: &str) -> Vec<(SecretType, String)> {
    let source_id = SourceId(path.rsplit_once('/').unwrap().1.parse().unwrap());
    let mut connection = api.state.db.connection().await.unwrap();
    let kept = connection.connector_secrets().list(source_id).await.unwrap();
    let mut opened = Vec::new();
    for secret in &kept {
        let slot = SecretSlot { source_id, secret_type: secret.secret_type };
        let plaintext = api.state.secrets.decrypt(slot, &secret.key_id, &secret.ciphertext).await.unwrap();
        opened.push((secret.secret_type, plaintext.expose_secret().to_owned()));
    }
    opened
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn secrets_are_stored_with_the_operation_and_responses_say_only_which_are_set(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "notes").await;
    let path = add(&api, &ada, &collection, json!({ "token": TOKEN, "ssh_key": SSH_KEY })).await;
    let both = [(SecretType::SshKey, SSH_KEY.to_owned()), (SecretType::Token, TOKEN.to_owned())];
    assert_eq!(decrypted(&api, &path).await, both);
    assert_eq!(presence(&api.get(&path, &ada).await.expect(200)), [false, true, true, false]);
    let list = api.get(&format!("{collection}/sources"), &ada).await.expect(200);
    assert_eq!(presence(&list["items"][0]), [false, true, true, false]);

    // A request without secrets keeps them; one with a secret replaces it.
    add(&api, &ada, &collection, Value::Null).await;
    assert_eq!(decrypted(&api, &path).await, both);
    add(&api, &ada, &collection, json!({ "token": "other", "ssh_key": null })).await;
    assert_eq!(decrypted(&api, &path).await[1], (SecretType::Token, "other".to_owned()));

    let change = json!({ "secrets": { "ssh_key": "", "password": "p", "ssh_passphrase": "" } });
    let changed = patch(&api, &ada, &path, change).await.expect(200);
    assert_eq!(presence(&changed), [true, true, false, false]);
    assert_eq!(decrypted(&api, &path).await[0], (SecretType::Password, "p".to_owned()));
    let audited = api
        .select(
            "SELECT string_agg(action || ' ' || (details ->> 'secrets_set') || coalesce(' without ' || \
            (details ->> 'secrets_deleted'), ''), E'\n' ORDER BY id) FROM collection_audit_log \
            WHERE details ? 'secrets_set'",
        )
        .await;
    insta::assert_snapshot!(audited, @r#"
    source_added ["token", "ssh_key"]
    source_read_again ["token"]
    source_updated ["password"] without ["ssh_key", "ssh_passphrase"]
    "#);
}

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Every row of every table as text.
async fn everything_stored(pool: &PgPool) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut text = String::new();
    for table in tables {
        let rows = format!("SELECT coalesce(string_agg(r::text, ' '), '') FROM \"{table}\" r");
        text += &sqlx::query_scalar::<_, String>(AssertSqlSafe(rows)).fetch_one(pool).await.unwrap();
    }
    text
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_secret_is_in_no_response_no_row_and_no_log(pool: PgPool) {
    let log = Log::default();
    let writer = {
        let log = log.clone();
        move || log.clone()
    };
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(writer).finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let api = Api::new(pool.clone());
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "notes").await;
    let sources = format!("{collection}/sources");
    let path = add(&api, &ada, &collection, json!({ "token": TOKEN, "ssh_key": SSH_KEY })).await;
    let mut answers = Vec::new();
    for (method, path, body) in [
        (Method::PATCH, &path, json!({ "secrets": { "token": TOKEN } })),
        (Method::PATCH, &path, json!({ "secrets": { "token": TOKEN, "other": SSH_KEY } })),
        (Method::PATCH, &path, json!({ "secrets": { "token": [TOKEN] } })),
        (Method::PATCH, &path, json!({ "secrets": TOKEN })),
        (Method::PATCH, &path, json!({ "secrets": [SSH_KEY] })),
        (Method::PATCH, &path, json!({ "secrets": { "token": TOKEN.repeat(3000) } })),
        (Method::PATCH, &path, json!({ "secrets": { "token": TOKEN }, "source_config": { "path": "/etc" } })),
        (Method::PATCH, &path, json!({ "secrets": { "token": TOKEN }, "source_config": 7 })),
        (Method::POST, &sources, json!({ "source_path": "/srv/docs/b", "secrets": { "password": TOKEN } })),
        (Method::POST, &sources, json!({ "source_path": "/srv/docs/b", "secrets": TOKEN })),
        (Method::POST, &sources, json!({ "source_path": "/etc", "secrets": { "password": TOKEN } })),
        (Method::POST, &sources, json!({ "source_type": "gopher", "secrets": { "ssh_key": SSH_KEY } })),
    ] {
        let answer = api.send(method, path, &ada, Some(&body)).await;
        answers.push(answer.status.as_u16());
        assert_no_trace("an answer", &format!("{:?} {}", answer.headers, answer.body));
    }
    assert_eq!(answers, [200, 422, 422, 422, 422, 422, 422, 422, 202, 422, 422, 422]);
    for path in [&path, &sources, &format!("{collection}/operations")] {
        assert_no_trace("an answer", &api.get(path, &ada).await.expect(200).to_string());
    }
    let stored = everything_stored(&pool).await;
    assert!(stored.contains("source_updated"), "{stored}");
    assert_no_trace("the database", &stored);
    assert_no_trace("the state", &format!("{:?}", api.state));
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("connector_secrets") && logged.contains("request handled"), "{logged}");
    assert_no_trace("the log", &logged);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn without_a_key_a_request_with_a_secret_changes_nothing(pool: PgPool) {
    let api =
        Api::new(pool).with_state(|state| state.secrets = ConnectorKeys::fixed(SecretCipher::default()));
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "notes").await;
    let body = json!({ "source_path": "/srv/docs/a", "secrets": { "token": TOKEN } });
    let refused = api.post(&format!("{collection}/sources"), &ada, body).await.problem(400);
    assert_eq!(
        refused,
        "secrets cannot be stored: this installation has no ConnectorSecret; ask the operator to set it"
    );
    assert_eq!(api.select("SELECT count(*)::text FROM collection_sources").await, "0");
    assert_eq!(api.select("SELECT count(*)::text FROM operations WHERE type = 'append'").await, "0");

    let path = add(&api, &ada, &collection, json!({})).await;
    let both = json!({ "source_config": { "path": "/srv/docs/b" }, "secrets": { "password": TOKEN } });
    patch(&api, &ada, &path, both).await.problem(400);
    assert_eq!(api.get(&path, &ada).await.expect(200)["source_path"], "/srv/docs/a");
    // Deleting a secret needs no key.
    patch(&api, &ada, &path, json!({ "secrets": { "token": "" } })).await.expect(200);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn concurrently_set_secrets_leave_one_of_each_type(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "notes").await;
    let path = add(&api, &ada, &collection, json!({})).await;
    let changes = (0..20).map(|n| {
        // In both orders.
        let secrets = if n % 2 == 0 {
            json!({ "token": format!("t{n}"), "password": format!("p{n}") })
        } else {
            json!({ "password": format!("p{n}"), "token": format!("t{n}") })
        };
        patch(&api, &ada, &path, json!({ "secrets": secrets }))
    });
    for answer in futures_util::future::join_all(changes).await {
        assert_eq!(presence(&answer.expect(200)), [true, true, false, false]);
    }
    let kept = decrypted(&api, &path).await;
    assert_eq!(kept[0].1[1..], kept[1].1[1..], "of one request: {kept:?}");
}
