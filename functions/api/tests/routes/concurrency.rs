//! Concurrent requests for the same resource: exactly one succeeds, and none fails with a server error.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::harness::{Answer, Api, PASSWORD, text};

/// Uses more connections than other tests, so that requests overlap in the database.
async fn api(options: PgPoolOptions, database: PgConnectOptions) -> Api {
    let pool: PgPool = options.max_connections(20).connect_with(database).await.unwrap();
    Api::new(pool)
}

/// Counts the responses by status.
fn count(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut statuses = BTreeMap::new();
    for answer in answers {
        *statuses.entry(answer.status.as_u16()).or_default() += 1;
    }
    statuses
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_of_50_registrations_of_a_name_succeeds(options: PgPoolOptions, database: PgConnectOptions) {
    let api = api(options, database).await;
    let answers = join_all((0..50).map(|n| {
        let name = if n % 2 == 0 { "Ada" } else { "ada" };
        let email = format!("ada{n}@example.org");
        api.post("/api/auth/register", "", json!({ "username": name, "email": email, "password": PASSWORD }))
    }))
    .await;
    assert_eq!(count(&answers), BTreeMap::from([(201, 1), (409, 49)]));
    assert_eq!(api.select("SELECT count(*)::text FROM users").await, "1");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn twenty_of_50_key_creations_succeed(options: PgPoolOptions, database: PgConnectOptions) {
    let api = api(options, database).await;
    let token = api.sign_up("ada").await;
    let answers = join_all(
        (0..50).map(|n| api.post("/api/v2/api-keys", &token, json!({ "name": format!("key {n}") }))),
    )
    .await;
    assert_eq!(count(&answers), BTreeMap::from([(201, 20), (400, 30)]));
    assert_eq!(api.select("SELECT count(*)::text FROM api_keys WHERE is_active").await, "20");

    // All twenty are reactivated while new ones are created.
    api.sql("UPDATE api_keys SET is_active = FALSE").await;
    let ids = api.select("SELECT string_agg(id::text, ' ') FROM api_keys").await;
    let reactivate = json!({ "is_active": true });
    let mut requests = Vec::new();
    for (n, id) in ids.split(' ').enumerate() {
        let path = format!("/api/v2/api-keys/{id}");
        let (api, token, reactivate) = (&api, &token, &reactivate);
        let reactivation = async move { api.send(Method::PATCH, &path, token, Some(reactivate)).await };
        let creation = async move {
            api.post("/api/v2/api-keys", token, json!({ "name": format!("new key {n}") })).await
        };
        requests.push(futures_util::future::join(reactivation, creation));
    }
    let answers: Vec<Answer> = join_all(requests).await.into_iter().flat_map(|(a, b)| [a, b]).collect();
    let statuses = count(&answers);
    assert_eq!(statuses[&400], 20, "{statuses:?}");
    assert_eq!(api.select("SELECT count(*)::text FROM api_keys WHERE is_active").await, "20");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_of_50_key_creations_with_a_name_succeeds(options: PgPoolOptions, database: PgConnectOptions) {
    let api = api(options, database).await;
    let token = api.sign_up("ada").await;
    let answers =
        join_all((0..50).map(|_| api.post("/api/v2/api-keys", &token, json!({ "name": "ci" })))).await;
    assert_eq!(count(&answers), BTreeMap::from([(201, 1), (409, 49)]));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_of_50_refreshes_with_a_token_succeeds(options: PgPoolOptions, database: PgConnectOptions) {
    let api = api(options, database).await;
    api.register("ada").await;
    let token = text(&api.login("ada", PASSWORD).await.expect(200)["refresh_token"]);
    let answers =
        join_all((0..50).map(|_| api.post("/api/auth/refresh", "", json!({ "refresh_token": token })))).await;
    assert_eq!(count(&answers), BTreeMap::from([(200, 1), (401, 49)]));
    let live = api.select("SELECT count(*)::text FROM refresh_tokens WHERE NOT is_revoked").await;
    assert!(live == "1" || live == "0", "{live}");
}

/// Sessions are refreshed while all of them are revoked: none survives.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn no_refresh_survives_the_revocation_of_all_sessions(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let api = api(options, database).await;
    let access = api.sign_up("ada").await;
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(text(&api.login("ada", PASSWORD).await.expect(200)["refresh_token"]));
    }
    let refreshes = join_all(
        tokens.iter().map(|token| api.post("/api/auth/refresh", "", json!({ "refresh_token": token }))),
    );
    let out = api.send(Method::POST, "/api/auth/logout-all", &access, None);
    let (answers, out) = futures_util::future::join(refreshes, out).await;
    out.expect(200);
    let statuses = count(&answers);
    assert!(statuses.keys().all(|status| [200, 401].contains(status)), "{statuses:?}");
    assert_eq!(
        api.select("SELECT count(*)::text FROM refresh_tokens WHERE NOT is_revoked").await,
        "0",
        "{statuses:?}"
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_of_two_superusers_who_demote_each_other_remains(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let api = api(options, database).await;
    let ada = api.sign_up("ada").await;
    let bob = api.sign_up("bob").await;
    let demote = json!({ "is_superuser": false });
    let demote = |token, id| {
        let (api, demote) = (&api, &demote);
        let path = format!("/api/v2/admin/users/{id}");
        async move { api.send(Method::PATCH, &path, token, Some(demote)).await.status.as_u16() }
    };
    for round in 0..10 {
        api.sql("UPDATE users SET is_superuser = TRUE").await;
        // First each other, then themselves.
        let (targets, refusal) = if round % 2 == 0 { ((2, 1), 403) } else { ((1, 2), 409) };
        let (first, second) =
            futures_util::future::join(demote(&ada, targets.0), demote(&bob, targets.1)).await;
        let mut statuses = [first, second];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, refusal], "round {round}");
        assert_eq!(api.select("SELECT count(*)::text FROM users WHERE is_superuser").await, "1");
    }
}

/// Concurrent changes of documents in two collections of one owner neither deadlock nor corrupt the usage
/// counters.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn concurrent_document_changes_keep_usage_counters_exact(
    options: PgPoolOptions,
    database: PgConnectOptions,
) {
    let api = api(options, database).await;
    let token = api.sign_up("ada").await;
    let paths = [api.create_collection(&token, "first").await, api.create_collection(&token, "second").await];
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
        SELECT md5(c.name || n)::uuid, c.id, 'upload://' || n, 'a', 'a', n,
            (ARRAY['completed', 'deleted', 'failed'])[1 + n % 3]::document_status
        FROM collections c, generate_series(1, 30) AS n",
    )
    .await;
    api.sql(
        "INSERT INTO document_artifacts (document_id, collection_id, generation, mime_type, object_key, content_hash, size_bytes)
        SELECT id, collection_id, 1, 'text/plain', 'raw/' || id, 'x', file_size FROM documents",
    )
    .await;
    let ids = api
        .select("SELECT string_agg(collection_id || '/documents/' || id, ' ' ORDER BY uri) FROM documents")
        .await;
    let limits = json!({
        "max_documents": 25, "max_storage_bytes": 500, "max_operations_per_hour": 1_000_000, "max_sources": 1,
    });
    for path in &paths {
        let id = path.rsplit('/').next().unwrap();
        let path = format!("/api/v2/admin/collections/{id}/limits");
        api.send(Method::PUT, &path, &token, Some(&limits)).await.expect(200);
    }
    let mut statuses = BTreeMap::new();
    for round in 0..3 {
        let mut requests = Vec::new();
        for (n, id) in ids.split(' ').enumerate() {
            let document = format!("/api/v2/collections/{id}");
            let collection = &paths[n % 2];
            let (method, path, body) = match (n + round) % 4 {
                0 => (Method::DELETE, document, None),
                1 => (Method::POST, format!("{document}/restore"), None),
                2 => (Method::POST, format!("{document}/retry"), None),
                _ => {
                    let files = json!({ "files": [{ "name": n.to_string(), "size": 10 }] });
                    (Method::POST, format!("{collection}/uploads"), Some(files))
                }
            };
            let (api, token) = (&api, &token);
            requests.push(async move { api.send(method, &path, token, body.as_ref()).await });
        }
        for (status, times) in count(&join_all(requests).await) {
            *statuses.entry(status).or_insert(0) += times;
        }
    }
    assert!(statuses.keys().all(|status| [200, 201, 202, 204, 404, 409].contains(status)), "{statuses:?}");
    assert!([200, 201, 202, 204, 409].iter().all(|status| statuses.contains_key(status)), "{statuses:?}");
    let wrong = api
        .select(
            "SELECT count(*)::text FROM collection_resource_limits l
            CROSS JOIN LATERAL (
                SELECT
                    (SELECT count(held_bytes) FROM documents d WHERE d.collection_id = l.collection_id) AS documents,
                    (
                        SELECT coalesce(sum(a.size_bytes), 0)
                        FROM document_artifacts a WHERE a.collection_id = l.collection_id
                    ) AS bytes
            ) AS held
            WHERE l.used_documents <> held.documents OR l.used_bytes <> held.bytes
                OR held.documents > l.max_documents OR held.bytes > l.max_storage_bytes",
        )
        .await;
    assert_eq!(wrong, "0", "{statuses:?}");
}
