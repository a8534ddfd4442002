//! An assistant finds, reads and compares documents over MCP, by raw JSON-RPC.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload, unique};

const TIDES: &str = "# Tides\n\nThe sea rises and falls twice a day, because the Moon pulls at the water.";
const MOON: &str = "The Moon's gravity lifts the sea, so the water rises twice a day.";
const BREAD: &str =
    "Flour, water and wild yeast become bread when they are given a day. Part number QX-7741.";

/// Calls a tool and returns its structured result.
async fn call(user: &TestUser, path: &str, tool: &str, arguments: Value) -> Value {
    let result = called(user, path, tool, arguments).await;
    assert_eq!(result["isError"], false, "{result}");
    let text = result["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"]);
    result["structuredContent"].clone()
}

async fn called(user: &TestUser, path: &str, tool: &str, arguments: Value) -> Value {
    let params = json!({ "name": tool, "arguments": arguments });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    user.post(path, &message).await.expect(200)["result"].clone()
}

fn rows<'v>(value: &'v Value, list: &str, field: &str) -> Vec<&'v str> {
    value[list].as_array().unwrap().iter().map(|row| row[field].as_str().unwrap()).collect()
}

#[tokio::test]
async fn an_assistant_finds_reads_and_compares_documents() {
    let user = TestUser::register(&Stack::from_env()).await;
    let (nature, kitchen) = (user.create_collection().await, user.create_collection().await);
    let tides = Upload { content_type: "text/markdown".to_owned(), ..Upload::text("sea/tides.md", TIDES) };
    // More than one part of a document that is fetched, with the passage in the last one.
    let filler = "Nothing of interest happens in this sentence. ".repeat(2_000);
    let long = Upload::text("sea/long.txt", format!("{filler}\n\nThe narwhal sleeps under the ice shelf.\n"));
    user.upload(&nature, &[tides, Upload::text("sea/moon.txt", MOON), long]).await;
    user.upload(&kitchen, &[Upload::text("bread.txt", BREAD)]).await;

    let key = json!({ "name": "assistant", "scope": "read" });
    let key = user.post("/api/v2/api-keys", &key).await.expect(201);
    let mut assistant = user.clone();
    assistant.access_token = key["api_key"].as_str().unwrap().to_owned();

    let listed = call(&assistant, "/mcp", "list_collections", json!({})).await;
    assert_eq!(listed["total"], 2, "{listed}");
    let documents =
        call(&assistant, "/mcp", "list_documents", json!({ "collection": nature, "search": "moon" })).await;
    assert_eq!(rows(&documents, "documents", "file_name"), ["moon.txt"]);

    // All collections by default; those that are named; documents that match.
    let question = "why does the sea rise twice a day";
    let found = call(&assistant, "/mcp", "search", json!({ "query": question, "limit": 2 })).await;
    let mut files = rows(&found, "results", "file_name");
    files.sort_unstable();
    assert_eq!(files, ["moon.txt", "tides.md"], "{found}");
    for result in found["results"].as_array().unwrap() {
        assert!(result["url"].as_str().unwrap().starts_with("http"), "{result}");
        assert!(result["title"].as_str().is_some_and(|title| !title.is_empty()), "{result}");
    }
    let arguments = json!({ "query": "qx-7741", "mode": "sparse", "collections": [kitchen] });
    let found_bread = call(&assistant, "/mcp", "search", arguments).await;
    assert_eq!(rows(&found_bread, "results", "file_name"), ["bread.txt"]);
    let arguments = json!({ "query": "water", "filters": { "mime_type": ["text/markdown"] } });
    let filtered = call(&assistant, "/mcp", "search", arguments).await;
    assert_eq!(rows(&filtered, "results", "file_name"), ["tides.md"]);

    // The same ranking as over HTTP.
    let body = json!({ "query": question, "collection_uuids": [nature], "k": 3 });
    let over_http = assistant.post("/api/v2/search", &body).await.expect(200);
    let arguments = json!({ "query": question, "collections": [nature], "limit": 3 });
    let over_mcp = call(&assistant, "/mcp", "search", arguments).await;
    assert_eq!(rows(&over_mcp, "results", "text"), rows(&over_http, "results", "text"));

    let tides =
        found["results"].as_array().unwrap().iter().find(|row| row["file_name"] == "tides.md").unwrap();
    let fetched = call(&assistant, "/mcp", "fetch", json!({ "id": tides["id"] })).await;
    assert_eq!((&fetched["id"], fetched["metadata"].get("next_offset")), (&tides["id"], None));
    assert!(fetched["text"].as_str().unwrap().contains("the Moon pulls at the water"), "{fetched}");
    let similar = call(&assistant, "/mcp", "find_similar", json!({ "id": tides["id"], "limit": 1 })).await;
    assert_eq!(rows(&similar, "results", "file_name"), ["moon.txt"]);
    let similar =
        call(&assistant, "/mcp", "find_similar", json!({ "id": tides["document_id"], "limit": 50 })).await;
    assert!(rows(&similar, "results", "file_name").iter().all(|name| *name != "tides.md"), "{similar}");

    long_document(&assistant, &nature).await;
    profile(&user, &assistant, &kitchen).await;
}

