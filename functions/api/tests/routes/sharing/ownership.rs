//! Handing collections over to other users.

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::Api;

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn ownership_changes_when_the_recipient_accepts(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace, eve) = (api.sign_up("ada").await, api.sign_up("grace").await, api.sign_up("eve").await);
    let path = api.create_collection(&ada, "handbooks").await;
    let owner = format!("{path}/owner");
    let grant = json!({ "username": "grace", "permission": "read" });
    api.post(&format!("{path}/permissions"), &ada, grant).await.expect(201);
    api.post(&owner, &grace, json!({ "username": "grace" })).await.problem(403);
    let (_, key) = api.api_key("ada", "admin", &[]).await;
    let refused = api.post(&owner, &key, json!({ "username": "grace" })).await.problem(403);
    assert!(refused.starts_with("API keys are not allowed here"), "{refused}");
    let (_, strange) = api.api_key("ada", "admin", &[uuid::Uuid::nil()]).await;
    api.post(&owner, &strange, json!({ "username": "grace" })).await.problem(404);

    let made = api.post(&owner, &ada, json!({ "username": "Grace" })).await.expect(201);
    insta::assert_json_snapshot!(made, {
        ".id" => "[id]", ".collection_id" => "[id]", ".created_at" => "[time]", ".expires_at" => "[time]",
    }, @r#"
    {
      "collection_id": "[id]",
      "collection_name": "handbooks",
      "created_at": "[time]",
      "expires_at": "[time]",
      "from_username": "ada",
      "id": "[id]",
      "to_username": "grace"
    }
    "#);
    // The offer alone changes nothing.
    assert_eq!(api.get(&path, &ada).await.expect(200)["access"], "owner");
    assert_eq!(api.get(&path, &grace).await.expect(200)["access"], "read");
    assert_eq!(api.get(&format!("{owner}/offer"), &ada).await.expect(200), made);
    let listed = api.get("/api/v2/ownership-offers", &grace).await.expect(200);
    assert_eq!((&listed["total"], &listed["offers"]), (&json!(1), &json!([made])));

    let accept = format!("/api/v2/ownership-offers/{}/accept", made["id"].as_str().unwrap());
    for other in [&ada, &eve] {
        api.post(&accept, other, Value::Null).await.problem(404);
        assert_eq!(api.get("/api/v2/ownership-offers", other).await.expect(200)["total"], 0);
    }
    let accepted = api.post(&accept, &grace, Value::Null).await.expect(200);
    assert_eq!((&accepted["owner_id"], &accepted["username"]), (&json!(2), &json!("grace")));
    api.post(&accept, &grace, Value::Null).await.problem(404);
    assert_eq!(api.get(&path, &grace).await.expect(200)["access"], "owner");
    assert_eq!(api.get(&path, &ada).await.expect(200)["access"], "admin");
    api.delete(&path, &ada).await.problem(403);
    let listed = api.get(&format!("{path}/permissions"), &grace).await.expect(200);
    assert_eq!(listed["total"], 1);
    assert_eq!(listed["permissions"][0]["grantee"]["username"], "ada");
    let audit = "SELECT details::text FROM collection_audit_log WHERE action = 'collection_handed_over' AND username = 'grace'";
    assert_eq!(api.select(audit).await, r#"{"after": "grace", "before": "ada"}"#);
    api.delete(&format!("{path}/permissions/me"), &ada).await.expect(204);
    api.get(&path, &ada).await.expect(404);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_offer_ends_when_it_is_declined_withdrawn_replaced_or_lapses(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    api.register("alan").await;
    let path = api.create_collection(&ada, "notes").await;
    let offer = async |to: &str| api.offer(&path, &ada, to).await;
    let accept = async |offer: String| api.post(&format!("{offer}/accept"), &grace, Value::Null).await;

    let declined = offer("grace").await;
    api.post(&format!("{declined}/decline"), &grace, Value::Null).await.expect(204);
    accept(declined).await.problem(404);
    let withdrawn = offer("grace").await;
    api.delete(&format!("{path}/owner/offer"), &ada).await.expect(204);
    api.delete(&format!("{path}/owner/offer"), &ada).await.problem(404);
    accept(withdrawn).await.problem(404);
    let replaced = offer("grace").await;
    offer("alan").await;
    accept(replaced).await.problem(404);
    let lapsed = offer("grace").await;
    api.sql("UPDATE ownership_offers SET expires_at = now()").await;
    assert_eq!(api.get("/api/v2/ownership-offers", &grace).await.expect(200)["total"], 0);
    accept(lapsed).await.problem(404);
    let of_a_deleted_collection = offer("grace").await;
    api.delete(&path, &ada).await.expect(204);
    accept(of_a_deleted_collection).await.problem(404);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn offers_to_ineligible_users_are_rejected(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace, _) = (api.sign_up("ada").await, api.sign_up("grace").await, api.sign_up("gone").await);
    let path = api.create_collection(&ada, "notes").await;
    api.create_collection(&grace, "Notes").await;
    api.sql("UPDATE users SET is_active = FALSE WHERE username = 'gone'").await;
    let owner = format!("{path}/owner");
    let mut details = Vec::new();
    for username in ["gone", "ada", "nobody"] {
        details.push(api.post(&owner, &ada, json!({ "username": username })).await.problem(422));
    }
    // Which collections the recipient has is the recipient's business, and found out by the recipient alone.
    let offer = api.offer(&path, &ada, "grace").await;
    details.push(api.post(&format!("{offer}/accept"), &grace, Value::Null).await.problem(409));
    insta::assert_snapshot!(details.join("\n"), @r#"
    username: no active account with username "gone"
    username: is your own account, and you own the collection already; choose another user
    username: no active account with username "nobody"
    you already have a collection named "notes"; rename it, or ask the owner to rename this one
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM collection_permissions").await, "0");
    assert_eq!(api.get(&path, &ada).await.expect(200)["access"], "owner");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_of_twenty_parallel_acceptances_succeeds(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&ada, "notes").await;
    let offer = api.offer(&path, &ada, "grace").await;
    let (accept, decline) = (format!("{offer}/accept"), format!("{offer}/decline"));
    let attempts = (0..20).map(|number| {
        let path = if number % 2 == 0 { &accept } else { &decline };
        api.post(path, &grace, Value::Null)
    });
    let statuses: Vec<u16> =
        join_all(attempts).await.into_iter().map(|answer| answer.status.as_u16()).collect();
    let done: Vec<u16> = statuses.iter().copied().filter(|status| *status != 404).collect();
    assert!(matches!(done[..], [200 | 204]), "{statuses:?}");
    let expected = if done == [200] { "admin" } else { "owner" };
    assert_eq!(api.get(&path, &ada).await.expect(200)["access"], expected);
    assert_eq!(api.select("SELECT count(*)::text FROM ownership_offers").await, "0");
}
