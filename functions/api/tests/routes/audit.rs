//! Listing and filtering the audit log.

mod changes;

use http::StatusCode;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Api, text};

fn actions(list: &Value) -> Vec<String> {
    list["entries"].as_array().unwrap().iter().map(|entry| text(&entry["action"])).collect()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn collection_admins_read_the_audit_log_of_the_collection(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "handbooks").await;
    api.create_collection(&ada, "others").await;
    let grant = json!({ "username": "grace", "permission": "write" });
    api.post(&format!("{path}/permissions"), &ada, grant).await.expect(201);
    let (_, key) = api.api_key("grace", "write", &[]).await;
    api.post(&format!("{path}/sources"), &key, json!({ "source_path": "/srv/docs/a" })).await.expect(202);

    let log = format!("{path}/audit-log");
    api.get(&log, &grace).await.problem(403);
    let all = api.get(&log, &ada).await.expect(200);
    assert_eq!(actions(&all), ["source_added", "permission_granted", "collection_created"]);
    assert_eq!((&all["total"], &all["next_before_id"]), (&json!(3), &Value::Null));
    insta::assert_json_snapshot!(all["entries"][0], {
        ".id" => "[id]", ".api_key_id" => "[id]", ".api_key_name" => "[name]", ".collection_id" => "[id]",
        ".operation_id" => "[id]", ".request_id" => "[id]", ".created_at" => "[time]",
        ".details.source_id" => "[id]",
    }, @r#"
    {
      "action": "source_added",
      "api_key_id": "[id]",
      "api_key_name": "[name]",
      "collection_id": "[id]",
      "collection_name": "handbooks",
      "created_at": "[time]",
      "details": {
        "source_id": "[id]",
        "source_path": "/srv/docs/a",
        "source_type": "directory"
      },
      "id": "[id]",
      "ip_address": null,
      "operation_id": "[id]",
      "request_id": "[id]",
      "user_agent": null,
      "user_id": 2,
      "username": "grace"
    }
    "#);

    let first = api.get(&format!("{log}?limit=2"), &ada).await.expect(200);
    assert_eq!(actions(&first), ["source_added", "permission_granted"]);
    let next = first["next_before_id"].as_i64().unwrap();
    let second = api.get(&format!("{log}?limit=2&before_id={next}"), &ada).await.expect(200);
    assert_eq!(actions(&second), ["collection_created"]);
    assert_eq!((&second["total"], &second["next_before_id"]), (&json!(3), &Value::Null));

    let by_grace = api.get(&format!("{log}?user_id=2"), &ada).await.expect(200);
    assert_eq!(actions(&by_grace), ["source_added"]);
    let of_action = api.get(&format!("{log}?action=collection_created"), &ada).await.expect(200);
    assert_eq!(of_action["total"], 1);
    let none = api.get(&format!("{log}?to=2026-01-01T00:00:00Z"), &ada).await.expect(200);
    assert_eq!(none["entries"], json!([]));
    let wrong = api.get(&format!("{log}?from=yesterday&limit=0&action=%00"), &ada).await.problem(422);
    assert_eq!(
        wrong,
        "action: contains a NUL character; every other character is allowed; from: wrong format; an RFC 3339 time like 2026-01-31T00:00:00Z allowed, got \"yesterday\"; \
         limit: out of range; 1 to 100 allowed, got 0"
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn superusers_read_entries_of_deleted_collections(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&grace, "Secret plans").await;
    api.delete(&path, &grace).await.expect(204);
    api.sql("DELETE FROM collections").await;
    api.get(&format!("{path}/audit-log"), &grace).await.problem(404);
    api.get("/api/v2/audit-log", &grace).await.problem(403);

    let found = api.get("/api/v2/audit-log?collection_name=secret+plans", &ada).await.expect(200);
    assert_eq!(actions(&found), ["collection_deleted", "collection_created"]);
    assert_eq!(found["entries"][0]["collection_id"], Value::Null);
    assert_eq!(
        (&found["entries"][0]["username"], &found["entries"][0]["user_id"]),
        (&json!("grace"), &json!(2))
    );
    let all = api.get("/api/v2/audit-log?limit=1", &ada).await.expect(200);
    let total = api.select("SELECT count(*)::text FROM collection_audit_log").await;
    assert_eq!(all["total"].to_string(), total);

    let id = path.rsplit('/').next().unwrap();
    let gone = api.get(&format!("/api/v2/audit-log?collection_id={id}"), &ada).await.expect(200);
    assert_eq!(gone["total"], 0);
    let wrong = api.get("/api/v2/audit-log?collection_id=7", &ada).await.problem(422);
    assert_eq!(wrong, "collection_id: wrong format; a UUID allowed, got \"7\"");
    let day =
        api.get("/api/v2/audit-log?from=2026-01-01T00:00:00Z&to=2126-01-01T00:00:00%2B01:00", &ada).await;
    assert_eq!(day.status, StatusCode::OK);
    assert_eq!(day.body["total"].to_string(), total);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_log_of_a_collection_does_not_say_where_others_sign_in_from(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace, root) = {
        let root = api.sign_up("root").await;
        (api.sign_up("ada").await, api.sign_up("grace").await, root)
    };
    let path = api.create_collection(&ada, "handbooks").await;
    let grant = json!({ "username": "grace", "permission": "admin" });
    api.post(&format!("{path}/permissions"), &ada, grant).await.expect(201);
    api.sql("UPDATE collection_audit_log SET ip_address = '192.0.2.7', user_agent = 'browser'").await;
    let origins = async |path: &str, token: &str| {
        let log = api.get(path, token).await.expect(200);
        let entries = log["entries"].as_array().unwrap().clone();
        let entries = entries.iter().filter(|entry| entry["collection_id"].is_string());
        entries.map(|entry| (entry["ip_address"].clone(), entry["user_agent"].clone())).collect::<Vec<_>>()
    };
    let (own, hidden) = ((json!("192.0.2.7"), json!("browser")), (Value::Null, Value::Null));
    let log = format!("{path}/audit-log");
    assert_eq!(origins(&log, &grace).await, [hidden.clone(), hidden]);
    assert_eq!(origins(&log, &ada).await, [own.clone(), own.clone()]);
    assert_eq!(origins("/api/v2/audit-log", &root).await, [own.clone(), own]);
}
