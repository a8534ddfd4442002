//! API keys: creation, restrictions, changes, rotation, revocation, deletion.

use http::{Method, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Api, text};

const KEYS: &str = "/api/v2/api-keys";

async fn create(api: &Api, token: &str, body: Value) -> Value {
    api.post(KEYS, token, body).await.expect(201)
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn key_is_shown_once_and_respects_scope_and_collections(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "inside").await;
    let outside = api.create_collection(&token, "outside").await;
    let id = collection.rsplit('/').next().unwrap();
    let body = json!({ "name": " ci ", "scope": "read", "collection_ids": [id], "expires_in_days": 7 });
    let created = create(&api, &token, body).await;
    insta::assert_json_snapshot!(created, {
        ".id" => "[id]", ".collection_ids[]" => "[id]", ".expires_at" => "[time]", ".created_at" => "[time]",
        ".api_key" => "[secret]",
    }, @r#"
    {
      "api_key": "[secret]",
      "collection_ids": [
        "[id]"
      ],
      "created_at": "[time]",
      "expires_at": "[time]",
      "id": "[id]",
      "is_active": true,
      "last_used_at": null,
      "name": "ci",
      "permissions": null,
      "scope": "read"
    }
    "#);
    let lives: String =
        api.select("SELECT round(extract(epoch FROM expires_at - now()) / 86400)::text FROM api_keys").await;
    assert_eq!(lives, "7");

    let key = text(&created["api_key"]);
    api.get(&collection, &key).await.expect(200);
    api.get(&outside, &key).await.expect(404);
    api.delete(&collection, &key).await.expect(403);
    let listed = api.get(KEYS, &token).await.expect(200);
    assert_eq!((&listed["total"], &listed["page"], &listed["per_page"]), (&json!(1), &json!(1), &json!(50)));
    assert_eq!(listed["api_keys"][0]["name"], "ci");
    assert!(listed["api_keys"][0]["last_used_at"].is_string());
    assert!(!listed.to_string().contains(&key[14..]));
    let stored = api.select("SELECT encode(key_hash, 'escape') || api_keys::text FROM api_keys").await;
    assert!(!stored.contains(&key[14..]));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn all_invalid_fields_of_a_key_are_reported_at_once(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let eve = api.sign_up("eve").await;
    let hidden = api.create_collection(&eve, "hidden").await;
    let id = hidden.rsplit('/').next().unwrap();
    let body = json!({ "name": "", "scope": "owner", "expires_in_days": 0, "collection_ids": [id] });
    let refused = api.post(KEYS, &token, body).await.problem(422);
    let expected = format!(
        "name: wrong length; 1 to 100 characters allowed, got 0; scope: unknown value; read, write, admin allowed, got \"owner\"; \
        expires_in_days: out of range; 1 to 3650 allowed, got 0; collection_ids: no collection {id}, or you do not have access to it"
    );
    assert_eq!(refused, expected);
    let empty = api.post(KEYS, &token, json!({ "name": "x", "collection_ids": [] })).await.problem(422);
    assert!(empty.starts_with("collection_ids: wrong number of items; 1 to 100 allowed, got 0"), "{empty}");

    create(&api, &token, json!({ "name": "CI" })).await;
    let taken = api.post(KEYS, &token, json!({ "name": "ci" })).await.problem(409);
    assert_eq!(taken, "you already have an API key named \"ci\"; choose another name");
    // Names are unique per user.
    create(&api, &eve, json!({ "name": "ci" })).await;
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn changes_of_a_key_take_effect_with_its_next_request(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let created = create(&api, &token, json!({ "name": "ci", "scope": "read" })).await;
    let (path, key) = (format!("{KEYS}/{}", text(&created["id"])), text(&created["api_key"]));
    let seen = api.get(&path, &token).await;
    let version = seen.headers[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(seen.expect(200)["permissions"], Value::Null);

    let revoke = json!({ "is_active": false });
    let revoked = api.send_with(Method::PATCH, &path, &token, Some(&revoke), &[("if-match", &version)]).await;
    assert_ne!(revoked.headers[header::ETAG], version);
    assert_eq!(revoked.expect(200)["is_active"], false);
    assert_eq!(api.get("/api/auth/me", &key).await.problem(401), "The API key is revoked");
    let late = api.send_with(Method::PATCH, &path, &token, Some(&revoke), &[("if-match", &version)]).await;
    assert!(late.problem(412).contains("has changed since"));

    let change = json!({ "is_active": true, "name": "nightly", "scope": "write" });
    let changed = api.send(Method::PATCH, &path, &token, Some(&change)).await.expect(200);
    assert_eq!((&changed["name"], &changed["scope"]), (&json!("nightly"), &json!("write")));
    api.post("/api/v2/collections", &key, json!({ "name": "made by a key" })).await.expect(201);

    let collection = api.create_collection(&token, "c").await;
    let id = collection.rsplit('/').next().unwrap();
    let limit = json!({ "collection_ids": [id] });
    api.send(Method::PATCH, &path, &token, Some(&limit)).await.expect(200);
    api.post("/api/v2/collections", &key, json!({ "name": "another" })).await.expect(403);
    let lift = json!({ "collection_ids": null });
    let lifted = api.send(Method::PATCH, &path, &token, Some(&lift)).await.expect(200);
    assert_eq!(lifted["collection_ids"], Value::Null);
    api.post("/api/v2/collections", &key, json!({ "name": "another" })).await.expect(201);

    let changes = api
        .select(
            "SELECT string_agg((details #>> '{before,is_active}') || '>' || (details #>> '{after,is_active}'),
                ' ' ORDER BY id)
            FROM collection_audit_log WHERE action = 'api_key_changed'",
        )
        .await;
    assert_eq!(changes, "true>false false>true true>true true>true");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn rotation_replaces_the_secret_and_rejects_the_old_one(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let created = create(&api, &token, json!({ "name": "ci" })).await;
    let (path, old) = (format!("{KEYS}/{}", text(&created["id"])), text(&created["api_key"]));
    let rotated = api.send(Method::POST, &format!("{path}/rotate"), &token, None).await.expect(201);
    let new = text(&rotated["api_key"]);
    assert_eq!((&rotated["id"], &rotated["expires_at"]), (&created["id"], &created["expires_at"]));
    assert_eq!(api.get("/api/auth/me", &old).await.problem(401), "The API key is not valid");
    api.get("/api/auth/me", &new).await.expect(200);

    api.sql("UPDATE api_keys SET expires_at = now() - interval '1 minute'").await;
    let expired = api.send(Method::POST, &format!("{path}/rotate"), &token, None).await.problem(409);
    assert!(expired.ends_with("send expires_in_days to extend it"), "{expired}");
    let body = json!({ "expires_in_days": 1 });
    let renewed = api.post(&format!("{path}/rotate"), &token, body).await.expect(201);
    api.get("/api/auth/me", &text(&renewed["api_key"])).await.expect(200);

    api.delete(&path, &token).await.expect(204);
    api.get("/api/auth/me", &text(&renewed["api_key"])).await.expect(401);
    api.get(&path, &token).await.expect(404);
    api.delete(&path, &token).await.expect(404);
    let actions = api
        .select("SELECT string_agg(action, ' ' ORDER BY id) FROM collection_audit_log WHERE action LIKE 'api_key%'")
        .await;
    assert_eq!(actions, "api_key_created api_key_rotated api_key_rotated api_key_deleted");
    let details = api.select("SELECT string_agg(details::text, ' ') FROM collection_audit_log").await;
    assert!(!details.contains("smtk_") && !details.contains("hash"), "{details}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn at_most_twenty_keys_are_active(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let mut paths = Vec::new();
    for n in 0..20 {
        let created = create(&api, &token, json!({ "name": format!("key {n}") })).await;
        paths.push(format!("{KEYS}/{}", text(&created["id"])));
    }
    let full = api.post(KEYS, &token, json!({ "name": "one more" })).await.problem(400);
    assert!(full.starts_with("you have 20 active API keys; the maximum is 20"), "{full}");
    api.send(Method::PATCH, &paths[0], &token, Some(&json!({ "is_active": false }))).await.expect(200);
    create(&api, &token, json!({ "name": "one more" })).await;
    // Reactivation counts like creation; expired keys do not count.
    let reactivate = json!({ "is_active": true });
    api.send(Method::PATCH, &paths[0], &token, Some(&reactivate)).await.problem(400);
    api.sql("UPDATE api_keys SET expires_at = now() WHERE name = 'key 7'").await;
    api.send(Method::PATCH, &paths[0], &token, Some(&reactivate)).await.expect(200);
    let rotate = json!({ "expires_in_days": 9 });
    api.post(&format!("{}/rotate", paths[7]), &token, rotate).await.problem(400);
    let page = api.get(&format!("{KEYS}?page=2&per_page=15"), &token).await.expect(200);
    assert_eq!((page["api_keys"].as_array().unwrap().len(), &page["total"]), (6, &json!(21)));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn keys_belong_to_their_user_and_cannot_manage_keys(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let eve = api.sign_up("eve").await;
    let created = create(&api, &token, json!({ "name": "ci" })).await;
    let (path, key) = (format!("{KEYS}/{}", text(&created["id"])), text(&created["api_key"]));
    let rename = json!({ "name": "mine" });
    let routes = [
        (Method::GET, path.clone(), None),
        (Method::PATCH, path.clone(), Some(&rename)),
        (Method::POST, format!("{path}/rotate"), None),
        (Method::DELETE, path.clone(), None),
    ];
    for (method, path, body) in routes {
        api.send(method.clone(), &path, &eve, body).await.expect(404);
        let refused = api.send(method, &path, &key, body).await.problem(403);
        assert!(refused.starts_with("API keys are not allowed here"), "{refused}");
    }
    api.post(KEYS, &key, rename.clone()).await.expect(403);
    api.get(KEYS, &key).await.expect(403);
    assert_eq!(api.get(KEYS, &eve).await.expect(200)["total"], 0);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn repeated_creation_creates_no_second_key_and_shows_no_secret(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let body = json!({ "name": "ci" });
    let post = || api.send_with(Method::POST, KEYS, &token, Some(&body), &[("idempotency-key", "k-1")]);
    let created = post().await.expect(201);
    let again = post().await.problem(409);
    assert!(again.contains(&format!("/{}/rotate", text(&created["id"]))), "{again}");
    assert_eq!(api.select("SELECT count(*)::text FROM api_keys").await, "1");
    let kept = api.select("SELECT idempotency_keys::text FROM idempotency_keys").await;
    assert!(!kept.contains("smtk_"), "{kept}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_key_without_a_scope_reads_and_lives_a_year(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let created = create(&api, &token, json!({ "name": "ci" })).await;
    assert_eq!((&created["scope"], &created["collection_ids"]), (&json!("read"), &Value::Null));
    let days = "SELECT round(extract(epoch FROM expires_at - now()) / 86400)::text FROM api_keys";
    assert_eq!(api.select(days).await, "365");
    let key = text(&created["api_key"]);
    api.get(&collection, &key).await.expect(200);
    api.delete(&collection, &key).await.problem(403);
    // A misspelt limit is refused, so that it cannot be passed over.
    for field in ["scopes", "collections", "expires_at"] {
        let refused = api.post(KEYS, &token, json!({ "name": "other", field: [] })).await.problem(422);
        assert!(refused.starts_with(&format!("{field}: unknown field")), "{refused}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_limited_key_changes_nothing_account_wide(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let inside = api.create_collection(&token, "inside").await;
    let outside = api.create_collection(&token, "outside").await;
    let ids = [&inside, &outside].map(|path| text(&json!(path.rsplit('/').next().unwrap())));
    let profile = json!({ "name": "all", "collection_ids": ids });
    let profile = api.post("/api/v2/mcp/profiles", &token, profile).await.expect(201);
    let profile = format!("/api/v2/mcp/profiles/{}", text(&profile["id"]));
    let (_, key) = api.api_key("ada", "admin", &[ids[0].parse().unwrap()]).await;
    let put = json!({ "search": { "top_k": 25 } });
    for refused in [
        api.send(Method::PUT, "/api/v2/preferences", &key, Some(&put)).await,
        api.post("/api/v2/preferences/reset/search", &key, Value::Null).await,
        api.post("/api/v2/mcp/profiles", &key, json!({ "name": "mine", "collection_ids": [ids[0]] })).await,
        api.send(Method::PUT, &profile, &key, Some(&json!({ "enabled": false }))).await,
        api.delete(&profile, &key).await,
        api.post("/api/v2/collections", &key, json!({ "name": "new" })).await,
    ] {
        let refused = refused.problem(403);
        assert!(refused.starts_with("This API key is limited to some collections"), "{refused}");
    }
    // It sees of a profile what it can search.
    let seen = api.get(&profile, &key).await.expect(200);
    assert_eq!(seen["collections"], json!([{ "id": ids[0], "name": "inside" }]));
    assert_eq!(seen["collection_ids"], json!([ids[0]]));
}