/// A passage of a long document comes with the text around it; by the document's id, its parts follow one another.
async fn long_document(assistant: &TestUser, collection: &str) {
    let arguments =
        json!({ "query": "where does the narwhal sleep", "collections": [collection], "limit": 1 });
    let found = call(assistant, "/mcp", "search", arguments).await;
    let hit = &found["results"][0];
    assert_eq!(hit["file_name"], "long.txt");
    let around = call(assistant, "/mcp", "fetch", json!({ "id": hit["id"] })).await;
    assert!(around["metadata"]["start_offset"].as_u64().unwrap() > 0, "{}", around["metadata"]);
    assert!(around["text"].as_str().unwrap().contains("The narwhal sleeps"));

    let (mut whole, mut next) = (String::new(), json!(0));
    while !next.is_null() {
        let arguments = json!({ "id": hit["document_id"], "start_offset": next });
        let part = call(assistant, "/mcp", "fetch", arguments).await;
        whole += part["text"].as_str().unwrap();
        next = part["metadata"].get("next_offset").cloned().unwrap_or_default();
        assert_eq!(part["metadata"]["rest"].is_null(), next.is_null());
    }
    assert_eq!(whole.matches("Nothing of interest").count(), 2_000);
    assert!(whole.contains("under the ice shelf."));
}

/// A profile limits tools to its collections. Its configuration leads to the endpoint.
async fn profile(user: &TestUser, assistant: &TestUser, collection: &str) {
    let name = unique("kitchen").to_lowercase();
    let body = json!({
        "name": name, "collection_ids": [collection], "search_mode": "sparse", "result_count": 1, "use_reranker": false,
    });
    let profile = user.post("/api/v2/mcp/profiles", &body).await.expect(201);
    let config = format!("/api/v2/mcp/profiles/{}/config", profile["id"].as_str().unwrap());
    let config = user.get(&config).await.expect(200);
    let url = config["http"]["url"].as_str().unwrap();
    let path = format!("/mcp/{name}");
    assert!(url.ends_with(&path), "{config}");

    let found = call(assistant, &path, "search", json!({ "query": "part number qx-7741" })).await;
    assert_eq!(
        (rows(&found, "results", "file_name"), &found["score_type"]),
        (vec!["bread.txt"], &json!("bm25"))
    );
    let arguments = json!({ "query": "x", "collections": ["another"] });
    let refused = called(assistant, &path, "search", arguments).await;
    assert_eq!(refused["isError"], true, "{refused}");

    let stranger = TestUser::register(&Stack::from_env()).await;
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    stranger.post(&path, &message).await.expect(404);
    TestUser::anonymous(&Stack::from_env()).post("/mcp", &message).await.expect(401);
    user.send(Method::GET, "/mcp", None).await.expect(405);
}
