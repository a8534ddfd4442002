//! Readers do not see the locations of sources.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Api, text};

/// Returns every response about a collection and its operations that a reader can get.
async fn responses(api: &Api, token: &str, path: &str, operation: &str, run: &str) -> String {
    let mut bodies = String::new();
    for path in [
        path.to_owned(),
        format!("{path}/operations"),
        operation.to_owned(),
        format!("{path}/sync/runs"),
        format!("{path}/sync/runs/{run}"),
        "/api/v2/collections".to_owned(),
    ] {
        bodies.push_str(&api.get(&path, token).await.expect(200).to_string());
    }
    bodies
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn readers_do_not_see_locations_of_sources(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "notes").await;
    api.send(http::Method::PATCH, &path, &ada, Some(&json!({ "is_public": true }))).await.expect(200);
    let body = json!({ "source_path": "/srv/docs/secret-place" });
    let added = api.post(&format!("{path}/sources"), &ada, body).await.expect(202);
    let operation = format!("/api/v2/operations/{}", text(&added["id"]));
    let run = api.post(&format!("{path}/sync/run"), &ada, Value::Null).await.expect(202)["id"].to_string();
    let message = "cannot read /srv/docs/secret-place";
    sqlx::query("UPDATE operations SET error_message = $1").bind(message).execute(&api.pool).await.unwrap();
    sqlx::query("UPDATE collection_sync_runs SET error_summary = $1")
        .bind(message)
        .execute(&api.pool)
        .await
        .unwrap();
    sqlx::query("UPDATE collections SET sync_last_error = $1")
        .bind(message)
        .execute(&api.pool)
        .await
        .unwrap();

    let (_, key) = api.api_key("ada", "read", &[]).await;
    for reader in [&grace, &key] {
        let bodies = responses(&api, reader, &path, &operation, &run).await;
        assert!(!bodies.contains("secret-place"), "{bodies}");
        assert!(bodies.contains("write access to the collection is required to see the error"), "{bodies}");
    }
    let own = api.get("/api/v2/operations", &key).await.expect(200).to_string();
    assert!(!own.contains("secret-place"), "{own}");

    // Writers see the location everywhere.
    let bodies = responses(&api, &ada, &path, &operation, &run).await;
    // The collection twice, two operations three times with config and error, the run twice.
    assert!(bodies.matches("secret-place").count() > 10, "{bodies}");
}
