//! MCP profiles: the search settings of AI assistants.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api, text};

const PROFILES: &str = "/api/v2/mcp/profiles";

async fn collection(api: &Api, token: &str, name: &str) -> String {
    let path = api.create_collection(token, name).await;
    path.rsplit('/').next().unwrap().to_owned()
}

async fn put(api: &Api, path: &str, token: &str, body: Value) -> Answer {
    api.send(Method::PUT, path, token, Some(&body)).await
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn profile_is_created_changed_listed_and_deleted(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    // An order that neither sorting by id nor sorting by name yields.
    let (b, a) = (collection(&api, &ada, "b").await, collection(&api, &ada, "a").await);
    let mut order = vec![a.clone(), b.clone()];
    order.sort_unstable();
    order.reverse();
    let body = json!({ "name": "hand-books_1", "collection_ids": order });
    let created = api.post(PROFILES, &ada, body).await.expect(201);
    insta::assert_json_snapshot!(created, {
        ".id" => "[id]", ".collection_ids" => "[ids]", ".collections" => "[collections]", ".created_at" => "[time]", ".updated_at" => "[time]",
    }, @r#"
    {
      "collection_ids": "[ids]",
      "collections": "[collections]",
      "created_at": "[time]",
      "description": "",
      "enabled": true,
      "hybrid_alpha": null,
      "id": "[id]",
      "name": "hand-books_1",
      "result_count": 10,
      "rrf_k": null,
      "score_threshold": null,
      "search_mode": "dense",
      "search_type": "semantic",
      "updated_at": "[time]",
      "use_hyde": false,
      "use_reranker": true
    }
    "#);
    assert_eq!(created["collection_ids"], json!(order));
    let name = |id: &String| if *id == a { "a" } else { "b" };
    let named: Vec<Value> = order.iter().map(|id| json!({ "id": id, "name": name(id) })).collect();
    assert_eq!(created["collections"], json!(named));
    let path = format!("{PROFILES}/{}", text(&created["id"]));

    order.reverse();
    let body = json!({
        "collection_ids": order, "enabled": false, "search_mode": "hybrid", "search_type": "code", "rrf_k": 1000,
        "score_threshold": 0.5, "hybrid_alpha": 0.25, "result_count": 100, "use_reranker": false, "use_hyde": true,
        "description": "What we know.",
    });
    let changed = put(&api, &path, &ada, body.clone()).await.expect(200);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(changed[field], *value, "{field}");
    }
    assert_eq!(changed["name"], "hand-books_1");
    assert_eq!(api.get(&path, &ada).await.expect(200), changed);
    let cleared = put(&api, &path, &ada, json!({ "rrf_k": null, "hybrid_alpha": null })).await.expect(200);
    assert_eq!((&cleared["rrf_k"], &cleared["hybrid_alpha"]), (&Value::Null, &Value::Null));
    assert_eq!(cleared["score_threshold"], 0.5);

    // Deleted collections are omitted; the order of the rest stays.
    api.delete(&format!("/api/v2/collections/{}", order[0]), &ada).await.expect(204);
    let list = api.get(PROFILES, &ada).await.expect(200);
    assert_eq!(list["total"], 1);
    assert_eq!(list["profiles"][0]["collection_ids"], json!([order[1]]));
    assert_eq!(api.get(PROFILES, &eve).await.expect(200)["total"], 0);

    for answer in [
        api.get(&path, &eve).await,
        api.get(&format!("{path}/config"), &eve).await,
        put(&api, &path, &eve, json!({ "enabled": true })).await,
        api.delete(&path, &eve).await,
    ] {
        answer.problem(404);
    }
    api.delete(&path, &ada).await.expect(204);
    api.delete(&path, &ada).await.problem(404);
    let actions =
        "SELECT string_agg(action, ' ' ORDER BY id) FROM collection_audit_log WHERE action LIKE 'mcp_%'";
    let expected = "mcp_profile_created mcp_profile_updated mcp_profile_updated mcp_profile_deleted";
    assert_eq!(api.select(actions).await, expected);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn all_invalid_fields_are_reported_at_once(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    let mine = collection(&api, &ada, "mine").await;
    let hers = collection(&api, &eve, "hers").await;
    let mut details = Vec::new();
    for body in [
        json!({
            "name": "Hand books", "collection_ids": [], "result_count": 0, "rrf_k": 1001, "score_threshold": -0.1,
            "hybrid_alpha": 2, "description": "x".repeat(1001),
        }),
        json!({ "name": "", "collection_ids": [mine, mine, hers] }),
        json!({ "name": "a".repeat(65), "collection_ids": vec![mine.clone(); 11] }),
        json!({ "name": "a" }),
        json!({ "name": "a", "collection_ids": [mine], "search_mode": "fuzzy" }),
        json!({ "name": "a", "collection_ids": [mine], "colour": "red" }),
    ] {
        details.push(api.post(PROFILES, &ada, body).await.problem(422));
    }
    let details = details.join("\n").replace(&mine, "[mine]").replace(&hers, "[hers]");
    insta::assert_snapshot!(details, @r#"
    name: wrong format; 1 to 64 lower-case letters, digits, '_' and '-' allowed, starting with a letter, got "Hand books"; description: wrong length; 0 to 1000 characters allowed, got 1001; collection_ids: wrong number of items; 1 to 10 allowed, got 0; result_count: out of range; 1 to 100 allowed, got 0; score_threshold: out of range; 0 to 1 allowed, got -0.1; hybrid_alpha: out of range; 0 to 1 allowed, got 2; rrf_k: out of range; 1 to 1000 allowed, got 1001
    name: wrong format; 1 to 64 lower-case letters, digits, '_' and '-' allowed, starting with a letter, got ""; collection_ids[1]: duplicate of an earlier entry; each collection once allowed, got [mine]; collection_ids[2]: no collection [hers], or you do not have access to it
    name: wrong format; 1 to 64 lower-case letters, digits, '_' and '-' allowed, starting with a letter, got "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"; collection_ids: wrong number of items; 1 to 10 allowed, got 11
    collection_ids: missing; this field is required
    search_mode: unknown value; dense, sparse, hybrid allowed, got "fuzzy"
    colour: unknown field `colour`; allowed are `name`, `description`, `collection_ids`, `enabled`, `search_type`, `result_count`, `use_reranker`, `score_threshold`, `hybrid_alpha`, `search_mode`, `rrf_k`, `use_hyde`
    "#);
    assert_eq!(api.select("SELECT count(*)::text FROM mcp_profiles").await, "0");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn names_are_unique_per_user_and_if_match_is_honoured(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    let mine = json!([collection(&api, &ada, "mine").await]);
    let hers = json!([collection(&api, &eve, "hers").await]);
    let body = |name: &str, ids: &Value| json!({ "name": name, "collection_ids": ids });
    let one = api.post(PROFILES, &ada, body("one", &mine)).await.expect(201);
    api.post(PROFILES, &ada, body("two", &mine)).await.expect(201);
    api.post(PROFILES, &eve, body("one", &hers)).await.expect(201);
    let taken = api.post(PROFILES, &ada, body("one", &mine)).await.problem(409);
    assert_eq!(taken, r#"you already have a profile named "one"; choose another name"#);
    let path = format!("{PROFILES}/{}", text(&one["id"]));
    put(&api, &path, &ada, json!({ "name": "two" })).await.problem(409);

    let version = api.get(&path, &ada).await.headers["etag"].to_str().unwrap().to_owned();
    let headers = [("if-match", version.as_str())];
    let body = json!({ "result_count": 11 });
    api.send_with(Method::PUT, &path, &ada, Some(&body), &headers).await.expect(200);
    api.send_with(Method::PUT, &path, &ada, Some(&body), &headers).await.problem(412);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn client_configuration_has_the_api_url_and_a_key_placeholder(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let ids = json!([collection(&api, &ada, "notes").await]);
    let made = api.post(PROFILES, &ada, json!({ "name": "notes", "collection_ids": ids })).await.expect(201);
    let path = format!("{PROFILES}/{}/config", text(&made["id"]));
    let headers = [("host", "api.example.org")];
    let config = api.send_with(Method::GET, &path, &ada, None, &headers).await.expect(200);
    insta::assert_json_snapshot!(config, @r#"
    {
      "args": [
        "serve",
        "--profile",
        "notes"
      ],
      "command": "semantik-mcp",
      "env": {
        "SEMANTIK_AUTH_TOKEN": "<your API key, smtk_...>",
        "SEMANTIK_WEBUI_URL": "https://api.example.org"
      },
      "http": {
        "headers": {
          "Authorization": "Bearer <your API key, smtk_...>"
        },
        "type": "http",
        "url": "https://api.example.org/mcp/notes"
      },
      "mcpServers": {
        "semantik-notes": {
          "args": [
            "serve",
            "--profile",
            "notes"
          ],
          "command": "semantik-mcp",
          "env": {
            "SEMANTIK_AUTH_TOKEN": "<your API key, smtk_...>",
            "SEMANTIK_WEBUI_URL": "https://api.example.org"
          }
        }
      },
      "server_name": "semantik-notes"
    }
    "#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn lists_honour_enabled_and_leave_out_collections_without_access(pool: PgPool) {
    let api = Api::new(pool);
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    let mine = collection(&api, &ada, "mine").await;
    let hers = collection(&api, &eve, "hers").await;
    let grant = json!({ "username": "ada", "permission": "read" });
    let permissions = format!("/api/v2/collections/{hers}/permissions");
    let granted = api.post(&permissions, &eve, grant).await.expect(201);
    for (name, enabled) in [("off", false), ("on", true)] {
        let body = json!({ "name": name, "collection_ids": [mine, hers], "enabled": enabled });
        api.post(PROFILES, &ada, body).await.expect(201);
    }
    let names = async |query: &str| {
        let listed = api.get(&format!("{PROFILES}?{query}"), &ada).await.expect(200);
        let profiles = listed["profiles"].as_array().unwrap().clone();
        assert_eq!(listed["total"], profiles.len(), "{query}");
        profiles.iter().map(|profile| text(&profile["name"])).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("").await, "off on");
    assert_eq!(names("enabled=true").await, "on");
    assert_eq!(names("enabled=false").await, "off");
    api.get(&format!("{PROFILES}?enabled=perhaps"), &ada).await.problem(422);

    let collections = async || {
        let listed = api.get(&format!("{PROFILES}?enabled=true"), &ada).await.expect(200);
        listed["profiles"][0]["collections"].clone()
    };
    let of_mine = json!({ "id": mine, "name": "mine" });
    assert_eq!(collections().await, json!([of_mine, { "id": hers, "name": "hers" }]));
    api.delete(&format!("{permissions}/{}", granted["id"]), &eve).await.expect(204);
    assert_eq!(collections().await, json!([of_mine]));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn client_configuration_names_the_configured_url(pool: PgPool) {
    let api = Api::new(pool).with_state(|state| {
        let limits = api::Limits {
            api_url: Some("https://example.org/semantik/".to_owned()),
            ..api::Limits::clone(&state.limits)
        };
        state.limits = std::sync::Arc::new(limits);
    });
    let ada = api.sign_up("ada").await;
    let ids = json!([collection(&api, &ada, "notes").await]);
    let made = api.post(PROFILES, &ada, json!({ "name": "notes", "collection_ids": ids })).await.expect(201);
    let config = api.get(&format!("{PROFILES}/{}/config", text(&made["id"])), &ada).await.expect(200);
    assert_eq!(config["env"]["SEMANTIK_WEBUI_URL"], "https://example.org/semantik");
    assert_eq!(config["http"]["url"], "https://example.org/semantik/mcp/notes");
}
