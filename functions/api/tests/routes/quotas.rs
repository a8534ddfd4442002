//! Quotas of users and collections.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use http::{Method, header};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api, text};

const GENEROUS: i64 = 1_000_000_000;

/// Stages one version of each document.
const STAGE: &str = "
    INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
    SELECT id, collection_id, 1, 'text/plain', 'raw/x', 'h', file_size FROM documents";

async fn put(api: &Api, path: &str, token: &str, body: Value) -> Answer {
    api.send(Method::PUT, path, token, Some(&body)).await
}

async fn limit_user(api: &Api, token: &str, id: i64, max_collections: i64) {
    let body = json!({ "max_collections": max_collections, "max_storage_bytes": GENEROUS });
    put(api, &format!("/api/v2/admin/users/{id}/limits"), token, body).await.expect(200);
}

/// Sets one limit of a collection.
async fn limit(api: &Api, token: &str, path: &str, name: &str, most: i64) {
    let mut body = json!({
        "max_documents": GENEROUS, "max_storage_bytes": GENEROUS, "max_operations_per_hour": GENEROUS,
        "max_sources": GENEROUS,
    });
    body[name] = json!(most);
    let id = path.rsplit('/').next().unwrap();
    put(api, &format!("/api/v2/admin/collections/{id}/limits"), token, body).await.expect(200);
}

fn count(answers: Vec<Answer>) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for answer in answers {
        *statuses.entry(answer.status.as_u16()).or_default() += 1;
    }
    statuses
}

