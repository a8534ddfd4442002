//! The MCP endpoint of the search function: revisions of the protocol, rights, and errors.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::harness::{Answer, Api, text};

const STATELESS: &str = "2026-07-28";

fn message(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

/// Sends a message of a revision with a handshake.
async fn send(api: &Api, path: &str, token: &str, method: &str, params: Value) -> Answer {
    let headers = [("mcp-protocol-version", "2025-11-25")];
    api.send_with(Method::POST, path, token, Some(&message(method, params)), &headers).await
}

async fn result(api: &Api, path: &str, token: &str, method: &str, params: Value) -> Value {
    let answer = send(api, path, token, method, params).await.expect(200);
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
    answer["result"].clone()
}

/// Calls a tool and returns its structured result.
async fn call(api: &Api, path: &str, token: &str, tool: &str, arguments: Value) -> Value {
    let result =
        result(api, path, token, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_eq!(result["isError"], false, "{result}");
    let content = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(content).unwrap(), result["structuredContent"]);
    result["structuredContent"].clone()
}

/// Calls a tool and returns the text of its error.
async fn refused(api: &Api, path: &str, token: &str, tool: &str, arguments: Value) -> String {
    let result =
        result(api, path, token, "tools/call", json!({ "name": tool, "arguments": arguments })).await;
    assert_eq!(result["isError"], true, "{result}");
    text(&result["content"][0]["text"])
}

/// Sends a message of the stateless revision, with the headers that repeat it.
async fn send_stateless(api: &Api, token: &str, method: &str, mut params: Value) -> Answer {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let name = params["name"].as_str().or(params["uri"].as_str()).map(str::to_owned);
    let mut headers = vec![("mcp-protocol-version", STATELESS), ("mcp-method", method)];
    headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
    api.send_with(Method::POST, "/mcp", token, Some(&message(method, params)), &headers).await
}

async fn collection(api: &Api, token: &str, name: &str) -> Uuid {
    let path = api.create_collection(token, name).await;
    path.rsplit('/').next().unwrap().parse().unwrap()
}

fn names(listed: &Value) -> Vec<&str> {
    listed["collections"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn clients_agree_on_a_revision_by_handshake(pool: PgPool) {
    let api = Api::new(pool).with_search();
    let ada = api.sign_up("ada").await;
    for (requested, agreed) in
        [("2025-11-25", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("1900-01-01", "2025-11-25")]
    {
        let params = json!({
            "protocolVersion": requested, "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        });
        let answer = api.post("/mcp", &ada, message("initialize", params)).await.expect(200);
        let result = &answer["result"];
        assert_eq!(result["protocolVersion"], agreed);
        assert_eq!(result["serverInfo"]["name"], "semantik");
        assert_eq!(result["capabilities"], json!({ "tools": {}, "resources": {} }));
        assert!(text(&result["instructions"]).contains("`fetch`"), "{result}");
    }
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(api.post("/mcp", &ada, notification).await.expect(202), Value::Null);
    assert_eq!(result(&api, "/mcp", &ada, "ping", json!({})).await, json!({}));
    let unknown = send(&api, "/mcp", &ada, "server/discover", json!({})).await.expect(200);
    assert_eq!(unknown["error"]["code"], -32601);
    for method in [Method::GET, Method::DELETE] {
        api.send(method, "/mcp", &ada, None).await.problem(405);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn requests_of_the_stateless_revision_stand_alone(pool: PgPool) {
    let api = Api::new(pool).with_search();
    let ada = api.sign_up("ada").await;
    let discovered = send_stateless(&api, &ada, "server/discover", json!({})).await.expect(200);
    let result = &discovered["result"];
    assert_eq!(result["supportedVersions"], json!(["2026-07-28", "2025-11-25", "2025-06-18"]));
    assert_eq!((&result["resultType"], &result["cacheScope"]), (&json!("complete"), &json!("private")));
    assert_eq!(result["ttlMs"], 300_000);
    assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "semantik");

    let listed = send_stateless(&api, &ada, "tools/list", json!({})).await.expect(200);
    let tools = listed["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["search", "fetch", "list_collections", "list_documents", "find_similar"]);
    for tool in tools {
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool}");
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object", "{tool}");
        }
    }
    let params = json!({ "name": "list_collections", "arguments": {} });
    let called = send_stateless(&api, &ada, "tools/call", params).await.expect(200);
    assert_eq!(called["result"]["structuredContent"], json!({ "collections": [], "total": 0, "page": 1 }));
    assert_eq!(called["result"]["resultType"], "complete");

    for method in ["initialize", "ping", "prompts/list"] {
        let unknown = send_stateless(&api, &ada, method, json!({})).await.expect(404);
        assert_eq!(unknown["error"]["code"], -32601, "{unknown}");
    }
    let unknown = send_stateless(&api, &ada, "tools/call", json!({ "name": "delete" })).await.expect(400);
    assert_eq!(
        unknown["error"],
        json!({
            "code": -32602, "message": "Unknown tool: \"delete\"; tools/list lists all",
        })
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn messages_that_contradict_their_headers_are_refused(pool: PgPool) {
    let api = Api::new(pool).with_search();
    let ada = api.sign_up("ada").await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": STATELESS, "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = message("tools/list", json!({ "_meta": meta }));
    let headers = [("mcp-protocol-version", STATELESS), ("mcp-method", "tools/call")];
    let answer = api.send_with(Method::POST, "/mcp", &ada, Some(&body), &headers).await.expect(400);
    insta::assert_json_snapshot!(answer, @r#"
    {
      "error": {
        "code": -32020,
        "message": "mcp-method: differs from the method in the body; \"tools/list\" expected, got \"tools/call\""
      },
      "id": 7,
      "jsonrpc": "2.0"
    }
    "#);
    let headers = [("mcp-protocol-version", "2027-01-01")];
    let body = message("tools/list", json!({}));
    let answer = api.send_with(Method::POST, "/mcp", &ada, Some(&body), &headers).await.expect(400);
    assert_eq!(answer["error"]["code"], -32022);
    assert_eq!(answer["error"]["data"]["requested"], "2027-01-01");
    assert_eq!(answer["error"]["data"]["supported"][0], STATELESS);

    for (body, status) in
        [(json!([body]), 422), (json!({ "jsonrpc": "1.0", "id": 1, "method": "ping" }), 400)]
    {
        api.post("/mcp", &ada, body).await.expect(status);
    }
    let null_id = json!({ "jsonrpc": "2.0", "id": null, "method": "ping" });
    assert_eq!(api.post("/mcp", &ada, null_id).await.expect(400)["error"]["code"], -32600);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn credentials_have_the_rights_that_they_have_elsewhere(pool: PgPool) {
    let api = Api::new(pool).with_search();
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    let (one, _two) = (collection(&api, &ada, "one").await, collection(&api, &ada, "two").await);
    let hers = collection(&api, &eve, "hers").await;
    assert_eq!(names(&call(&api, "/mcp", &ada, "list_collections", json!({})).await), ["one", "two"]);

    // A key that is limited to one collection.
    let (key_id, key) = api.api_key("ada", "read", &[one]).await;
    assert_eq!(names(&call(&api, "/mcp", &key, "list_collections", json!({})).await), ["one"]);
    for (token, other) in [(&key, "two"), (&key, "hers"), (&ada, "hers")] {
        let detail =
            refused(&api, "/mcp", token, "search", json!({ "query": "x", "collections": [other] })).await;
        assert_eq!(detail, format!("No such collection, or you do not have access to it: {other:?}"));
    }
    let detail = refused(&api, "/mcp", &ada, "list_documents", json!({ "collection": hers })).await;
    assert_eq!(detail, format!("No such collection, or you do not have access to it: {hers}"));

    // Documents of others do not exist for her.
    let document = Uuid::new_v4();
    sqlx::query(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, content_hash)
        VALUES ($1, $2, 'a', 'notes/a.txt', 'a.txt', 12, 'completed', 'abc')",
    )
    .bind(document)
    .bind(hers)
    .execute(&api.pool)
    .await
    .unwrap();
    for tool in ["fetch", "find_similar"] {
        let detail = refused(&api, "/mcp", &ada, tool, json!({ "id": document })).await;
        assert_eq!(
            detail,
            format!("No such document, or you do not have access to it: {document}"),
            "{tool}"
        );
    }
    let listed = call(&api, "/mcp", &eve, "list_documents", json!({ "collection": "hers" })).await;
    assert_eq!(listed["documents"][0]["id"], document.to_string());
    assert!(text(&listed["documents"][0]["url"]).ends_with(&format!("/documents/{document}/content")));

    let revoke = "UPDATE api_keys SET is_active = FALSE WHERE id = $1";
    sqlx::query(revoke).bind(key_id).execute(&api.pool).await.unwrap();
    let detail = send(&api, "/mcp", &key, "tools/list", json!({})).await.problem(401);
    assert_eq!(detail, "The API key is revoked");
    let detail = send(&api, "/mcp", "", "tools/list", json!({})).await.problem(401);
    assert!(detail.contains("send `Authorization: Bearer` with an access token or an API key"), "{detail}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn profiles_choose_collections_and_defaults(pool: PgPool) {
    let api = Api::new(pool).with_search();
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    let (b, a) = (collection(&api, &ada, "b").await, collection(&api, &ada, "a").await);
    collection(&api, &ada, "c").await;
    let profile = json!({
        "name": "handbooks", "collection_ids": [b, a], "description": "How we work.", "result_count": 3,
    });
    let made = api.post("/api/v2/mcp/profiles", &ada, profile).await.expect(201);
    let path = "/mcp/handbooks";

    let initialized =
        result(&api, path, &ada, "initialize", json!({ "protocolVersion": "2025-06-18" })).await;
    let instructions = text(&initialized["instructions"]);
    assert!(instructions.starts_with("How we work.\n\nCollections: \"b\", \"a\"."), "{instructions}");
    let tools = result(&api, path, &ada, "tools/list", json!({})).await;
    assert!(text(&tools["tools"][0]["description"]).contains("How we work."), "{tools}");
    assert_eq!(names(&call(&api, path, &ada, "list_collections", json!({})).await), ["b", "a"]);
    assert_eq!(names(&call(&api, path, &ada, "list_collections", json!({ "search": "A" })).await), ["a"]);
    let detail = refused(&api, path, &ada, "search", json!({ "query": "x", "collections": ["c"] })).await;
    assert_eq!(detail, "No such collection, or you do not have access to it: \"c\"");

    let listed = result(&api, path, &ada, "resources/list", json!({})).await;
    let uri = text(&listed["resources"][0]["uri"]);
    assert_eq!(
        (listed["resources"].as_array().unwrap().len(), &uri),
        (2, &format!("semantik://collections/{b}"))
    );
    let read = result(&api, path, &ada, "resources/read", json!({ "uri": uri })).await;
    let shown: Value = serde_json::from_str(&text(&read["contents"][0]["text"])).unwrap();
    assert_eq!((&shown["name"], &shown["document_count"]), (&json!("b"), &json!(0)));
    let missing = json!({ "uri": format!("semantik://collections/{}", Uuid::nil()) });
    let missing = send(&api, path, &ada, "resources/read", missing).await.expect(200);
    assert_eq!(missing["error"]["code"], -32002);

    // Of another user, of no name, and disabled.
    for (token, path) in [(&eve, path), (&ada, "/mcp/nothing")] {
        send(&api, path, token, "tools/list", json!({})).await.problem(404);
    }
    let disable = json!({ "enabled": false });
    let profile = format!("/api/v2/mcp/profiles/{}", text(&made["id"]));
    api.send(Method::PUT, &profile, &ada, Some(&disable)).await.expect(200);
    let detail = send(&api, path, &ada, "tools/list", json!({})).await.problem(404);
    assert_eq!(detail, "No such enabled MCP profile, or you do not have access to it: \"handbooks\"");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn invalid_arguments_are_named_to_the_assistant(pool: PgPool) {
    let api = Api::new(pool).with_search();
    let ada = api.sign_up("ada").await;
    let mut texts = Vec::new();
    for (tool, arguments) in [
        ("search", json!({})),
        ("search", json!({ "query": "x", "colour": "red" })),
        ("search", json!({ "query": "x", "limit": 0, "mode": "fuzzy", "filters": { "mime_type": [] } })),
        ("search", json!({ "query": "x" })),
        ("fetch", json!({ "id": "x", "max_bytes": 0 })),
        ("fetch", json!({ "id": "x" })),
        ("list_documents", json!({ "collection": "", "page": 0 })),
        ("find_similar", json!({ "id": Uuid::nil(), "limit": 101 })),
    ] {
        texts.push(refused(&api, "/mcp", &ada, tool, arguments).await);
    }
    insta::assert_snapshot!(texts.join("\n"), @r#"
    query: missing; this field is required
    colour: unknown field `colour`; allowed are `query`, `limit`, `mode`, `collections`, `filters`
    limit: out of range; 1 to 100 allowed, got 0; mode: unknown search mode; dense, sparse, hybrid allowed, got "fuzzy"; filters.mime_type: wrong number of items; 1 to 100 allowed, got 0
    collections: nothing to search; name a collection of list_collections, got none
    max_bytes: out of range; 1 to 131072 allowed, got 0
    id: wrong format; an id from search or list_documents allowed, got "x"
    page: out of range; 1 to 1000000 allowed, got 0
    limit: out of range; 1 to 100 allowed, got 101
    "#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn pages_of_other_sites_are_refused(pool: PgPool) {
    let api = Api::new(pool).with_cors_origins("https://app.example.org").with_search();
    let ada = api.sign_up("ada").await;
    let body = message("tools/list", json!({}));
    for (origin, status) in [("https://app.example.org", 200), ("https://evil.example", 403)] {
        let headers = [("origin", origin)];
        let answer = api.send_with(Method::POST, "/mcp", &ada, Some(&body), &headers).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}
