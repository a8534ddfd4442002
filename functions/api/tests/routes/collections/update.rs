//! Updating collections.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api};

async fn put(api: &Api, path: &str, token: &str, body: Value) -> Answer {
    api.send(Method::PUT, path, token, Some(&body)).await
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_update_keeps_absent_fields_and_is_audited(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    let body = json!({ "description": "all of it", "metadata": { "team": "a" }, "is_public": true });
    put(&api, &path, &ada, body).await.expect(200);
    let body = json!({ "name": " handbooks ", "sync_mode": "continuous", "sync_interval_minutes": 60 });
    let changed = api.send(Method::PATCH, &path, &ada, Some(&body)).await.expect(200);
    for (field, expected) in [
        ("name", json!("handbooks")),
        ("description", json!("all of it")),
        ("metadata", json!({ "team": "a" })),
        ("is_public", json!(true)),
        ("sync_mode", json!("continuous")),
        ("sync_interval_minutes", json!(60)),
        ("access", json!("owner")),
    ] {
        assert_eq!(changed[field], expected, "{field}");
    }
    assert_eq!(api.get(&path, &ada).await.expect(200), changed);
    let cleared = put(&api, &path, &ada, json!({ "description": null, "sync_mode": "one_time" })).await;
    let cleared = cleared.expect(200);
    // The interval is kept for later.
    assert_eq!((&cleared["description"], &cleared["sync_interval_minutes"]), (&Value::Null, &json!(60)));
    put(&api, &path, &ada, json!({ "sync_mode": "continuous" })).await.expect(200);

    let audit = api
        .select(
            "SELECT string_agg(collection_name || ' ' || details, E'\n' ORDER BY id) FROM collection_audit_log
            WHERE action = 'collection_updated'",
        )
        .await;
    insta::assert_snapshot!(audit, @r#"
    notes {"after": {"metadata": {"team": "a"}, "is_public": true, "description": "all of it"}, "before": {"metadata": {}, "is_public": false, "description": null}}
    handbooks {"after": {"name": "handbooks", "sync_mode": "continuous", "sync_interval_minutes": 60}, "before": {"name": "notes", "sync_mode": "one_time", "sync_interval_minutes": null}}
    handbooks {"after": {"sync_mode": "one_time", "description": null}, "before": {"sync_mode": "continuous", "description": "all of it"}}
    handbooks {"after": {"sync_mode": "continuous"}, "before": {"sync_mode": "one_time"}}
    "#);
    // An update that changes nothing is not audited.
    put(&api, &path, &ada, json!({ "name": "handbooks" })).await.expect(200);
    put(&api, &path, &ada, json!({})).await.expect(200);
    let count = "SELECT count(*)::text FROM collection_audit_log WHERE action = 'collection_updated'";
    assert_eq!(api.select(count).await, "4");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_invalid_value_is_reported_and_nothing_changes(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    let before = api.get(&path, &ada).await.expect(200);
    let mut details = Vec::new();
    for body in [
        json!({ "name": "a/b", "description": "x".repeat(4001), "sync_mode": "daily" }),
        json!({ "sync_mode": "continuous" }),
        json!({ "sync_mode": "continuous", "sync_interval_minutes": 14 }),
        json!({ "sync_interval_minutes": 525_601, "metadata": { "a": "\u{0}" } }),
        json!({ "description": "\u{0}", "name": "" }),
        json!({ "chunk_size": 100 }),
    ] {
        details.push(put(&api, &path, &ada, body).await.problem(422));
    }
    insta::assert_snapshot!(details.join("\n"), @r#"
    name: contains a character that is not allowed; all but / \ * ? < > : " | and control characters allowed, got '/'; description: wrong length; 0 to 4000 characters allowed, got 4001; sync_mode: unknown value; one_time, continuous allowed, got "daily"
    sync_interval_minutes: is missing; a continuous collection needs 15 to 525600 minutes
    sync_interval_minutes: out of range; 15 to 525600 allowed, got 14
    metadata: contains a NUL character; every other character is allowed; sync_interval_minutes: out of range; 15 to 525600 allowed, got 525601
    name: wrong length; 1 to 255 characters allowed, got 0; description: contains a NUL character; every other character is allowed
    chunk_size: unknown field `chunk_size`; allowed are `name`, `description`, `is_public`, `metadata`, `sync_mode`, `sync_interval_minutes`
    "#);
    assert_eq!(api.get(&path, &ada).await.expect(200), before);

    let body = json!({ "sync_mode": "continuous", "sync_interval_minutes": 15 });
    put(&api, &path, &ada, body).await.expect(200);
    let still_needed = put(&api, &path, &ada, json!({ "sync_interval_minutes": null })).await.problem(422);
    assert!(still_needed.starts_with("sync_interval_minutes: is missing"), "{still_needed}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn names_stay_unique_per_owner(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, bob) = (api.sign_up("ada").await, api.sign_up("bob").await);
    let notes = api.create_collection(&ada, "notes").await;
    api.create_collection(&ada, "letters").await;
    api.create_collection(&bob, "diary").await;
    let taken = put(&api, &notes, &ada, json!({ "name": "Letters" })).await.problem(409);
    assert_eq!(taken, r#"you already have a collection named "Letters"; choose another name"#);
    put(&api, &notes, &ada, json!({ "name": "diary" })).await.expect(200);
    put(&api, &notes, &ada, json!({ "name": "Diary" })).await.expect(200);

    // An admin's new name must be unique among the owner's collections.
    api.sql(
        "INSERT INTO collection_permissions (collection_id, user_id, permission)
        SELECT c.id, u.id, 'admin' FROM collections c, users u WHERE c.name = 'Diary' AND u.username = 'bob'
            AND c.owner_id <> u.id",
    )
    .await;
    let taken = put(&api, &notes, &bob, json!({ "name": "letters" })).await.problem(409);
    assert_eq!(taken, r#"its owner already has a collection named "letters"; choose another name"#);
    assert_eq!(put(&api, &notes, &bob, json!({ "is_public": true })).await.expect(200)["access"], "admin");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn reading_or_writing_is_not_enough_to_change_settings(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    let path = api.create_collection(&ada, "notes").await;
    put(&api, &path, &eve, json!({ "is_public": true })).await.problem(404);
    put(&api, &path, &ada, json!({ "is_public": true })).await.expect(200);
    put(&api, &path, &eve, json!({ "name": "mine" })).await.problem(403);
    api.sql(
        "INSERT INTO collection_permissions (collection_id, user_id, permission)
        SELECT c.id, u.id, 'write' FROM collections c, users u WHERE u.username = 'eve'",
    )
    .await;
    let refused = put(&api, &path, &eve, json!({ "name": "mine" })).await.problem(403);
    assert!(refused.contains("; admin access required"), "{refused}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn of_concurrent_updates_of_one_version_one_succeeds(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    let shown = api.get(&path, &ada).await;
    let version = shown.headers["etag"].to_str().unwrap().to_owned();
    let change = |n: usize| {
        let (api, ada, path, version) = (&api, &ada, &path, &version);
        async move {
            let body = json!({ "description": format!("change {n}") });
            api.send_with(Method::PUT, path, ada, Some(&body), &[("if-match", version)]).await
        }
    };
    let mut statuses = Vec::new();
    let mut winner = Value::Null;
    for answer in join_all((0..10).map(change)).await {
        statuses.push(answer.status.as_u16());
        if answer.status == 200 {
            assert_ne!(answer.headers["etag"], *version);
            winner = answer.body;
        }
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 9][..]));
    let after = api.get(&path, &ada).await;
    let version = after.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(after.expect(200), winner);
    let body = json!({ "description": "at last" });
    let headers = [("if-match", version.as_str())];
    api.send_with(Method::PATCH, &path, &ada, Some(&body), &headers).await.expect(200);
    // Changes of documents do not change the ETag.
    api.sql("UPDATE collections SET document_count = 7, updated_at = now() + interval '1 hour'").await;
    let body = json!({ "description": "really" });
    let shown = api.get(&path, &ada).await;
    let version = shown.headers["etag"].to_str().unwrap().to_owned();
    let headers = [("if-match", version.as_str())];
    api.sql("UPDATE collections SET document_count = 8").await;
    api.send_with(Method::PUT, &path, &ada, Some(&body), &headers).await.expect(200);
}
