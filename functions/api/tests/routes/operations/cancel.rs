//! Cancelling operations.

use http::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::harness::{Api, text};

async fn append(api: &Api, token: &str, collection: &str) -> String {
    let body = json!({ "source_path": "/srv/docs" });
    let operation = api.post(&format!("{collection}/sources"), token, body).await.expect(202);
    format!("/api/v2/operations/{}", text(&operation["id"]))
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_pending_operation_is_cancelled_at_once(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let operation = append(&api, &token, &collection).await;
    let cancelled = api.delete(&operation, &token).await.expect(200);
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(api.get(&operation, &token).await.expect(200)["status"], "cancelled");
    let again = api.post(&format!("{operation}/cancel"), &token, json!({})).await.problem(409);
    assert_eq!(again, "this operation has already ended (cancelled); there is nothing to cancel");
    let audited = api
        .select("SELECT string_agg(action, ' ' ORDER BY id) FROM collection_audit_log WHERE action LIKE 'operation_%'")
        .await;
    assert_eq!(audited, "operation_cancel_requested operation_cancelled");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_running_operation_is_asked_to_stop_once(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let operation = append(&api, &token, &collection).await;
    api.sql("UPDATE operations SET status = 'processing' WHERE type = 'append'").await;
    for _ in 0..2 {
        let cancelled = api.post(&format!("{operation}/cancel"), &token, json!({})).await.expect(200);
        assert_eq!(cancelled["status"], "processing");
        assert!(cancelled["cancel_requested_at"].is_string(), "{cancelled}");
    }
    let cancelled =
        "SELECT count(*)::text FROM collection_audit_log WHERE action = 'operation_cancel_requested'";
    assert_eq!(api.select(cancelled).await, "1");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn deletions_cannot_be_cancelled(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let answer = api.delete(&collection, &token).await;
    let operation = answer.headers["location"].to_str().unwrap().to_owned();
    let refused = api.delete(&operation, &token).await.problem(409);
    assert!(refused.contains("cannot be cancelled"), "{refused}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn readers_cannot_cancel_and_others_get_404(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    let operation = append(&api, &token, &collection).await;
    let bob = api.sign_up("bob").await;
    for method in [Method::DELETE, Method::POST] {
        let path = if method == Method::POST { format!("{operation}/cancel") } else { operation.clone() };
        api.send(method.clone(), &path, &bob, None).await.expect(404);
        api.sql("UPDATE collections SET is_public = TRUE").await;
        api.send(method, &path, &bob, None).await.expect(403);
        api.sql("UPDATE collections SET is_public = FALSE").await;
    }
    assert_eq!(api.get(&operation, &token).await.expect(200)["status"], "pending");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn former_members_neither_see_nor_cancel_what_they_started(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, bob) = (api.sign_up("ada").await, api.sign_up("bob").await);
    let collection = api.create_collection(&ada, "notes").await;
    let permissions = format!("{collection}/permissions");
    let grant = json!({ "username": "bob", "permission": "write" });
    let granted = api.post(&permissions, &ada, grant).await.expect(201);
    let operation = append(&api, &bob, &collection).await;
    let (_, key) = api.api_key("bob", "admin", &[]).await;
    assert_eq!(api.get("/api/v2/operations", &bob).await.expect(200)["total"], 1);

    api.delete(&format!("{permissions}/{}", granted["id"]), &ada).await.expect(204);
    for token in [&bob, &key] {
        for answer in [
            api.get(&operation, token).await,
            api.get(&format!("{operation}/metrics"), token).await,
            api.delete(&operation, token).await,
            api.post(&format!("{operation}/cancel"), token, json!({})).await,
        ] {
            answer.problem(404);
        }
        let listed = api.get("/api/v2/operations", token).await.expect(200);
        assert_eq!((&listed["total"], &listed["operations"]), (&json!(0), &json!([])));
    }
    assert_eq!(api.get(&operation, &ada).await.expect(200)["status"], "pending");

    // With less access than before, they see what that access shows.
    let grant = json!({ "username": "bob", "permission": "read" });
    api.post(&permissions, &ada, grant).await.expect(201);
    let seen = api.get("/api/v2/operations", &bob).await.expect(200);
    assert_eq!((&seen["total"], &seen["operations"][0]["config"]["source_path"]), (&json!(1), &json!(null)));
    api.delete(&operation, &bob).await.problem(403);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn owners_watch_the_deletion_of_their_collection(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, bob) = (api.sign_up("ada").await, api.sign_up("bob").await);
    let collection = api.create_collection(&ada, "notes").await;
    let grant = json!({ "username": "bob", "permission": "admin" });
    api.post(&format!("{collection}/permissions"), &ada, grant).await.expect(201);
    let (_, limited) = api.api_key("ada", "admin", &[uuid::Uuid::nil()]).await;
    let answer = api.delete(&collection, &ada).await;
    let operation = answer.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(api.get(&operation, &ada).await.expect(200)["type"], "delete");
    assert_eq!(api.get("/api/v2/operations?type=delete", &ada).await.expect(200)["total"], 1);
    for token in [&bob, &limited] {
        api.get(&operation, token).await.problem(404);
    }
    assert_eq!(api.get("/api/v2/operations", &bob).await.expect(200)["total"], 0);
}
