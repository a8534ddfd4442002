//! Permissions of users and API keys.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Answer, Api, text};

async fn grant(api: &Api, token: &str, path: &str, who: Value, permission: &str) -> Answer {
    let mut body = who;
    body["permission"] = json!(permission);
    api.post(&format!("{path}/permissions"), token, body).await
}

fn id_of(path: &str) -> Uuid {
    path.rsplit('/').next().unwrap().parse().unwrap()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn permission_takes_effect_with_the_next_request_until_it_is_revoked(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "handbooks").await;
    let source = json!({ "source_path": "/srv/docs/a" });
    api.get(&path, &grace).await.expect(404);

    let granted = grant(&api, &ada, &path, json!({ "username": "Grace" }), "read").await.expect(201);
    insta::assert_json_snapshot!(granted, {".created_at" => "[time]"}, @r#"
    {
      "created_at": "[time]",
      "grantee": {
        "user_id": 2,
        "username": "grace"
      },
      "id": 1,
      "permission": "read"
    }
    "#);
    assert_eq!(api.get(&path, &grace).await.expect(200)["access"], "read");
    assert_eq!(api.get("/api/v2/collections", &grace).await.expect(200)["total"], 1);
    api.post(&format!("{path}/sources"), &grace, source.clone()).await.problem(403);

    let changed = grant(&api, &ada, &path, json!({ "user_id": 2 }), "write").await.expect(200);
    assert_eq!((&changed["id"], &changed["permission"]), (&granted["id"], &json!("write")));
    api.post(&format!("{path}/sources"), &grace, source).await.expect(202);
    api.get(&format!("{path}/permissions"), &grace).await.problem(403);
    let listed = api.get(&format!("{path}/permissions?per_page=1"), &ada).await.expect(200);
    assert_eq!(listed, json!({ "permissions": [changed], "total": 1, "page": 1, "per_page": 1 }));

    let one = format!("{path}/permissions/{}", changed["id"]);
    api.delete(&one, &grace).await.problem(403);
    api.delete(&one, &ada).await.expect(204);
    api.delete(&one, &ada).await.expect(404);
    api.get(&path, &grace).await.expect(404);
    let changes = api.select(
        "SELECT string_agg(action || ': ' || (details->>'before' IS NULL)::text || ' ' || coalesce(details->>'after', 'nothing')
            || ' to ' || (details->>'username') || ' by ' || username, E'\\n' ORDER BY id)
        FROM collection_audit_log WHERE action LIKE 'permission%' AND request_id IS NOT NULL",
    );
    insta::assert_snapshot!(changes.await, @r"
    permission_granted: true read to grace by ada
    permission_changed: false write to grace by ada
    permission_revoked: false nothing to grace by ada
    ");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn granting_the_same_permission_again_changes_nothing(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, _) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "handbooks").await;
    let first = grant(&api, &ada, &path, json!({ "username": "grace" }), "write").await.expect(201);
    let again = grant(&api, &ada, &path, json!({ "username": "grace" }), "write").await.expect(200);
    assert_eq!(first, again);
    let body = json!({ "username": "grace", "permission": "read" });
    for replayed in [false, true] {
        let path = format!("{path}/permissions");
        let key = [("idempotency-key", "k")];
        let answer = api.send_with(Method::POST, &path, &ada, Some(&body), &key).await;
        assert_eq!(answer.headers.contains_key("idempotency-replayed"), replayed);
        assert_eq!(answer.expect(200)["permission"], "read");
    }
    let rows = api.select("SELECT count(*)::text FROM collection_audit_log WHERE action LIKE 'permission%'");
    assert_eq!(rows.await, "2");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn ineffective_grants_are_rejected(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, _, _) = (api.sign_up("ada").await, api.sign_up("grace").await, api.sign_up("gone").await);
    let path = api.create_collection(&ada, "handbooks").await;
    let (own, _) = api.api_key("ada", "read", &[]).await;
    let (orphan, _) = api.api_key("gone", "admin", &[]).await;
    let (revoked, _) = api.api_key("grace", "admin", &[]).await;
    let (expired, _) = api.api_key("grace", "read", &[]).await;
    api.sql("UPDATE users SET is_active = FALSE WHERE username = 'gone'").await;
    api.sql("UPDATE api_keys SET is_active = FALSE WHERE scope = 'admin' AND user_id = 2").await;
    api.sql("UPDATE api_keys SET expires_at = '2026-01-01Z' WHERE scope = 'read' AND user_id = 2").await;
    let mut details = Vec::new();
    for (who, permission) in [
        (json!({ "username": "ada" }), "read"),
        (json!({ "user_id": 1 }), "admin"),
        (json!({ "username": "nobody" }), "read"),
        (json!({ "username": "gone" }), "read"),
        (json!({ "username": "a\u{0}" }), "read"),
        (json!({ "user_id": 99 }), "read"),
        (json!({}), "owner"),
        (json!({ "username": "grace", "user_id": 2 }), "read"),
        (json!({ "email": "nobody@example.org" }), "read"),
        (json!({ "email": "gone@example.org" }), "read"),
        (json!({ "api_key_id": Uuid::nil() }), "read"),
        (json!({ "api_key_id": orphan }), "read"),
        (json!({ "api_key_id": revoked }), "read"),
        (json!({ "api_key_id": expired }), "read"),
        (json!({ "api_key_id": own }), "read"),
    ] {
        details.push(grant(&api, &ada, &path, who, permission).await.problem(422));
    }
    let mut details = details.join("\n");
    for (id, name) in [(orphan, "orphan"), (revoked, "revoked"), (expired, "expired"), (own, "own")] {
        details = details.replace(&id.to_string(), name);
    }
    insta::assert_snapshot!(details, @r#"
    username: is the collection's owner, who has full access already; choose another user
    user_id: is the collection's owner, who has full access already; choose another user
    username: no active account with username "nobody"
    username: no active account with username "gone"
    username: no active account with username "a\0"
    user_id: no active account 99 that you share a collection with; name the user by username or email
    permission: unknown permission; read, write, admin allowed, got "owner"; username: exactly one of username, email, user_id and api_key_id is required, got 0
    username: exactly one of username, email, user_id and api_key_id is required, got 2
    email: no account that can be identified by this email address; name the user by username
    email: no account that can be identified by this email address; name the user by username
    api_key_id: no active API key 00000000-0000-0000-0000-000000000000 of an active account
    api_key_id: no active API key orphan of an active account
    api_key_id: no active API key revoked of an active account
    api_key_id: no active API key expired of an active account
    api_key_id: API key own belongs to the collection's owner and has access already, within its scope
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM collection_permissions").await, "0");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn only_the_owner_grants_and_revokes_admin(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let (grace, _, _) = (api.sign_up("grace").await, api.sign_up("alan").await, api.sign_up("kurt").await);
    let path = api.create_collection(&ada, "handbooks").await;
    let own = grant(&api, &ada, &path, json!({ "username": "grace" }), "admin").await.expect(201);
    let other = grant(&api, &ada, &path, json!({ "username": "alan" }), "admin").await.expect(201);

    grant(&api, &grace, &path, json!({ "username": "kurt" }), "write").await.expect(201);
    let refused = grant(&api, &grace, &path, json!({ "username": "kurt" }), "admin").await.problem(403);
    assert!(refused.starts_with("you have admin access to collection "), "{refused}");
    assert!(refused.ends_with("; only its owner can grant, change or revoke admin permissions"), "{refused}");
    grant(&api, &grace, &path, json!({ "username": "alan" }), "read").await.problem(403);
    api.delete(&format!("{path}/permissions/{}", other["id"]), &grace).await.problem(403);
    let listed = api.get(&format!("{path}/permissions"), &grace).await.expect(200);
    let levels: Vec<&Value> =
        listed["permissions"].as_array().unwrap().iter().map(|row| &row["permission"]).collect();
    assert_eq!(levels, ["admin", "admin", "write"]);

    // Callers can drop their own admin permission.
    api.delete(&format!("{path}/permissions/{}", own["id"]), &grace).await.expect(204);
    api.delete(&format!("{path}/permissions/{}", other["id"]), &ada).await.expect(204);
    // Permissions of another collection are not found.
    let elsewhere = api.create_collection(&ada, "others").await;
    api.delete(&format!("{elsewhere}/permissions/{}", 3), &ada).await.problem(404);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn api_keys_do_not_share_whatever_their_scope(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    api.register("grace").await;
    let path = api.create_collection(&ada, "handbooks").await;
    let granted = grant(&api, &ada, &path, json!({ "username": "grace" }), "read").await.expect(201);
    let (_, key) = api.api_key("ada", "admin", &[]).await;
    let refusals = [
        grant(&api, &key, &path, json!({ "username": "grace" }), "write").await,
        api.delete(&format!("{path}/permissions/{}", granted["id"]), &key).await,
        api.post(&format!("{path}/owner"), &key, json!({ "username": "grace" })).await,
        api.send(Method::PATCH, &path, &key, Some(&json!({ "is_public": true }))).await,
        api.post("/api/v2/collections", &key, json!({ "name": "public", "is_public": true })).await,
    ];
    for refused in refusals {
        assert!(refused.problem(403).starts_with("API keys are not allowed here"));
    }
    // Everything else that an owner may do, the key still does.
    let renamed =
        api.send(Method::PATCH, &path, &key, Some(&json!({ "name": "books", "is_public": false }))).await;
    assert_eq!(renamed.expect(200)["name"], "books");
    api.get(&format!("{path}/permissions"), &key).await.expect(200);
    api.post("/api/v2/collections", &key, json!({ "name": "private" })).await.expect(201);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn users_are_named_by_username_or_email_and_by_id_only_within_a_common_collection(pool: PgPool) {
    let api = Api::new(pool);
    // The first account is a superuser, who can name anybody.
    let (root, ada) = (api.sign_up("root").await, api.sign_up("ada").await);
    let alan = api.sign_up("alan").await;
    api.register("grace").await;
    let path = api.create_collection(&ada, "handbooks").await;
    let unknown = |id: i64| {
        format!(
            "user_id: no active account {id} that you share a collection with; name the user by username or email"
        )
    };
    // Neither an existing account nor a missing one is confirmed.
    for id in [4, 99] {
        let refused = grant(&api, &ada, &path, json!({ "user_id": id }), "read").await.problem(422);
        assert_eq!(refused, unknown(id));
    }
    let granted =
        grant(&api, &ada, &path, json!({ "email": " Grace@Example.org" }), "read").await.expect(201);
    assert_eq!(granted["grantee"], json!({ "user_id": 4, "username": "grace" }));
    grant(&api, &ada, &path, json!({ "user_id": 4 }), "write").await.expect(200);
    // Members of a common collection are known in every other one; a public collection is not common.
    let other = api.create_collection(&ada, "others").await;
    grant(&api, &ada, &other, json!({ "user_id": 4 }), "read").await.expect(201);
    let elsewhere = api.create_collection(&alan, "elsewhere").await;
    api.sql("UPDATE collections SET is_public = TRUE").await;
    let refused = grant(&api, &alan, &elsewhere, json!({ "user_id": 4 }), "read").await.problem(422);
    assert_eq!(refused, unknown(4));
    let own = api.create_collection(&root, "administration").await;
    grant(&api, &root, &own, json!({ "user_id": 4 }), "read").await.expect(201);

    // An address that two accounts claim identifies nobody.
    let body =
        json!({ "username": "eve", "email": "grace@example.org", "password": crate::harness::PASSWORD });
    api.post("/api/auth/register", "", body).await.expect(201);
    let refused =
        grant(&api, &alan, &elsewhere, json!({ "email": "grace@example.org" }), "read").await.problem(422);
    assert_eq!(
        refused,
        "email: no account that can be identified by this email address; name the user by username"
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn permission_of_a_key_excludes_its_user_and_respects_its_scope(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "handbooks").await;
    let (key_id, key) = api.api_key("grace", "read", &[Uuid::nil()]).await;
    let granted = grant(&api, &ada, &path, json!({ "api_key_id": key_id }), "admin").await.expect(201);
    assert_eq!(granted["grantee"], json!({ "api_key_id": key_id, "name": key_id, "username": "grace" }));
    api.get(&path, &grace).await.expect(404);
    let own = api.get(&format!("{path}/permissions/me"), &key).await.expect(200);
    assert_eq!((&own["access"], &own["permissions"]), (&json!("read"), &json!([granted])));
    api.get(&format!("{path}/permissions"), &key).await.problem(403);
    assert_eq!(api.get("/api/v2/collections", &key).await.expect(200)["total"], 1);

    api.delete(&format!("{path}/permissions/me"), &key).await.expect(204);
    api.get(&path, &key).await.expect(404);
    let audit = "SELECT details::text || (api_key_id IS NOT NULL) FROM collection_audit_log WHERE action = 'permission_given_up'";
    let audit = api.select(audit).await;
    assert!(audit.contains(&key_id.to_string()) && audit.ends_with("true"), "{audit}");

    // A permission extends a restricted key of the owner to one more collection.
    let (limited_id, limited) = api.api_key("ada", "write", &[Uuid::nil()]).await;
    api.get(&path, &limited).await.expect(404);
    grant(&api, &ada, &path, json!({ "api_key_id": limited_id }), "read").await.expect(201);
    assert_eq!(api.get(&path, &limited).await.expect(200)["access"], "read");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn callers_see_and_revoke_their_own_permissions(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "handbooks").await;
    let me = format!("{path}/permissions/me");
    let granted = grant(&api, &ada, &path, json!({ "username": "grace" }), "write").await.expect(201);
    let own = api.get(&me, &grace).await.expect(200);
    assert_eq!(
        own,
        json!({ "collection_id": id_of(&path), "access": "write", "is_public": false, "permissions": [granted] })
    );
    // A key cannot revoke the permission of its user.
    let (_, key) = api.api_key("grace", "admin", &[]).await;
    assert_eq!(api.get(&me, &key).await.expect(200)["permissions"], json!([granted]));
    api.delete(&me, &key).await.expect(204);
    assert_eq!(api.get(&me, &grace).await.expect(200)["access"], "write");
    api.delete(&me, &grace).await.expect(204);
    api.delete(&me, &grace).await.expect(404);
    api.get(&path, &key).await.expect(404);
    // Owners have no permission to revoke.
    api.delete(&me, &ada).await.expect(204);
    assert_eq!(api.get(&me, &ada).await.expect(200)["access"], "owner");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn fifty_parallel_grants_and_revocations_leave_at_most_one_row(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "handbooks").await;
    api.sql("UPDATE collections SET is_public = TRUE").await;
    let change = |number: usize| {
        let (api, ada, grace, path) = (&api, &ada, &grace, &path);
        async move {
            match number % 5 {
                0..=2 => {
                    let permission = ["read", "write", "admin"][number % 5];
                    grant(api, ada, path, json!({ "username": "grace" }), permission).await.status
                }
                3 => api.delete(&format!("{path}/permissions/me"), grace).await.status,
                _ => {
                    let listed = api.get(&format!("{path}/permissions"), ada).await.expect(200);
                    let id = listed["permissions"][0]["id"].as_i64().unwrap_or(0);
                    api.delete(&format!("{path}/permissions/{id}"), ada).await.status
                }
            }
        }
    };
    let mut statuses = BTreeMap::<u16, usize>::new();
    for status in join_all((0..50).map(change)).await {
        *statuses.entry(status.as_u16()).or_default() += 1;
    }
    assert!(statuses.keys().all(|status| [200, 201, 204, 404].contains(status)), "{statuses:?}");
    assert_eq!(statuses[&200] + statuses[&201], 30, "{statuses:?}");
    let rows = api.select("SELECT count(*)::text FROM collection_permissions").await;
    assert!(["0", "1"].contains(&rows.as_str()), "{rows}");
    // Each audited change starts from the state that the previous one left.
    let torn = api.select(
        "SELECT count(*)::text FROM (
            SELECT details->>'before' AS before, lag(details->>'after') OVER (ORDER BY id) AS previous
            FROM collection_audit_log WHERE action LIKE 'permission%'
        ) AS chain WHERE before IS DISTINCT FROM previous",
    );
    assert_eq!(torn.await, "0");
    let (last, now) = (
        api.select("SELECT coalesce((SELECT details->>'after' FROM collection_audit_log WHERE action LIKE 'permission%' ORDER BY id DESC LIMIT 1), 'none')").await,
        api.select("SELECT coalesce((SELECT permission::text FROM collection_permissions), 'none')").await,
    );
    assert_eq!(text(&json!(last)), now);
}
