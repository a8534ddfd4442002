//! Bounds of requests and responses: nothing that a client sends makes the API slow, or its responses too large.

use std::time::{Duration, Instant};

use http::Method;
use lambda::http::MAX_PAYLOAD_BYTES;
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Api, PASSWORD, text};

const COLLECTIONS: &str = "/api/v2/collections";
/// Reading a body of 2 MiB in a debug build; what used to be quadratic took six seconds and more.
const LINEAR: Duration = Duration::from_secs(3);

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn metadata_of_a_collection_is_bounded_and_not_in_lists(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    // `{"k":""}` takes eight bytes.
    let metadata = |bytes: usize| json!({ "k": "x".repeat(bytes - 8) });
    for (bytes, status) in [(16 * 1024, 201), (16 * 1024 + 1, 422), (1_900_000, 422)] {
        let body = json!({ "name": format!("of {bytes}"), "metadata": metadata(bytes) });
        let answer = api.post(COLLECTIONS, &ada, body).await.expect(status);
        if status == 422 {
            let detail = text(&answer["detail"]);
            assert_eq!(detail, format!("metadata: too large; 16384 bytes of JSON allowed, got {bytes}"));
        }
    }
    let listed = api.get(COLLECTIONS, &ada).await.expect(200);
    assert_eq!(listed["collections"][0].get("metadata"), None);
    let path = format!("{COLLECTIONS}/{}", text(&listed["collections"][0]["id"]));
    assert_eq!(api.get(&path, &ada).await.expect(200)["metadata"], metadata(16 * 1024));
    let changed = api.send(Method::PATCH, &path, &ada, Some(&json!({ "metadata": metadata(20_000) }))).await;
    assert!(changed.problem(422).starts_with("metadata: too large"));

    // Rows that are older than the bound do not break the list of every reader.
    api.sql("UPDATE collections SET meta = jsonb_build_object('k', repeat('\"', 1900000))").await;
    api.get(COLLECTIONS, &ada).await.expect(200);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_resource_that_lambda_cannot_transfer_is_a_problem(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "old").await;
    // Each quotation mark is two bytes of JSON, and four of the JSON string that is the body.
    api.sql("UPDATE collections SET meta = jsonb_build_object('k', repeat('\"', 1900000))").await;
    let detail = api.get(&path, &ada).await.problem(413);
    assert!(detail.starts_with("The response is larger than 5.5 MiB"), "{detail}");
    const { assert!(1_900_000 * 4 > MAX_PAYLOAD_BYTES) };
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn long_lists_are_refused_before_they_are_compared(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let ids: Vec<Uuid> = (0..40_000).map(|_| Uuid::new_v4()).collect();
    let names: Vec<String> = (0..20_000).map(|number| format!("strategy {number}")).collect();
    let configs: Map<String, Value> =
        (0..20_000).map(|number| (format!("config {number}"), json!({}))).collect();
    let few = &names[..900];
    for (path, body, expected) in [
        (
            "/api/v2/api-keys",
            json!({ "name": "k", "collection_ids": ids }),
            "collection_ids: wrong number of items; at most 1000 allowed, got 40000",
        ),
        (
            "/api/v2/mcp/profiles",
            json!({ "name": "p", "collection_ids": ids }),
            "collection_ids: wrong number of items; at most 1000 allowed, got 40000",
        ),
        (
            "/api/v2/chunking/compare",
            json!({ "content": "a", "strategies": names }),
            "strategies: wrong number of items; at most 1000 allowed, got 20000",
        ),
        (
            "/api/v2/chunking/compare",
            json!({ "content": "a", "strategies": few, "configs": configs }),
            "strategies: wrong number of items; 2 to 7 allowed, got 900",
        ),
    ] {
        let started = Instant::now();
        let detail = api.post(path, &ada, body).await.problem(422);
        let took = started.elapsed();
        eprintln!("{path}: {took:.2?}");
        assert!(detail.starts_with(expected), "{detail}");
        assert!(took < LINEAR, "{path} took {took:?}");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn errors_are_few_and_small_whatever_was_sent(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "c").await;
    let bad_keys: Map<String, Value> = (0..60_000).map(|n| (format!("bad key {n}"), json!("x"))).collect();
    let huge_key = "k k".repeat(400_000);
    let unknown: Map<String, Value> = (0..60_000).map(|n| (format!("unknown {n}"), json!(1))).collect();
    let file = |metadata: Value| json!({ "files": [{ "name": "a", "size": 1, "metadata": metadata }] });
    let uploads = format!("{collection}/uploads");
    for (path, body) in [
        (uploads.as_str(), file(Value::Object(bad_keys))),
        (uploads.as_str(), file(json!({ huge_key.as_str(): 1 }))),
        (COLLECTIONS, Value::Object(unknown)),
        (COLLECTIONS, json!({ "name": "c", huge_key.as_str(): 1 })),
        (COLLECTIONS, json!({ "name": huge_key })),
    ] {
        let answer = api.post(path, &ada, body).await;
        let size = answer.body.to_string().len();
        assert_eq!(answer.status.as_u16(), 422, "{path}");
        let errors = answer.body["errors"].as_array().map_or(0, Vec::len);
        assert!(errors <= 20 && size < 64 * 1024, "{path}: {errors} errors in {size} bytes");
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn patterns_of_a_source_are_bounded(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let sources = format!("{}/sources", api.create_collection(&ada, "c").await);
    for (patterns, expected) in [
        (
            json!(vec!["*.md"; 101]),
            "source_config.include_patterns: wrong number of items; at most 100 allowed, got 101",
        ),
        (
            json!(["x".repeat(257)]),
            "source_config.include_patterns: too long; at most 256 bytes per entry allowed, got 257",
        ),
    ] {
        let config = json!({ "path": "/srv/docs/a", "include_patterns": patterns });
        let body = json!({ "source_type": "directory", "source_config": config });
        assert_eq!(api.post(&sources, &ada, body).await.problem(422), expected);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn passwords_that_are_guessed_first_are_refused(pool: PgPool) {
    let api = Api::new(pool);
    let account = |username: &str, password: &str| {
        json!({ "username": username, "email": format!("{username}@example.org"), "password": password,
            "full_name": "Ada Lovelace" })
    };
    for password in
        ["password", "12345678", "Passw0rd", "        ", "countess", "Ada Lovelace", "countess@example.org"]
    {
        let detail = api.post("/api/auth/register", "", account("countess", password)).await.problem(422);
        assert!(detail.starts_with("password: "), "{detail}");
    }
    let ada = api.sign_up("countess").await;
    for (new, words) in [("password1", "common"), ("countess1815", "own name")] {
        let body = json!({ "current_password": PASSWORD, "new_password": new });
        let detail = api.post("/api/auth/password", &ada, body).await.problem(422);
        assert!(detail.starts_with("new_password: ") && detail.contains(words), "{detail}");
    }
    let body = json!({ "username": "grace", "email": "grace@example.org", "password": "grace-2024" });
    api.post("/api/v2/admin/users", &ada, body).await.problem(422);
    let grace = api.register("grace").await;
    let path = format!("/api/v2/admin/users/{}/password", grace["id"]);
    for new in ["iloveyou", "grace12345"] {
        api.send(Method::PUT, &path, &ada, Some(&json!({ "new_password": new }))).await.problem(422);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_username_in_other_letters_does_not_evade_the_throttle(pool: PgPool) {
    let api = Api::new(pool);
    api.register("ingrid").await;
    for username in ["\u{130}ngrid", "\u{131}ngrid", "ＩＮＧＲＩＤ", "in\u{200b}grid"] {
        api.login(username, PASSWORD).await.problem(401);
        let body = json!({ "username": username, "email": "i@example.org", "password": PASSWORD });
        assert!(api.post("/api/auth/register", "", body).await.problem(422).starts_with("username: "));
    }
    assert_eq!(api.select("SELECT count(*)::text FROM login_attempts").await, "0");
    api.login("INGRID", PASSWORD).await.expect(200);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn invented_api_keys_cost_no_look_up_after_a_while(pool: PgPool) {
    let api = Api::with_rates(pool, "1".parse().unwrap());
    api.register("ada").await;
    let (_, key) = api.api_key("ada", "read", &[]).await;
    api.get(COLLECTIONS, &key).await.expect(200);
    let invented = |number: usize| format!("smtk_{number:08x}_{}", "A".repeat(43));
    let mut statuses = Vec::new();
    for number in 0..40 {
        statuses.push(api.get(COLLECTIONS, &invented(number)).await.status.as_u16());
    }
    let refused = statuses.iter().position(|status| *status == 429).expect("invented keys are throttled");
    assert!((30..=32).contains(&refused), "{statuses:?}");
    assert!(statuses[refused..].iter().all(|status| *status == 429), "{statuses:?}");
    let answer = api.get(COLLECTIONS, &invented(99)).await;
    assert!(answer.headers.contains_key("retry-after"));
    // The owner of a key that was used before is not locked out by others at the same address.
    api.get(COLLECTIONS, &key).await.expect(200);
    // Without the database, the answer is the same: nothing is looked up.
    api.pool.close().await;
    api.get(COLLECTIONS, &invented(100)).await.problem(429);
    api.get(COLLECTIONS, &key).await.problem(503);
    api.get(COLLECTIONS, "smtk_no-key").await.problem(401);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn readiness_is_checked_at_most_every_few_seconds(pool: PgPool) {
    let api = Api::new(pool);
    let first = api.get("/readyz", "").await.problem(503);
    api.pool.close().await;
    // The database is gone, and the last result says otherwise.
    for _ in 0..50 {
        assert_eq!(api.get("/readyz", "").await.problem(503), first);
    }
    tokio::time::sleep(Duration::from_secs(6)).await;
    let later = api.get("/readyz", "").await.problem(503);
    assert!(later.contains("database") && !first.contains("database"), "{first}, {later}");
}
