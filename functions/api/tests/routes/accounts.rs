//! Registration, sign-in, token refresh, and authentication of requests.

mod sessions;

use chrono::{TimeDelta, Utc};
use domain::{SessionId, UserId};
use http::header;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Api, PASSWORD, text};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn registration_makes_no_superuser_and_the_account_sees_itself(pool: PgPool) {
    let api = Api::new(pool);
    let body = json!({ "username": "ada", "email": "ada@example.org", "password": PASSWORD });
    let registered = api.post("/api/auth/register", "", body).await.expect(201);
    assert_eq!(registered["is_superuser"], false, "not even the first one");
    let token = text(&api.login("ADA", PASSWORD).await.expect(200)["access_token"]);
    let me = api.get("/api/auth/me", &token).await.expect(200);
    insta::assert_json_snapshot!(me, {".id" => "[id]", ".created_at" => "[time]", ".updated_at" => "[time]", ".last_login" => "[time]"}, @r#"
    {
      "created_at": "[time]",
      "email": "ada@example.org",
      "full_name": null,
      "id": "[id]",
      "is_active": true,
      "is_superuser": false,
      "last_login": "[time]",
      "updated_at": "[time]",
      "username": "ada"
    }
    "#);
    let audited = api.select("SELECT string_agg(action, ' ' ORDER BY id) FROM collection_audit_log").await;
    assert_eq!(audited, "user_registered user_signed_in");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn registration_reports_taken_names_and_invalid_fields(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let again = |username: &str, email: &str, password: &str| {
        let body = json!({ "username": username, "email": email, "password": password });
        let api = &api;
        async move { api.post("/api/auth/register", "", body).await }
    };
    let name = again("Ada", "a@example.org", PASSWORD).await.problem(409);
    assert_eq!(name, r#"the username "Ada" is taken; choose another one"#);
    let wrong = again("a", "x", "short").await.expect(422);
    insta::assert_json_snapshot!(wrong, {".request_id" => "[id]"}, @r#"
    {
      "detail": "username: wrong length; 3 to 64 characters allowed, got 1; email: wrong format; an email address like ada@example.org allowed, got \"x\"; password: wrong length; 8 to 1024 characters allowed, got 5",
      "errors": [
        {
          "field": "username",
          "message": "wrong length; 3 to 64 characters allowed, got 1"
        },
        {
          "field": "email",
          "message": "wrong format; an email address like ada@example.org allowed, got \"x\""
        },
        {
          "field": "password",
          "message": "wrong length; 8 to 1024 characters allowed, got 5"
        }
      ],
      "request_id": "[id]",
      "status": 422,
      "title": "Unprocessable Entity",
      "type": "about:blank"
    }
    "#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn registration_does_not_tell_whether_an_email_address_has_an_account(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let register = async |username: &str, email: &str| {
        let body = json!({ "username": username, "email": email, "password": PASSWORD });
        let mut answer = api.post("/api/auth/register", "", body).await.expect(201);
        for field in ["id", "username", "email", "created_at", "updated_at"] {
            answer[field] = json!("[any]");
        }
        answer
    };
    assert_eq!(register("bob", "ADA@example.org").await, register("eve", "free@example.org").await);
    // Nor does a change of the address.
    let token = text(&api.login("eve", PASSWORD).await.expect(200)["access_token"]);
    let change = json!({ "email": "ada@example.org", "current_password": PASSWORD });
    api.send(http::Method::PATCH, "/api/auth/me", &token, Some(&change)).await.expect(200);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn wrong_password_and_unknown_username_get_the_same_response(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let mut wrong = api.login("ada", "wrong password").await.expect(401);
    let mut unknown = api.login("nobody", "wrong password").await.expect(401);
    for body in [&mut wrong, &mut unknown] {
        body["request_id"] = json!("[id]");
    }
    assert_eq!(wrong, unknown);
    insta::assert_json_snapshot!(wrong, @r#"
    {
      "detail": "the username or the password is wrong",
      "request_id": "[id]",
      "status": 401,
      "title": "Unauthorized",
      "type": "about:blank"
    }
    "#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn failed_sign_ins_throttle_even_the_correct_password(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    for _ in 0..5 {
        api.login("ada", "wrong password").await.expect(401);
    }
    let refused = api.login("ada", PASSWORD).await;
    assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    assert_eq!(refused.problem(429), "too many failed sign-in attempts; retry in 1 seconds");
    api.sql("UPDATE login_attempts SET last_failure_at = last_failure_at - interval '2 seconds'").await;
    api.login("ada", PASSWORD).await.expect(200);
    // Other accounts are not throttled.
    api.login("bob", PASSWORD).await.expect(401);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn each_rejected_credential_reports_the_reason(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let long_ago = Utc::now() - TimeDelta::hours(1);
    let expired = api.state.tokens.issue(UserId(1), "ada", SessionId(Uuid::nil()), long_ago).await.unwrap();
    let expired = api.get("/api/auth/me", &expired).await;
    assert!(expired.headers[header::WWW_AUTHENTICATE].to_str().unwrap().contains("invalid_token"));
    let expired = expired.problem(401);
    assert!(expired.starts_with("the access token expired at "), "{expired}");
    assert!(expired.ends_with("exchange your refresh token at POST /api/auth/refresh"), "{expired}");

    let forged = api.get("/api/auth/me", &format!("{token}x")).await.problem(401);
    assert_eq!(forged, "the access token is not valid; sign in again at POST /api/auth/login");
    let strange = api.get("/api/auth/me", "hello").await.problem(401);
    assert_eq!(strange, "The credential is neither an access token nor an API key (smtk_...)");
    let nobody = api.get("/api/auth/me", "").await.problem(401);
    assert!(nobody.starts_with("The Authorization header is missing"), "{nobody}");

    api.sql("UPDATE users SET is_active = FALSE").await;
    let gone = api.get("/api/auth/me", &token).await.problem(401);
    assert_eq!(gone, "The account is deleted or deactivated");
    api.login("ada", PASSWORD).await.expect(403);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn refresh_token_works_once_and_reuse_revokes_the_session(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let first = text(&api.login("ada", PASSWORD).await.expect(200)["refresh_token"]);
    let other = text(&api.login("ada", PASSWORD).await.expect(200)["refresh_token"]);
    let refresh = |token: String| {
        let api = &api;
        async move { api.post("/api/auth/refresh", "", json!({ "refresh_token": token })).await }
    };
    let pair = refresh(first.clone()).await.expect(200);
    api.get("/api/auth/me", &text(&pair["access_token"])).await.expect(200);
    let second = text(&pair["refresh_token"]);

    let reused = refresh(first).await.problem(401);
    assert!(reused.contains("was used before"), "{reused}");
    refresh(second).await.expect(401);
    // The other sign-in is a session of its own.
    refresh(other).await.expect(200);
    let actions = api
        .select("SELECT count(*)::text FROM collection_audit_log WHERE action = 'refresh_token_reused'")
        .await;
    // The second token of a revoked session was not used before, so it does not count as reuse.
    assert_eq!(actions, "1");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn refresh_token_is_required_in_the_body(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let token = text(&api.login("ada", PASSWORD).await.expect(200)["refresh_token"]);
    // URLs end up in logs: a token in one is refused, not used, and not repeated.
    let path = format!("/api/auth/refresh?refresh_token={token}");
    for body in [None, Some(json!({ "refresh_token": token }))] {
        let refused = api.send(http::Method::POST, &path, "", body.as_ref()).await.problem(422);
        assert!(refused.starts_with("refresh_token: unknown") && !refused.contains(&token), "{refused}");
    }
    api.post("/api/auth/refresh", "", json!({ "refresh_token": token })).await.expect(200);
    let missing = api.send(http::Method::POST, "/api/auth/refresh", "", None).await.problem(400);
    let null = api.post("/api/auth/refresh", "", json!(null)).await.problem(400);
    assert_eq!(null, missing);
    assert!(missing.starts_with("refresh_token: is missing"), "{missing}");
    let unknown = api.post("/api/auth/refresh", "", json!({"refresh_token": "smtr_x"})).await.problem(401);
    assert!(unknown.starts_with("the refresh token is not valid"), "{unknown}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_session_ends_90_days_after_the_sign_in_however_often_it_is_refreshed(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let mut pair = api.login("ada", PASSWORD).await.expect(200);
    let left = "SELECT round(extract(epoch FROM max(expires_at) - now()) / 86400)::text FROM refresh_tokens";
    assert_eq!(api.select(left).await, "30");
    for (age, days_left) in [(29, "30"), (58, "30"), (80, "10"), (89, "1")] {
        let aged = format!("UPDATE refresh_tokens SET session_started_at = now() - interval '{age} days'");
        sqlx::query(sqlx::AssertSqlSafe(aged)).execute(&api.pool).await.unwrap();
        pair = api
            .post("/api/auth/refresh", "", json!({ "refresh_token": pair["refresh_token"] }))
            .await
            .expect(200);
        assert_eq!(api.select("SELECT round(extract(epoch FROM expires_at - now()) / 86400)::text FROM refresh_tokens WHERE NOT is_revoked").await, days_left);
    }
    api.sql("UPDATE refresh_tokens SET expires_at = session_started_at + interval '89 days'").await;
    let ended = api
        .post("/api/auth/refresh", "", json!({ "refresh_token": pair["refresh_token"] }))
        .await
        .problem(401);
    assert_eq!(ended, "the refresh token has expired; sign in again at POST /api/auth/login");
    let ended = api.get("/api/auth/me", &text(&pair["access_token"])).await.problem(401);
    assert!(ended.starts_with("The session has ended"), "{ended}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn api_keys_act_for_their_user_within_their_scope(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ada").await;
    let id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap();
    let key = auth::OpaqueToken::api_key(id);
    sqlx::query("INSERT INTO api_keys (id, user_id, name, key_hash, scope) VALUES ($1, 1, 'ci', $2, 'read')")
        .bind(id.0)
        .bind(key.hash().to_vec())
        .execute(&api.pool)
        .await
        .unwrap();
    let key = key.expose();
    assert_eq!(api.get("/api/auth/me", key).await.expect(200)["username"], "ada");
    assert_eq!(api.select("SELECT (last_used_at IS NOT NULL)::text FROM api_keys").await, "true");
    let refused = api.post("/api/v2/collections", key, json!({ "name": "c" })).await.problem(403);
    assert_eq!(refused, "Insufficient API key scope; write access required, got read access");

    api.sql("UPDATE api_keys SET expires_at = now() - interval '1 minute'").await;
    let expired = api.get("/api/auth/me", key).await.problem(401);
    assert!(expired.starts_with("The API key expired at "), "{expired}");
    api.sql("UPDATE api_keys SET is_active = FALSE").await;
    assert_eq!(api.get("/api/auth/me", key).await.problem(401), "The API key is revoked");
    api.sql("DELETE FROM api_keys").await;
    assert_eq!(api.get("/api/auth/me", key).await.problem(401), "The API key is not valid");
}
