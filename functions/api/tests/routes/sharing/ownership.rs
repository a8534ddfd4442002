//! Transferring collections to other users.

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use crate::harness::Api;

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn new_owner_gets_full_access_and_the_old_one_keeps_admin(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "handbooks").await;
    let owner = format!("{path}/owner");
    let grant = json!({ "username": "grace", "permission": "read" });
    api.post(&format!("{path}/permissions"), &ada, grant).await.expect(201);
    api.post(&owner, &grace, json!({ "username": "grace" })).await.problem(403);
    let (_, key) = api.api_key("ada", "admin", &[]).await;
    assert!(
        api.post(&owner, &key, json!({ "username": "grace" }))
            .await
            .problem(403)
            .starts_with("API keys are not allowed here")
    );
    let (_, strange) = api.api_key("ada", "admin", &[uuid::Uuid::nil()]).await;
    api.post(&owner, &strange, json!({ "username": "grace" })).await.problem(404);

    let transferred = api.post(&owner, &ada, json!({ "username": "grace" })).await.expect(200);
    assert_eq!((&transferred["owner_id"], &transferred["username"]), (&json!(2), &json!("grace")));
    assert_eq!(api.get(&path, &grace).await.expect(200)["access"], "owner");
    assert_eq!(api.get(&path, &ada).await.expect(200)["access"], "admin");
    api.delete(&path, &ada).await.problem(403);
    let listed = api.get(&format!("{path}/permissions"), &grace).await.expect(200);
    assert_eq!(listed["total"], 1);
    assert_eq!(listed["permissions"][0]["grantee"]["username"], "ada");
    let audit = "SELECT details::text FROM collection_audit_log WHERE action = 'collection_handed_over' AND username = 'ada'";
    assert_eq!(api.select(audit).await, r#"{"after": "grace", "before": "ada"}"#);
    api.delete(&format!("{path}/permissions/me"), &ada).await.expect(204);
    api.get(&path, &ada).await.expect(404);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn transfer_to_an_ineligible_user_is_rejected(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace, _) = (api.sign_up("ada").await, api.sign_up("grace").await, api.sign_up("gone").await);
    let path = api.create_collection(&ada, "notes").await;
    api.create_collection(&grace, "Notes").await;
    api.sql("UPDATE users SET is_active = FALSE WHERE username = 'gone'").await;
    let owner = format!("{path}/owner");
    let mut details = Vec::new();
    for (username, status) in [("gone", 422), ("ada", 422), ("nobody", 422), ("grace", 409)] {
        details.push(api.post(&owner, &ada, json!({ "username": username })).await.problem(status));
    }
    insta::assert_snapshot!(details.join("\n"), @r#"
    username: no active account with username "gone"
    username: is your own account, and you own the collection already; choose another user
    username: no active account with username "nobody"
    grace already has a collection named "notes"; rename one of the two first
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM collection_permissions").await, "0");
    assert_eq!(api.get(&path, &ada).await.expect(200)["access"], "owner");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_of_twenty_parallel_transfers_succeeds(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    api.register("grace").await;
    api.register("alan").await;
    let path = api.create_collection(&ada, "notes").await;
    let owner = format!("{path}/owner");
    let attempts = (0..20).map(|number| {
        let to = ["grace", "alan"][number % 2];
        api.post(&owner, &ada, json!({ "username": to }))
    });
    let mut statuses: Vec<u16> =
        join_all(attempts).await.into_iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert!(statuses[1..].iter().all(|status| [403, 409].contains(status)), "{statuses:?}");
    assert_eq!(api.select("SELECT count(*)::text FROM collection_permissions").await, "1");
}
