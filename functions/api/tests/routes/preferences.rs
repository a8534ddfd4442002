//! Preferences of users.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api};

const PREFERENCES: &str = "/api/v2/preferences";

async fn put(api: &Api, token: &str, body: Value) -> Answer {
    api.send(Method::PUT, PREFERENCES, token, Some(&body)).await
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn unset_preferences_have_defaults(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let all = api.get(PREFERENCES, &ada).await.expect(200);
    insta::assert_json_snapshot!(all, @r#"
    {
      "collection_defaults": {
        "chunk_overlap": null,
        "chunk_size": null,
        "chunking_strategy": "hybrid",
        "embedding_model": null,
        "enable_hybrid": false,
        "enable_sparse": false,
        "quantization": "float16",
        "sparse_type": "bm25"
      },
      "interface": {
        "animation_enabled": true,
        "data_refresh_interval_ms": 30000,
        "visualization_sample_limit": 200000
      },
      "search": {
        "hyde_quality_tier": "low",
        "hyde_timeout_seconds": 30,
        "mode": "dense",
        "rrf_k": 60,
        "similarity_threshold": null,
        "top_k": 10,
        "use_hyde": false,
        "use_reranker": false
      }
    }
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM user_preferences").await, "0");
    api.get(PREFERENCES, "").await.problem(401);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn change_keeps_absent_groups_and_fields(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, bob) = (api.sign_up("ada").await, api.sign_up("bob").await);
    let mut expected = api.get(PREFERENCES, &ada).await.expect(200);
    let defaults = expected.clone();
    let body = json!({ "search": { "top_k": 250, "mode": "hybrid", "similarity_threshold": 0.25 } });
    put(&api, &ada, body).await.expect(200);
    let body = json!({
        "search": { "use_hyde": true, "hyde_quality_tier": "high", "hyde_timeout_seconds": 3 },
        "collection_defaults": { "chunk_size": 128, "quantization": "int8", "enable_sparse": true },
        "interface": { "animation_enabled": false },
    });
    let changed = put(&api, &ada, body).await.expect(200);
    for (pointer, value) in [
        ("/search/top_k", json!(250)),
        ("/search/mode", json!("hybrid")),
        ("/search/similarity_threshold", json!(0.25)),
        ("/search/use_hyde", json!(true)),
        ("/search/hyde_quality_tier", json!("high")),
        ("/search/hyde_timeout_seconds", json!(3)),
        ("/collection_defaults/chunk_size", json!(128)),
        ("/collection_defaults/quantization", json!("int8")),
        ("/collection_defaults/enable_sparse", json!(true)),
        ("/interface/animation_enabled", json!(false)),
    ] {
        *expected.pointer_mut(pointer).unwrap() = value;
    }
    assert_eq!(changed, expected);
    assert_eq!(api.get(PREFERENCES, &ada).await.expect(200), expected);
    assert_eq!(api.get(PREFERENCES, &bob).await.expect(200), defaults);
    let body =
        json!({ "search": { "similarity_threshold": null }, "collection_defaults": { "chunk_size": null } });
    let cleared = put(&api, &ada, body).await.expect(200);
    assert_eq!(cleared["search"]["similarity_threshold"], Value::Null);
    assert_eq!(cleared["collection_defaults"]["chunk_size"], Value::Null);
    assert_eq!(put(&api, &ada, json!({})).await.expect(200), cleared);

    let audit = "SELECT string_agg(username || ' ' || details, E'\n' ORDER BY id) FROM collection_audit_log
        WHERE action = 'preferences_changed'";
    insta::assert_snapshot!(api.select(audit).await, @r#"
    ada {"after": {"search.mode": "hybrid", "search.top_k": 250, "search.similarity_threshold": 0.25}, "before": {"search.mode": "dense", "search.top_k": 10, "search.similarity_threshold": null}}
    ada {"after": {"search.use_hyde": true, "search.hyde_quality_tier": "high", "interface.animation_enabled": false, "search.hyde_timeout_seconds": 3, "collection_defaults.chunk_size": 128, "collection_defaults.quantization": "int8", "collection_defaults.enable_sparse": true}, "before": {"search.use_hyde": false, "search.hyde_quality_tier": "low", "interface.animation_enabled": true, "search.hyde_timeout_seconds": 30, "collection_defaults.chunk_size": null, "collection_defaults.quantization": "float16", "collection_defaults.enable_sparse": false}}
    ada {"after": {"search.similarity_threshold": null, "collection_defaults.chunk_size": null}, "before": {"search.similarity_threshold": 0.25, "collection_defaults.chunk_size": 128}}
    "#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn all_invalid_values_are_reported_and_nothing_changes(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let mut details = Vec::new();
    for body in [
        json!({
            "search": { "top_k": 251, "rrf_k": 0, "similarity_threshold": 1.5, "hyde_timeout_seconds": 2 },
            "collection_defaults": { "chunk_size": 8, "chunking_strategy": "cut" },
            "interface": { "data_refresh_interval_ms": 1, "visualization_sample_limit": 500_001 },
        }),
        json!({ "collection_defaults": { "embedding_model": "acme/none" } }),
        json!({ "collection_defaults": { "chunk_size": 100, "chunk_overlap": 100 } }),
        json!({ "search": { "mode": "fuzzy" } }),
        json!({ "search": { "top_k": "many" } }),
        json!({ "search": { "colour": "red" } }),
        json!({ "theme": {} }),
    ] {
        details.push(put(&api, &ada, body).await.problem(422));
    }
    insta::assert_snapshot!(details.join("\n"), @r#"
    search.top_k: out of range; 1 to 250 allowed, got 251; search.rrf_k: out of range; 1 to 100 allowed, got 0; search.similarity_threshold: out of range; 0 to 1 allowed, got 1.5; search.hyde_timeout_seconds: out of range; 3 to 180 allowed, got 2; collection_defaults.chunk_size: 8 tokens are too few for a chunk; choose 16 to 256; collection_defaults.chunking_strategy: unknown value; recursive or fixed or markdown or code or semantic or hierarchical or hybrid allowed, got "cut"; interface.data_refresh_interval_ms: out of range; 10000 to 60000 allowed, got 1; interface.visualization_sample_limit: out of range; 10000 to 500000 allowed, got 500001
    collection_defaults.embedding_model: unknown model; sentence-transformers/all-MiniLM-L6-v2 allowed, got "acme/none"
    collection_defaults.chunk_overlap: 100 tokens are not less than a chunk of 100; choose 0 to 99
    search.mode: unknown value; dense, sparse, hybrid allowed, got "fuzzy"
    search.top_k: wrong type; an integer allowed, got "many"
    search.colour: unknown field `colour`; allowed are `top_k`, `mode`, `use_reranker`, `rrf_k`, `similarity_threshold`, `use_hyde`, `hyde_quality_tier`, `hyde_timeout_seconds`
    theme: unknown field `theme`; allowed are `search`, `collection_defaults`, `interface`
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM user_preferences").await, "0");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn each_group_can_be_reset_alone(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let defaults = api.get(PREFERENCES, &ada).await.expect(200);
    let body = json!({
        "search": { "top_k": 20 },
        "collection_defaults": { "enable_hybrid": true },
        "interface": { "animation_enabled": false },
    });
    let mut expected = put(&api, &ada, body).await.expect(200);
    for (route, group) in
        [("search", "search"), ("collection-defaults", "collection_defaults"), ("interface", "interface")]
    {
        assert_ne!(expected[group], defaults[group]);
        expected[group] = defaults[group].clone();
        let path = format!("{PREFERENCES}/reset/{route}");
        for _ in 0..2 {
            assert_eq!(api.send(Method::POST, &path, &ada, None).await.expect(200), expected);
        }
    }
    assert_eq!(expected, defaults);
    let changes = "SELECT count(*)::text FROM collection_audit_log WHERE action = 'preferences_changed'";
    assert_eq!(api.select(changes).await, "4");
    api.send(Method::POST, &format!("{PREFERENCES}/reset/all"), &ada, None).await.problem(404);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_of_several_parallel_changes_with_the_same_version_succeeds(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let shown = api.get(PREFERENCES, &ada).await;
    let version = shown.headers["etag"].to_str().unwrap().to_owned();
    let change = |n: i64| {
        let (api, ada, version) = (&api, &ada, &version);
        async move {
            let body = json!({ "search": { "top_k": 100 + n } });
            let headers = [("if-match", version.as_str())];
            api.send_with(Method::PUT, PREFERENCES, ada, Some(&body), &headers).await
        }
    };
    let answers = join_all((0..10).map(change)).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 9][..]));
    let winner = answers.into_iter().find(|answer| answer.status == 200).unwrap();
    let shown = api.get(PREFERENCES, &ada).await;
    assert_eq!(shown.headers["etag"], winner.headers["etag"]);
    assert_eq!(shown.body, winner.body);
}
