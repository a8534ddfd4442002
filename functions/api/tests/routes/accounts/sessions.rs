//! User sessions, and changes of password and email address.

use http::{Method, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Api, PASSWORD, text};

const OVER: &str = "The session has ended; sign in again at POST /api/auth/login";
const NEW_PASSWORD: &str = "another horse battery";

/// Signs in and returns the access token and the refresh token.
async fn sign_in(api: &Api) -> (String, String) {
    let pair = api.login("ada", PASSWORD).await.expect(200);
    (text(&pair["access_token"]), text(&pair["refresh_token"]))
}

async fn refresh(api: &Api, token: &str) -> crate::harness::Answer {
    api.post("/api/auth/refresh", "", json!({ "refresh_token": token })).await
}

async fn sessions(api: &Api, token: &str) -> Vec<Value> {
    let listed = api.get("/api/auth/sessions", token).await.expect(200);
    let sessions = listed["sessions"].as_array().unwrap().clone();
    assert_eq!(listed["total"], sessions.len());
    sessions
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn sessions_are_listed_and_ended_one_by_one(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let (laptop, _) = sign_in(&api).await;
    let (phone, phone_refresh) = sign_in(&api).await;
    let listed = sessions(&api, &laptop).await;
    insta::assert_json_snapshot!(listed[1], {
        ".id" => "[id]", ".created_at" => "[time]", ".last_used_at" => "[time]", ".expires_at" => "[time]",
    }, @r#"
    {
      "created_at": "[time]",
      "expires_at": "[time]",
      "id": "[id]",
      "ip_address": null,
      "is_current": true,
      "last_used_at": "[time]",
      "user_agent": null
    }
    "#);
    assert_eq!(listed[0]["is_current"], false);
    let path = format!("/api/auth/sessions/{}", text(&listed[0]["id"]));

    let eve = api.sign_up("eve").await;
    api.delete(&path, &eve).await.expect(404);
    api.delete(&path, &laptop).await.expect(204);
    api.delete(&path, &laptop).await.expect(404);
    // Rejected from the next request on, not only after the access token expires.
    let refused = api.get("/api/auth/me", &phone).await;
    assert!(refused.headers[header::WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
    assert_eq!(refused.problem(401), OVER);
    let ended = refresh(&api, &phone_refresh).await.problem(401);
    assert_eq!(ended, "the session of the refresh token was revoked; sign in again at POST /api/auth/login");
    // Not counted as reuse of a stolen token.
    let reused = "SELECT count(*)::text FROM collection_audit_log WHERE action = 'refresh_token_reused'";
    assert_eq!(api.select(reused).await, "0");
    assert_eq!(sessions(&api, &laptop).await.len(), 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn refreshed_session_keeps_its_identity_and_expires_30_days_later(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let (_, token) = sign_in(&api).await;
    api.sql(
        "UPDATE refresh_tokens SET session_started_at = '2026-11-01T00:00:00Z',
            created_at = '2026-11-02T00:00:00Z', expires_at = now() + interval '1 hour'",
    )
    .await;
    let pair = refresh(&api, &token).await.expect(200);
    let listed = sessions(&api, &text(&pair["access_token"])).await;
    assert_eq!(listed[0]["created_at"], "2026-11-01T00:00:00Z");
    assert_ne!(listed[0]["last_used_at"], "2026-11-02T00:00:00Z");
    let days = "SELECT round(extract(epoch FROM expires_at - now()) / 86400)::text
        FROM refresh_tokens WHERE NOT is_revoked";
    assert_eq!(api.select(days).await, "30");
    // After sweep deletes the spent tokens, the session keeps its start.
    api.sql("DELETE FROM refresh_tokens WHERE is_revoked").await;
    let listed = sessions(&api, &text(&pair["access_token"])).await;
    assert_eq!(listed[0]["created_at"], "2026-11-01T00:00:00Z");

    api.sql("UPDATE refresh_tokens SET expires_at = now()").await;
    let over = api.get("/api/auth/me", &text(&pair["access_token"])).await.problem(401);
    assert_eq!(over, OVER);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn signing_out_ends_this_session_and_that_of_the_sent_token(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let (first, first_refresh) = sign_in(&api).await;
    let (second, second_refresh) = sign_in(&api).await;
    let (third, _) = sign_in(&api).await;
    api.send(Method::POST, "/api/auth/logout", &first, None).await.expect(200);
    api.get("/api/auth/me", &first).await.expect(401);
    refresh(&api, &first_refresh).await.expect(401);
    api.get("/api/auth/me", &second).await.expect(200);

    let body = json!({ "refresh_token": second_refresh });
    let signed_out = api.post("/api/auth/logout", &third, body).await.expect(200);
    assert_eq!(signed_out["message"], "signed out");
    api.get("/api/auth/me", &second).await.expect(401);
    api.get("/api/auth/me", &third).await.expect(401);
    let audited = "SELECT count(*)::text FROM collection_audit_log WHERE action = 'user_signed_out'";
    assert_eq!(api.select(audited).await, "3");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn signing_out_everywhere_spares_other_users_and_api_keys(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let (first, _) = sign_in(&api).await;
    let (second, second_refresh) = sign_in(&api).await;
    let eve = api.sign_up("eve").await;
    let key = api.post("/api/v2/api-keys", &first, json!({ "name": "ci" })).await.expect(201);
    let key = text(&key["api_key"]);
    let out = api.send(Method::POST, "/api/auth/logout-all", &first, None).await.expect(200);
    assert_eq!(out, json!({ "message": "signed out everywhere", "sessions_ended": 2 }));
    for token in [&first, &second] {
        assert_eq!(api.get("/api/auth/me", token).await.problem(401), OVER);
    }
    refresh(&api, &second_refresh).await.expect(401);
    api.get("/api/auth/me", &eve).await.expect(200);
    api.get("/api/auth/me", &key).await.expect(200);
    for path in ["/api/auth/logout-all", "/api/auth/logout"] {
        api.send(Method::POST, path, &key, None).await.expect(403);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn password_change_ends_all_other_sessions(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let (this, this_refresh) = sign_in(&api).await;
    let (other, other_refresh) = sign_in(&api).await;
    let body = json!({ "current_password": PASSWORD, "new_password": NEW_PASSWORD });
    let changed = api.post("/api/auth/password", &this, body).await.expect(200);
    assert_eq!(changed, json!({ "message": "password changed", "sessions_ended": 1 }));
    api.get("/api/auth/me", &this).await.expect(200);
    refresh(&api, &this_refresh).await.expect(200);
    api.get("/api/auth/me", &other).await.expect(401);
    refresh(&api, &other_refresh).await.expect(401);
    api.login("ada", PASSWORD).await.expect(401);
    api.login("ada", NEW_PASSWORD).await.expect(200);
    let details =
        api.select("SELECT details::text FROM collection_audit_log WHERE action = 'password_changed'").await;
    assert_eq!(details, r#"{"sessions_ended": 1}"#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn password_change_throttles_wrong_current_passwords(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let change = |current: &str, new: &str| {
        let body = json!({ "current_password": current, "new_password": new });
        let (api, token) = (&api, &token);
        async move { api.post("/api/auth/password", token, body).await }
    };
    let same = change("short", "short").await.problem(422);
    assert_eq!(
        same,
        "new_password: wrong length; 8 to 1024 characters allowed, got 5; new_password: must differ from the current password"
    );
    for _ in 0..5 {
        let wrong = change("wrong password", NEW_PASSWORD).await.problem(422);
        assert_eq!(wrong, "current_password: is wrong; send the current password of your account");
    }
    let throttled = change(PASSWORD, NEW_PASSWORD).await;
    assert!(throttled.headers.contains_key(header::RETRY_AFTER));
    throttled.expect(429);
    api.sql("UPDATE login_attempts SET last_failure_at = last_failure_at - interval '2 seconds'").await;
    change(PASSWORD, NEW_PASSWORD).await.expect(200);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn email_change_requires_the_password_and_display_name_does_not(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let seen = api.get("/api/auth/me", &token).await;
    let version = seen.headers[header::ETAG].to_str().unwrap().to_owned();
    let patch = |body: Value, version: &str| {
        let (api, token, version) = (&api, &token, version.to_owned());
        async move {
            let headers = [("if-match", version.as_str())];
            api.send_with(Method::PATCH, "/api/auth/me", token, Some(&body), &headers).await
        }
    };
    let named = patch(json!({ "full_name": "Ada Lovelace" }), &version).await;
    let next = named.headers[header::ETAG].to_str().unwrap().to_owned();
    assert_eq!(named.expect(200)["full_name"], "Ada Lovelace");
    patch(json!({ "full_name": null }), &version).await.expect(412);
    assert_eq!(patch(json!({ "full_name": null }), &next).await.expect(200)["full_name"], Value::Null);

    let new = "countess@example.org";
    let unproven = patch(json!({ "email": new }), "*").await.problem(422);
    assert_eq!(unproven, "current_password: is missing; required to change the email address");
    let wrong = patch(json!({ "email": new, "current_password": "wrong" }), "*").await.problem(422);
    assert_eq!(wrong, "current_password: is wrong; send the current password of your account");
    let changed = patch(json!({ "email": new, "current_password": PASSWORD }), "*").await.expect(200);
    assert_eq!(changed["email"], new);
    let bad = patch(json!({ "email": "nowhere", "full_name": "a\u{0}b" }), "*").await.problem(422);
    assert_eq!(
        bad,
        "email: wrong format; an email address like ada@example.org allowed, got \"nowhere\"; full_name: contains control characters; all other characters are allowed"
    );
    let audited = api
        .select(
            "SELECT string_agg(details::text, ' ' ORDER BY id) FROM collection_audit_log
            WHERE action = 'profile_changed'",
        )
        .await;
    assert!(audited.ends_with(r#""before": {"email": "ada@example.org", "full_name": null}}"#), "{audited}");
    assert!(!audited.contains("password"), "{audited}");
}
