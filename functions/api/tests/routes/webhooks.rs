//! Webhooks: what is accepted, and what is shown of secrets.

use auth::SecretCipher;
use domain::WebhookId;
use http::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use crate::harness::{Api, CONNECTOR_SECRETS_KEY, text};

const URL: &str = "https://hooks.example.org/semantik";

fn new(events: &[&str]) -> Value {
    json!({ "url": URL, "events": events })
}

fn errors(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().unwrap().iter();
    errors.map(|error| format!("{}: {}", text(&error["field"]), text(&error["message"]))).collect()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_secret_is_shown_once_and_stored_encrypted(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let made = api.post("/api/v2/webhooks", &ada, new(&["operation.completed"])).await.expect(201);
    let secret = text(&made["secret"]);
    assert!(secret.starts_with("whsec_"), "{made}");
    assert_eq!((&made["enabled"], &made["collection_id"]), (&true.into(), &Value::Null));
    let path = format!("/api/v2/webhooks/{}", text(&made["id"]));
    for answer in
        [api.get(&path, &ada).await.expect(200), api.get("/api/v2/webhooks", &ada).await.expect(200)]
    {
        assert!(!answer.to_string().contains("whsec_"), "{answer}");
    }
    let row =
        sqlx::query("SELECT ciphertext, key_id FROM webhook_secrets").fetch_one(&api.pool).await.unwrap();
    let ciphertext: Vec<u8> = row.get("ciphertext");
    assert!(!String::from_utf8_lossy(&ciphertext).contains(&secret[6..]));
    let id = WebhookId(text(&made["id"]).parse().unwrap());
    let cipher = SecretCipher::new(&CONNECTOR_SECRETS_KEY.into()).unwrap();
    let opened = cipher.open(id, row.get("key_id"), &ciphertext).unwrap();
    assert_eq!(opened.expose_secret(), secret);

    let rotate = format!("{path}/rotate-secret");
    let rotated = api.post(&rotate, &ada, json!({ "overlap_seconds": 60 })).await.expect(201);
    assert_ne!(text(&rotated["secret"]), secret);
    let rotate_again = api.send(Method::POST, &rotate, &ada, None).await.expect(201);
    assert_ne!(rotate_again["secret"], rotated["secret"]);
    let secrets = api.select("SELECT count(*)::text FROM webhook_secrets").await;
    assert_eq!(secrets, "2", "the current one and the one before");
    let problem = api.post(&rotate, &ada, json!({ "overlap_seconds": 604_801 })).await.expect(422);
    assert_eq!(errors(&problem), ["overlap_seconds: out of range; 0 to 604800 allowed, got 604801"]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn fields_are_checked(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let url = |url: &str| json!({ "url": url, "events": ["operation.completed"] });
    for (spelling, part) in [
        ("10.0.0.7", "ask the operator"),
        ("169.254.169.254", "never reached"),
        ("[::ffff:10.0.0.7]", "ask the operator"),
        ("0x0a000007", "ask the operator"),
        ("167772167", "ask the operator"),
    ] {
        let problem =
            api.post("/api/v2/webhooks", &ada, url(&format!("https://{spelling}/"))).await.expect(422);
        let errors = errors(&problem);
        assert!(
            errors.len() == 1 && errors[0].starts_with("url: ") && errors[0].contains(part),
            "{errors:?}"
        );
    }
    for refused in
        ["ftp://hooks.example.org", "https://", "not a URL", "https://ada:secret@hooks.example.org"]
    {
        let problem = api.post("/api/v2/webhooks", &ada, url(refused)).await.expect(422);
        assert!(
            errors(&problem)[0].starts_with("url: ") && !problem.to_string().contains("secret@"),
            "{problem}"
        );
    }
    let problem = api.post("/api/v2/webhooks", &ada, new(&[])).await.expect(422);
    assert_eq!(errors(&problem), ["events: wrong number of items; 1 to 6 allowed, got 0"]);
    let twice = ["ping", "source.failed", "source.failed"];
    let problem = api.post("/api/v2/webhooks", &ada, new(&twice)).await.expect(422);
    let fields: Vec<String> = errors(&problem);
    assert!(
        fields[0].starts_with("events[0]: sent by") && fields[1].starts_with("events[2]: duplicate"),
        "{fields:?}"
    );
    let problem = api.post("/api/v2/webhooks", &ada, new(&["document.read"])).await.expect(422);
    assert!(errors(&problem)[0].contains("document.read"), "{problem}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn only_who_administers_a_collection_subscribes_to_it(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, bob) = (api.sign_up("ada").await, api.sign_up("bob").await);
    let collection = api.create_collection(&ada, "notes").await;
    let id = collection.rsplit('/').next().unwrap().to_owned();
    let mut body = new(&["collection.degraded"]);
    body["collection_id"] = json!(id);
    let message = |problem: Value| errors(&problem).remove(0);
    let unknown = message(api.post("/api/v2/webhooks", &bob, body.clone()).await.expect(422));
    assert_eq!(unknown, format!("collection_id: no collection {id}, or you do not have access to it"));
    let grant = json!({ "username": "bob", "permission": "write" });
    api.post(&format!("{collection}/permissions"), &ada, grant).await.expect(201);
    let refused = message(api.post("/api/v2/webhooks", &bob, body.clone()).await.expect(422));
    assert_eq!(refused, "collection_id: insufficient access; admin access required, got write access");
    api.sql("UPDATE collection_permissions SET permission = 'admin'").await;
    let made = api.post("/api/v2/webhooks", &bob, body).await.expect(201);
    let path = format!("/api/v2/webhooks/{}", text(&made["id"]));
    api.get(&path, &ada).await.expect(404);
    let listed = api.get(&format!("/api/v2/webhooks?collection_id={id}"), &bob).await.expect(200);
    assert_eq!(listed["total"], 1);
    let nowhere = format!("/api/v2/webhooks?collection_id={}", Uuid::nil());
    assert_eq!(api.get(&nowhere, &bob).await.expect(200)["total"], 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_disabled_webhook_is_sent_nothing_and_starts_afresh(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let made = api.post("/api/v2/webhooks", &ada, new(&["operation.completed"])).await.expect(201);
    let path = format!("/api/v2/webhooks/{}", text(&made["id"]));
    let test = format!("{path}/test");
    let id = text(&api.send(Method::POST, &test, &ada, None).await.expect(202)["delivery_id"]);
    let redeliver = format!("{path}/deliveries/{id}/redeliver");
    let waits = api.send(Method::POST, &redeliver, &ada, None).await.problem(409);
    assert!(waits.starts_with("the delivery is still being attempted"), "{waits}");
    let pending = api.get(&format!("{path}/deliveries?state=pending&event=ping"), &ada).await.expect(200);
    assert_eq!((&pending["total"], &pending["deliveries"][0]["id"]), (&1.into(), &id.clone().into()));
    assert_eq!(pending["deliveries"][0]["payload"]["type"], "ping");

    let off = json!({ "enabled": false });
    api.send(Method::PATCH, &path, &ada, Some(&off)).await.expect(200);
    let cancelled = api.get(&format!("{path}/deliveries?state=cancelled"), &ada).await.expect(200);
    assert_eq!(cancelled["deliveries"][0]["last_error"], "the webhook was disabled");
    assert_eq!(cancelled["deliveries"][0]["next_attempt_at"], Value::Null);
    api.send(Method::POST, &test, &ada, None).await.problem(409);
    api.send(Method::POST, &redeliver, &ada, None).await.problem(409);
    api.sql("UPDATE webhooks SET failures = 9, failing_since = now(), disabled_reason = 'it failed'").await;
    let on = json!({ "enabled": true });
    let enabled = api.send(Method::PATCH, &path, &ada, Some(&on)).await.expect(200);
    assert_eq!((&enabled["failures"], &enabled["disabled_reason"]), (&0.into(), &Value::Null));
    let again = api.send(Method::POST, &redeliver, &ada, None).await.expect(202);
    assert_eq!((&again["id"], &again["state"]), (&id.into(), &"pending".into()));

    api.delete(&path, &ada).await.expect(204);
    api.get(&path, &ada).await.expect(404);
    assert_eq!(api.select("SELECT count(*)::text FROM webhook_deliveries").await, "0");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_account_has_at_most_twenty_webhooks_and_retries_create_none(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let key = [("idempotency-key", "once")];
    let body = new(&["operation.completed"]);
    api.send_with(Method::POST, "/api/v2/webhooks", &ada, Some(&body), &key).await.expect(201);
    let again = api.send_with(Method::POST, "/api/v2/webhooks", &ada, Some(&body), &key).await.problem(409);
    assert!(again.contains("shown only once"), "{again}");
    api.sql(
        "INSERT INTO webhooks (id, user_id, url, events)
        SELECT gen_random_uuid(), id, 'https://hooks.example.org', '{ping}' FROM users, generate_series(1, 19)",
    )
    .await;
    let full = api.post("/api/v2/webhooks", &ada, body).await.problem(409);
    assert_eq!(full, "you have 20 webhooks; the maximum is 20, so delete one that is not needed");
}
