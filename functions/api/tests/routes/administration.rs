//! What superusers do: accounts of others, and the installation's settings.

use http::{Method, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api, PASSWORD};

const SETTINGS: &str = "/api/v2/system-settings";

async fn patch(api: &Api, path: &str, token: &str, body: Value) -> Answer {
    api.send(Method::PATCH, path, token, Some(&body)).await
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn registration_can_be_closed_but_for_the_first_account(pool: PgPool) {
    let api = Api::new(pool);
    api.sql("INSERT INTO system_settings (key, value) VALUES ('registration_open', 'false')").await;
    let root = api.sign_up("root").await;
    let register = json!({ "username": "ada", "email": "ada@example.org", "password": PASSWORD });
    let closed = api.post("/api/auth/register", "", register.clone()).await.problem(403);
    assert_eq!(
        closed,
        "registration is closed on this installation; ask one of its superusers to make an account for you"
    );
    assert_eq!(api.get("/api/v2/system/info", "").await.expect(200)["registration_open"], false);

    let version = api.get(SETTINGS, &root).await.headers[header::ETAG].to_str().unwrap().to_owned();
    let opened = patch(&api, SETTINGS, &root, json!({ "registration_open": true })).await.expect(200);
    assert_eq!((&opened["registration_open"], &opened["updated_by"]), (&json!(true), &json!(1)));
    assert_eq!(api.get("/api/v2/system/info", "").await.expect(200)["registration_open"], true);
    api.register("grace").await;
    let close = json!({ "registration_open": false });
    let late = api.send_with(Method::PATCH, SETTINGS, &root, Some(&close), &[("if-match", &version)]).await;
    late.expect(412);
    // What changes nothing is no change.
    patch(&api, SETTINGS, &root, json!({ "registration_open": true })).await.expect(200);
    let audited = api
        .select(
            "SELECT string_agg(details::text, ' ') FROM collection_audit_log
            WHERE action = 'system_settings_changed'",
        )
        .await;
    assert_eq!(audited, r#"{"after": {"registration_open": true}, "before": {"registration_open": false}}"#);
}
