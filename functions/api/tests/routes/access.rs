//! Checks before every handler: rate limits, idempotency keys, access.

use access::RateLimits;
use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::harness::{Answer, Api, text};

const COLLECTIONS: &str = "/api/v2/collections";

async fn create(api: &Api, token: &str, key: &str, name: &str) -> Answer {
    let body = json!({ "name": name });
    api.send_with(Method::POST, COLLECTIONS, token, Some(&body), &[("idempotency-key", key)]).await
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn rate_limit_reports_when_to_retry(pool: PgPool) {
    let api = Api::with_rates(pool.clone(), "0.05".parse::<RateLimits>().unwrap());
    let ada = api.sign_up("ada").await;
    // 60 per minute times 0.05.
    for left in [2, 1, 0] {
        let answer = api.post(COLLECTIONS, &ada, json!({})).await;
        assert_eq!(answer.headers["x-ratelimit-remaining"], left.to_string());
        assert_eq!(answer.headers["ratelimit-policy"], "\"route\";q=3;w=60");
        answer.problem(422);
    }
    let refused = api.post(COLLECTIONS, &ada, json!({ "name": "c" })).await;
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((15..=20).contains(&wait), "{wait}");
    assert_eq!(refused.headers["x-ratelimit-remaining"], "0");
    let detail = refused.problem(429);
    assert_eq!(
        detail,
        format!("Rate limit exceeded; 3 requests per 60 seconds allowed, retry in {wait} seconds")
    );
    api.get(COLLECTIONS, &ada).await.expect(200);

    // All instances of the function share the counts.
    let instance = Api::with_rates(pool, "0.05".parse().unwrap());
    instance.post(COLLECTIONS, &ada, json!({ "name": "c" })).await.problem(429);
    api.sql("UPDATE request_throttles SET drained_at = drained_at - interval '20 seconds'").await;
    instance.post(COLLECTIONS, &ada, json!({ "name": "c" })).await.expect(201);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn repeated_request_returns_the_first_response_and_changes_nothing(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let first = create(&api, &ada, "k1", "one").await.expect(201);
    let again = create(&api, &ada, "k1", "one").await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.expect(201), first);
    assert_eq!(api.select("SELECT count(*)::text FROM collections").await, "1");

    let other = create(&api, &ada, "k1", "two").await.problem(422);
    assert!(other.starts_with("Idempotency-Key: already used for a different request"), "{other}");
    // Idempotency keys are scoped to the user.
    let bob = api.sign_up("bob").await;
    assert_ne!(create(&api, &bob, "k1", "one").await.expect(201)["id"], first["id"]);

    // Failed requests can be repeated.
    create(&api, &ada, "k2", "one").await.problem(409);
    let path = format!("{COLLECTIONS}/{}", text(&first["id"]));
    api.delete(&path, &ada).await.expect(204);
    create(&api, &ada, "k2", "one").await.expect(201);

    let long = "k".repeat(256);
    assert!(create(&api, &ada, &long, "three").await.problem(422).contains("1 to 255"));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn fifty_requests_with_one_key_create_one_collection(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let answers = join_all((0..50).map(|_| create(&api, &ada, "k", "one"))).await;
    let ids: std::collections::BTreeSet<String> =
        answers.into_iter().map(|answer| text(&answer.expect(201)["id"])).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(api.select("SELECT count(*)::text FROM collections").await, "1");
    assert_eq!(api.select("SELECT count(*)::text FROM operations").await, "1");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn access_is_decided_before_the_body_is_read(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let stranger = api.sign_up("stranger").await;
    let path = api.create_collection(&ada, "private").await;
    let sources = format!("{path}/sources");
    api.send(Method::POST, &sources, "", None).await.problem(401);
    api.send(Method::POST, &sources, &stranger, None).await.problem(404);
    api.sql("UPDATE collections SET is_public = TRUE").await;
    let refused = api.send(Method::POST, &sources, &stranger, None).await.problem(403);
    assert!(refused.starts_with("Insufficient access to collection "), "{refused}");
    assert!(refused.contains("; write access required"), "{refused}");
    api.send(Method::POST, &sources, &ada, None).await.problem(415);
    api.get("/api/v2/collections/nonsense", &ada).await.problem(404);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn responses_are_stored_by_nobody_or_by_the_signed_in_client_alone(pool: PgPool) {
    let api = Api::new(pool).with_search();
    api.register("ada").await;
    let credentials = json!({ "username": "ada", "password": crate::harness::PASSWORD });
    let signed_in = api.post("/api/auth/login", "", credentials).await;
    let token = text(&signed_in.body["access_token"]);
    let refresh = json!({ "refresh_token": signed_in.body["refresh_token"] });
    let created = api.post("/api/v2/api-keys", &token, json!({ "name": "ci" })).await;
    let rotate = format!("/api/v2/api-keys/{}/rotate", text(&created.body["id"]));
    let rotated = api.post(&rotate, &token, json!({})).await;
    let refreshed = api.post("/api/auth/refresh", "", refresh).await;
    let searched = api.post("/api/v2/search", &token, json!({})).await;
    let refused = api.get("/api/auth/me", "").await;
    let profile = api.get("/api/auth/me", &token).await;
    let page = api.get("/api/docs", "").await;
    let preflight = api.send(http::Method::OPTIONS, "/api/v2/collections", "", None).await;
    for (answer, expected) in [
        (&signed_in, Some("private, no-store")),
        (&created, Some("private, no-store")),
        (&rotated, Some("private, no-store")),
        (&refreshed, Some("private, no-store")),
        (&searched, Some("private, no-store")),
        (&refused, Some("private, no-store")),
        (&profile, Some("private, no-cache")),
    ] {
        let got = answer.headers.get("cache-control").map(|value| value.to_str().unwrap());
        assert_eq!(got, expected, "{}", answer.body);
    }
    for answer in [&signed_in, &created, &searched, &refused, &profile, &page, &preflight] {
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn preflights_of_every_route_are_answered_without_authentication(pool: PgPool) {
    const PAGE: &str = "https://app.example.org";
    let api = Api::new(pool).with_cors_origins(PAGE).with_search();
    for route in include_str!("system/routes.txt").lines() {
        let (method, path) = route.split_once(' ').unwrap();
        for (origin, allowed) in [(PAGE, Some(PAGE)), ("https://evil.example", None)] {
            let asked = [
                ("origin", origin),
                ("access-control-request-method", method),
                ("access-control-request-headers", "authorization, content-type, if-match, idempotency-key"),
            ];
            let answer = api.send_with(Method::OPTIONS, path, "", None, &asked).await;
            assert_eq!(answer.status, 200, "{route}: {}", answer.body);
            let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(header("access-control-allow-origin"), allowed, "{route}");
            assert_eq!(header("access-control-allow-credentials"), None, "{route}");
            assert!(header("access-control-allow-methods").unwrap().contains(method), "{route}");
            for name in ["authorization", "content-type", "if-match", "idempotency-key"] {
                assert!(header("access-control-allow-headers").unwrap().contains(name), "{route}: {name}");
            }
        }
    }
    // What pages may read of responses of both functions, errors included.
    for path in ["/api/v2/collections", "/api/v2/search"] {
        let answer = api.send_with(Method::POST, path, "", Some(&json!({})), &[("origin", PAGE)]).await;
        assert_eq!(answer.status, 401, "{path}: {}", answer.body);
        assert_eq!(answer.headers["access-control-allow-origin"], PAGE, "{path}");
        let exposed = answer.headers["access-control-expose-headers"].to_str().unwrap();
        for name in ["x-request-id", "retry-after", "etag", "x-total-count", "ratelimit"] {
            assert!(exposed.contains(name), "{path}: {exposed}");
        }
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_resource_is_sent_although_the_client_has_its_version(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    // Status and counts change, and the version, which names what the client can change, does not.
    for path in ["/api/auth/me", "/api/v2/preferences", &collection] {
        let first = api.get(path, &token).await;
        let version = first.headers["etag"].to_str().unwrap().to_owned();
        let known = [("if-none-match", version.as_str())];
        let again = api.send_with(http::Method::GET, path, &token, None, &known).await;
        assert_eq!((again.status.as_u16(), &again.body), (200, &first.body), "{path}");
        assert_eq!(again.headers["etag"], first.headers["etag"]);
    }
}
