//! Administration of accounts and settings by superusers.

use std::sync::Arc;

use api::Limits;
use http::{Method, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api, PASSWORD, text};

const USERS: &str = "/api/v2/admin/users";
const SETTINGS: &str = "/api/v2/system-settings";

async fn patch(api: &Api, path: &str, token: &str, body: Value) -> Answer {
    api.send(Method::PATCH, path, token, Some(&body)).await
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn accounts_are_filtered_by_text_and_state(pool: PgPool) {
    let api = Api::new(pool);
    let root = api.sign_up("root").await;
    for name in ["ada", "grace", "per_cent"] {
        api.register(name).await;
    }
    api.sql("UPDATE users SET full_name = 'Ada Lovelace' WHERE username = 'ada'").await;
    api.sql("UPDATE users SET is_active = FALSE WHERE username = 'grace'").await;
    let names = |query: &'static str| {
        let (api, root) = (&api, &root);
        async move {
            let page = api.get(&format!("{USERS}?{query}"), root).await.expect(200);
            let users = page["users"].as_array().unwrap().clone();
            let names: Vec<String> = users.iter().map(|user| text(&user["username"])).collect();
            (names.join(" "), page["total"].as_i64().unwrap())
        }
    };
    assert_eq!(names("").await, ("root ada grace per_cent".to_owned(), 4));
    assert_eq!(names("page=2&per_page=3").await, ("per_cent".to_owned(), 4));
    assert_eq!(names("page=9").await, (String::new(), 4));
    assert_eq!(names("search=LOVEL").await, ("ada".to_owned(), 1));
    assert_eq!(names("search=GRACE@").await, ("grace".to_owned(), 1));
    // LIKE wildcards match literally.
    assert_eq!(names("search=r_c").await, ("per_cent".to_owned(), 1));
    assert_eq!(names("search=%25").await, (String::new(), 0));
    assert_eq!(names("is_active=false").await, ("grace".to_owned(), 1));
    assert_eq!(names("is_active=true&search=r").await, ("root ada per_cent".to_owned(), 3));
    let nul = api.get(&format!("{USERS}?search=%00"), &root).await.problem(422);
    assert_eq!(nul, "search: contains a NUL character; every other character is allowed");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn administration_requires_a_superuser_session(pool: PgPool) {
    let api = Api::new(pool);
    let root = api.sign_up("root").await;
    let ada = api.sign_up("ada").await;
    let key = api.post("/api/v2/api-keys", &root, json!({ "name": "ci" })).await.expect(201);
    let key = text(&key["api_key"]);
    let nothing = json!({});
    let routes = [
        (Method::GET, USERS.to_owned()),
        (Method::POST, USERS.to_owned()),
        (Method::GET, format!("{USERS}/1")),
        (Method::PATCH, format!("{USERS}/1")),
        (Method::PUT, format!("{USERS}/1/password")),
        (Method::GET, SETTINGS.to_owned()),
        (Method::PATCH, SETTINGS.to_owned()),
    ];
    for (method, path) in routes {
        for token in [&ada, &key] {
            api.send(method.clone(), &path, token, Some(&nothing)).await.expect(403);
        }
        api.send(method, &path, "", Some(&nothing)).await.expect(401);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn registration_is_closed_unless_the_deployment_or_a_superuser_opens_it(pool: PgPool) {
    let api = Api::new(pool);
    let root = api.sign_up("root").await;
    let api = api.with_state(|state| {
        let closed = Limits { registration_open: false, ..(*state.limits).clone() };
        state.limits = Arc::new(closed);
    });
    let register = json!({ "username": "ada", "email": "ada@example.org", "password": PASSWORD });
    let closed = api.post("/api/auth/register", "", register.clone()).await.problem(403);
    assert_eq!(
        closed,
        "registration is closed on this installation; ask a superuser to create an account for you"
    );
    assert_eq!(api.get("/api/v2/system/info", "").await.expect(200)["registration_open"], false);
    let made = api.post(USERS, &root, register.clone()).await.expect(201);
    assert_eq!((&made["is_superuser"], &made["is_active"]), (&json!(false), &json!(true)));
    api.login("ada", PASSWORD).await.expect(200);
    assert!(api.post(USERS, &root, register).await.problem(409).contains("\"ada\" is taken"));

    let version = api.get(SETTINGS, &root).await.headers[header::ETAG].to_str().unwrap().to_owned();
    let opened = patch(&api, SETTINGS, &root, json!({ "registration_open": true })).await.expect(200);
    assert_eq!((&opened["registration_open"], &opened["updated_by"]), (&json!(true), &json!(1)));
    assert_eq!(api.get("/api/v2/system/info", "").await.expect(200)["registration_open"], true);
    api.register("grace").await;
    let close = json!({ "registration_open": false });
    let late = api.send_with(Method::PATCH, SETTINGS, &root, Some(&close), &[("if-match", &version)]).await;
    late.expect(412);
    // An update without changes is not audited.
    patch(&api, SETTINGS, &root, json!({ "registration_open": true })).await.expect(200);
    let audited = api
        .select(
            "SELECT string_agg(details::text, ' ') FROM collection_audit_log
            WHERE action = 'system_settings_changed'",
        )
        .await;
    assert_eq!(audited, r#"{"after": {"registration_open": true}, "before": {"registration_open": false}}"#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn repeated_creation_creates_one_account(pool: PgPool) {
    let api = Api::new(pool);
    let root = api.sign_up("root").await;
    let body = json!({
        "username": "ada", "email": "ada@example.org", "password": PASSWORD, "is_superuser": true,
    });
    let post = || api.send_with(Method::POST, USERS, &root, Some(&body), &[("idempotency-key", "k")]);
    let made = post().await.expect(201);
    assert_eq!(made["is_superuser"], true);
    assert_eq!(post().await.expect(201), made);
    let wrong = json!({ "username": "a b", "email": "x", "password": "short", "full_name": "\n" });
    let wrong = api.post(USERS, &root, wrong).await.expect(422);
    let fields: Vec<&str> =
        wrong["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
    assert_eq!(fields, ["username", "email", "password", "full_name"]);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn deactivated_account_is_rejected_from_the_next_request_on(pool: PgPool) {
    let api = Api::new(pool);
    let root = api.sign_up("root").await;
    let id = api.register("ada").await["id"].clone();
    let pair = api.login("ada", PASSWORD).await.expect(200);
    let (token, refresh) = (text(&pair["access_token"]), text(&pair["refresh_token"]));
    let key = api.post("/api/v2/api-keys", &token, json!({ "name": "ci" })).await.expect(201);
    let key = text(&key["api_key"]);
    let path = format!("{USERS}/{id}");
    let version = api.get(&path, &root).await.headers[header::ETAG].to_str().unwrap().to_owned();

    let shut = json!({ "is_active": false });
    let done = api.send_with(Method::PATCH, &path, &root, Some(&shut), &[("if-match", &version)]).await;
    assert_eq!(done.expect(200)["is_active"], false);
    let gone = api.get("/api/auth/me", &token).await.problem(401);
    assert_eq!(gone, "The account is deleted or deactivated");
    let gone = api.get("/api/auth/me", &key).await.problem(401);
    assert_eq!(gone, "The account of this API key is deactivated");
    api.post("/api/auth/refresh", "", json!({ "refresh_token": refresh })).await.expect(403);
    api.login("ada", PASSWORD).await.expect(403);
    let late = api.send_with(Method::PATCH, &path, &root, Some(&shut), &[("if-match", &version)]).await;
    late.expect(412);

    // Reactivation restores the API keys but not the sessions.
    patch(&api, &path, &root, json!({ "is_active": true, "full_name": "Ada" })).await.expect(200);
    api.get("/api/auth/me", &key).await.expect(200);
    api.get("/api/auth/me", &token).await.expect(401);
    api.post("/api/auth/refresh", "", json!({ "refresh_token": refresh })).await.expect(401);
    api.login("ada", PASSWORD).await.expect(200);
    let audited = api
        .select("SELECT details::text FROM collection_audit_log WHERE action = 'user_changed' ORDER BY id")
        .await;
    assert!(audited.contains(r#""sessions_ended": 1"#), "{audited}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn last_active_superuser_cannot_be_demoted_or_deactivated(pool: PgPool) {
    let api = Api::new(pool);
    let root = api.sign_up("root").await;
    let id = api.register("ada").await["id"].clone();
    for change in [json!({ "is_superuser": false }), json!({ "is_active": false })] {
        let refused = patch(&api, &format!("{USERS}/1"), &root, change).await.problem(409);
        assert!(refused.starts_with("root is the last active superuser"), "{refused}");
    }
    patch(&api, &format!("{USERS}/{id}"), &root, json!({ "is_superuser": true })).await.expect(200);
    let ada = text(&api.login("ada", PASSWORD).await.expect(200)["access_token"]);
    // Deactivated superusers do not count.
    api.sql("UPDATE users SET is_active = FALSE WHERE username = 'ada'").await;
    patch(&api, &format!("{USERS}/1"), &root, json!({ "is_superuser": false })).await.expect(409);
    api.sql("UPDATE users SET is_active = TRUE WHERE username = 'ada'").await;
    patch(&api, &format!("{USERS}/1"), &root, json!({ "is_superuser": false })).await.expect(200);
    api.get(USERS, &root).await.expect(403);
    api.get(USERS, &ada).await.expect(200);
    api.get(&format!("{USERS}/999"), &ada).await.expect(404);
    patch(&api, &format!("{USERS}/999"), &ada, json!({})).await.expect(404);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn password_set_by_a_superuser_ends_all_sessions(pool: PgPool) {
    let api = Api::new(pool);
    let root = api.sign_up("root").await;
    let id = api.register("ada").await["id"].clone();
    let token = text(&api.login("ada", PASSWORD).await.expect(200)["access_token"]);
    let body = json!({ "new_password": "another horse battery" });
    let path = format!("{USERS}/{id}/password");
    let done = api.send(Method::PUT, &path, &root, Some(&body)).await.expect(200);
    assert_eq!(done["sessions_ended"], 1);
    api.get("/api/auth/me", &token).await.expect(401);
    api.login("ada", PASSWORD).await.expect(401);
    api.login("ada", "another horse battery").await.expect(200);
    let own = api.send(Method::PUT, &format!("{USERS}/1/password"), &root, Some(&body)).await.problem(409);
    assert!(own.ends_with("change its password at POST /api/auth/password"), "{own}");
    let details =
        api.select("SELECT details::text FROM collection_audit_log WHERE action = 'password_set'").await;
    assert!(!details.contains("battery") && details.contains("\"username\": \"ada\""), "{details}");
}