async fn add_source(api: &Api, token: &str, path: &str, name: impl std::fmt::Display) -> Answer {
    let body = json!({ "source_path": format!("/srv/docs/{name}") });
    api.post(&format!("{path}/sources"), token, body).await
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn limits_are_shown_with_usage_and_set_by_superusers(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let path = api.create_collection(&grace, "handbooks").await;
    add_source(&api, &grace, &path, "a").await.expect(202);
    let shown = api.get(&format!("{path}/limits"), &grace).await;
    let tag = shown.headers[header::ETAG].to_str().unwrap().to_owned();
    insta::assert_json_snapshot!(shown.expect(200), {".collection_id" => "[id]"}, @r#"
    {
      "collection_id": "[id]",
      "limits": {
        "max_documents": 100000,
        "max_operations_per_hour": 1000,
        "max_sources": 100,
        "max_storage_bytes": 53687091200
      },
      "usage": {
        "documents": 0,
        "operations_last_hour": 1,
        "sources": 1,
        "storage_bytes": 0
      }
    }
    "#);
    insta::assert_json_snapshot!(api.get("/api/v2/limits", &grace).await.expect(200), @r#"
    {
      "limits": {
        "max_collections": 100,
        "max_storage_bytes": 53687091200
      },
      "usage": {
        "collections": 1,
        "storage_bytes": 0
      },
      "user_id": 2
    }
    "#);

    let id = path.rsplit('/').next().unwrap();
    let admin = format!("/api/v2/admin/collections/{id}/limits");
    let wanted = json!({
        "max_documents": 5, "max_storage_bytes": 1000, "max_operations_per_hour": 7, "max_sources": 3,
    });
    put(&api, &admin, &grace, wanted.clone()).await.problem(403);
    assert_eq!(api.get(&admin, &ada).await.headers[header::ETAG], tag.as_str());
    let set = api.send_with(Method::PUT, &admin, &ada, Some(&wanted), &[("if-match", &tag)]).await;
    assert_ne!(set.headers[header::ETAG], tag.as_str());
    assert_eq!(set.expect(200)["limits"], wanted);
    let stale = api.send_with(Method::PUT, &admin, &ada, Some(&wanted), &[("if-match", &tag)]).await;
    assert!(stale.problem(412).contains("has changed since"));
    assert_eq!(api.get(&format!("{path}/limits"), &grace).await.expect(200)["limits"], wanted);
    let negative = json!({ "max_collections": -1, "max_storage_bytes": 1_i64 << 62 });
    let users = "/api/v2/admin/users/2/limits";
    assert_eq!(
        put(&api, users, &ada, negative).await.problem(422),
        "max_collections: out of range; 0 to 1000000000 allowed, got -1; \
         max_storage_bytes: out of range; 0 to 1152921504606846976 allowed, got 4611686018427387904"
    );
    limit_user(&api, &ada, 2, 7).await;
    assert_eq!(api.get("/api/v2/limits", &grace).await.expect(200)["limits"]["max_collections"], 7);
    assert_eq!(api.get(users, &ada).await.expect(200)["usage"]["collections"], 1);
    for path in [
        "/api/v2/admin/users/99/limits",
        "/api/v2/admin/collections/00000000-0000-0000-0000-000000000000/limits",
    ] {
        api.get(path, &ada).await.problem(404);
    }
    let details = "SELECT details::text FROM collection_audit_log WHERE action = 'user_limits_set'";
    let details: Value = serde_json::from_str(&api.select(details).await).unwrap();
    assert_eq!(details["after"], json!({ "max_collections": 7, "max_storage_bytes": GENEROUS }));
    assert_eq!((&details["before"]["max_collections"], &details["username"]), (&json!(100), &json!("grace")));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn of_fifty_concurrent_creations_the_allowed_number_succeeds(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    limit_user(&api, &ada, 1, 3).await;
    let create = |name: String| {
        let (api, ada) = (&api, &ada);
        async move { api.post("/api/v2/collections", ada, json!({ "name": name })).await }
    };
    let answers = join_all((0..50).map(|n| create(format!("c{n}")))).await;
    assert_eq!(count(answers), BTreeMap::from([(201, 3), (409, 47)]));
    assert_eq!(api.select("SELECT count(*)::text FROM collections").await, "3");
    assert_eq!(api.select("SELECT count(*)::text FROM operations").await, "3");
    assert_eq!(
        create("one more".to_owned()).await.problem(409),
        "ada has 3 of at most 3 collections; delete one, or ask an administrator for a higher limit"
    );
    // Deleting a collection frees its place at once.
    let listed = api.get("/api/v2/collections", &ada).await.expect(200);
    let path = format!("/api/v2/collections/{}", text(&listed["collections"][0]["id"]));
    api.delete(&path, &ada).await.expect(204);
    create("one more".to_owned()).await.expect(201);

    // A transfer of ownership does not exceed the quota.
    let grace = api.sign_up("grace").await;
    let path = api.create_collection(&grace, "theirs").await;
    let offer = api.offer(&path, &grace, "ada").await;
    let refused = api.post(&format!("{offer}/accept"), &ada, Value::Null).await.problem(409);
    assert!(refused.starts_with("ada has 3 of at most 3 collections"), "{refused}");
    assert_eq!(api.get(&path, &grace).await.expect(200)["access"], "owner");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn of_fifty_concurrent_sources_the_allowed_number_is_added(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    limit(&api, &ada, &path, "max_sources", 4).await;
    let answers = join_all((0..50).map(|n| add_source(&api, &ada, &path, n))).await;
    assert_eq!(count(answers), BTreeMap::from([(202, 4), (409, 46)]));
    assert_eq!(api.select("SELECT count(*)::text FROM collection_sources").await, "4");
    assert_eq!(
        add_source(&api, &ada, &path, "new").await.problem(409),
        "the collection has 4 of at most 4 sources; remove one, or ask an administrator for a higher limit"
    );
    // An existing one can be read again.
    let known = api.select("SELECT split_part(source_path, '/', 4) FROM collection_sources LIMIT 1").await;
    add_source(&api, &ada, &path, known).await.expect(202);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn operations_per_hour_are_limited(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    limit(&api, &ada, &path, "max_operations_per_hour", 5).await;
    let answers = join_all((0..50).map(|n| add_source(&api, &ada, &path, n % 2))).await;
    assert_eq!(count(answers), BTreeMap::from([(202, 5), (429, 45)]));
    assert_eq!(api.select("SELECT count(*)::text FROM operations WHERE type = 'append'").await, "5");

    // The oldest is older than an hour in ten minutes.
    api.sql(
        "UPDATE operations SET created_at = now() - interval '50 minutes'
        WHERE id = (SELECT min(id) FROM operations WHERE type = 'append')",
    )
    .await;
    let refused = add_source(&api, &ada, &path, 0).await;
    let wait: i64 = refused.headers[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((590..=601).contains(&wait), "{wait}");
    assert_eq!(
        refused.problem(429),
        format!(
            "5 of at most 5 operations were started on the collection in the last hour; try again in {wait} \
             seconds, or ask an administrator for a higher limit"
        )
    );
    let usage = api.get(&format!("{path}/limits"), &ada).await.expect(200)["usage"].clone();
    assert_eq!((&usage["operations_last_hour"], &usage["sources"]), (&json!(5), &json!(2)));
    api.sql("UPDATE operations SET created_at = now() - interval '61 minutes' WHERE created_at < now() - interval '49 minutes'").await;
    add_source(&api, &ada, &path, 0).await.expect(202);

    // A sync run is as many operations as there are sources; deletion is never refused.
    let run = api.send(Method::POST, &format!("{path}/sync/run"), &ada, None).await;
    assert!(run.headers.contains_key(header::RETRY_AFTER));
    run.problem(429);
    limit(&api, &ada, &path, "max_operations_per_hour", 1).await;
    let never = api.send(Method::POST, &format!("{path}/sync/run"), &ada, None).await.problem(409);
    assert!(never.starts_with("this would start 2 operations, and at most 1 may be started"), "{never}");
    api.delete(&path, &ada).await.expect(204);
}

async fn announce(api: &Api, token: &str, path: &str, name: impl std::fmt::Display, size: i64) -> Answer {
    let body = json!({ "files": [{ "name": format!("{name}.txt"), "size": size }] });
    api.post(&format!("{path}/uploads"), token, body).await
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn of_fifty_concurrent_announcements_as_many_succeed_as_the_quota_allows(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    limit(&api, &ada, &path, "max_documents", 3).await;
    let answers = join_all((0..50).map(|n| announce(&api, &ada, &path, n, 10))).await;
    assert_eq!(count(answers), BTreeMap::from([(201, 3), (409, 47)]));
    assert_eq!(api.select("SELECT count(*)::text FROM uploads").await, "3");
    assert_eq!(
        announce(&api, &ada, &path, "more", 10).await.problem(409),
        "0 of at most 3 documents are used by the collection, and with these files 4 more would be \
         announced; delete some, or ask an administrator for a higher limit"
    );
    // Expired uploads do not count.
    api.sql("UPDATE uploads SET expires_at = now() - interval '1 s'").await;
    announce(&api, &ada, &path, "more", 10).await.expect(201);

    // A new version of a document is no new document. Both are held until the older one is erased.
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
        SELECT gen_random_uuid(), id, 'upload://' || n || '.txt', n || '.txt', n || '.txt', 100, 'completed'
        FROM collections, generate_series(1, 2) AS n WHERE name = 'notes'",
    )
    .await;
    api.sql(STAGE).await;
    announce(&api, &ada, &path, 1, 200).await.expect(201);
    announce(&api, &ada, &path, 3, 10).await.problem(409);
    limit(&api, &ada, &path, "max_storage_bytes", 500).await;
    announce(&api, &ada, &path, 2, 100).await.problem(409);
    limit(&api, &ada, &path, "max_storage_bytes", 510).await;
    announce(&api, &ada, &path, 2, 100).await.expect(201);
    assert_eq!(
        announce(&api, &ada, &path, 2, 101).await.problem(409),
        "200 of at most 510 bytes are used by the collection, and with these files 311 more would be \
         announced; purge some documents, or ask an administrator for a higher limit"
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_storage_of_all_collections_of_an_owner_is_limited(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, grace) = (api.sign_up("ada").await, api.sign_up("grace").await);
    let first = api.create_collection(&grace, "first").await;
    let second = api.create_collection(&grace, "second").await;
    let body = json!({ "max_collections": 10, "max_storage_bytes": 100 });
    put(&api, "/api/v2/admin/users/2/limits", &ada, body).await.expect(200);
    let answers = join_all((0..50).map(|n| {
        let path = if n % 2 == 0 { &first } else { &second };
        announce(&api, &grace, path, n, 30)
    }))
    .await;
    assert_eq!(count(answers), BTreeMap::from([(201, 3), (409, 47)]));
    api.sql("UPDATE uploads SET status = 'received'").await;
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
        SELECT gen_random_uuid(), id, 'a', 'a', 'a', 45, 'completed' FROM collections",
    )
    .await;
    api.sql(STAGE).await;
    assert_eq!(
        announce(&api, &grace, &first, "more", 11).await.problem(409),
        "90 of at most 100 bytes are used by all collections of its owner, and with these files 11 more would \
         be announced; purge some documents, or ask an administrator for a higher limit"
    );
    assert_eq!(api.get("/api/v2/limits", &grace).await.expect(200)["usage"]["storage_bytes"], 90);

    // A transfer of ownership counts for the new owner, and no longer for the old one.
    let body = json!({ "max_collections": 10, "max_storage_bytes": 44 });
    put(&api, "/api/v2/admin/users/1/limits", &ada, body).await.expect(200);
    let accept = format!("{}/accept", api.offer(&first, &grace, "ada").await);
    assert_eq!(
        api.post(&accept, &ada, Value::Null).await.problem(409),
        "all collections of the new owner hold 0 of at most 44 bytes, and this one would add 45; purge some \
         of its documents, or ask an administrator for a higher limit"
    );
    let body = json!({ "max_collections": 10, "max_storage_bytes": 45 });
    put(&api, "/api/v2/admin/users/1/limits", &ada, body).await.expect(200);
    api.post(&accept, &ada, Value::Null).await.expect(200);
    for (token, bytes) in [(&ada, 45), (&grace, 45)] {
        assert_eq!(api.get("/api/v2/limits", token).await.expect(200)["usage"]["storage_bytes"], bytes);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn deleted_documents_are_restored_within_the_quota(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
        SELECT lpad(n::text, 32, '0')::uuid, id, n::text, 'a', 'a', 10,
            CASE WHEN n <= 20 THEN 'deleted' ELSE 'failed' END::document_status
        FROM collections, generate_series(1, 22) AS n",
    )
    .await;
    api.sql(STAGE).await;
    limit(&api, &ada, &path, "max_documents", 4).await;
    let answers = join_all((1..=20).map(|n| {
        let (api, ada) = (&api, &ada);
        let restore = format!("{path}/documents/00000000-0000-0000-0000-{n:012}/restore");
        async move { api.post(&restore, ada, json!({})).await }
    }))
    .await;
    assert_eq!(count(answers), BTreeMap::from([(202, 4), (409, 16)]));
    assert_eq!(
        api.post(&format!("{path}/documents/retry-failed"), &ada, json!({})).await.problem(409),
        "the collection holds 4 of at most 4 documents, and this would add 2; delete some, or ask an \
         administrator for a higher limit"
    );
    // Refused requests started no operation.
    assert_eq!(api.select("SELECT count(*)::text FROM operations WHERE type <> 'index'").await, "4");
    let usage = api.get(&format!("{path}/limits"), &ada).await.expect(200)["usage"].clone();
    assert_eq!((&usage["documents"], &usage["storage_bytes"]), (&json!(4), &json!(220)));

    limit(&api, &ada, &path, "max_operations_per_hour", 4).await;
    let refused = api.post(&format!("{path}/documents/retry-failed"), &ada, json!({})).await;
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    assert!(refused.problem(429).starts_with("4 of at most 4 operations were started"));
}
