//! The OpenAPI document is complete and matches the running API.

use std::collections::BTreeSet;
use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::Api;

fn operations(description: &Value) -> Vec<(String, Method, Value)> {
    let paths = description["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    // The search function serves these routes.
    for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("/api/v2/search")) {
        for (method, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            operations.push((path.clone(), method, operation.clone()));
        }
    }
    operations
}

/// Replaces the path's parameters by values of their schemas: the example of a string.
fn fill_path(path: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let mut uri = path.to_owned();
    for parameter in parameters.filter(|parameter| parameter["in"] == "path") {
        let schema = &parameter["schema"];
        let value = match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("integer"), _) => "1",
            (_, Some("uuid")) => "00000000-0000-0000-0000-000000000000",
            _ => parameter["example"].as_str().unwrap_or("x"),
        };
        uri = uri.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), value);
    }
    uri
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_declared_route_exists_and_requires_credentials_as_declared(pool: PgPool) {
    let api = Api::new(pool).with_search();
    let description = api.get("/api/openapi.json", "").await.expect(200);
    assert_eq!(description["openapi"], "3.1.0");
    assert!(description["paths"]["/api/v2/search"]["post"].is_object());
    assert_no_dangling_reference(&description, &description);
    let operations = operations(&description);
    for (path, method, operation) in operations {
        let is_public = operation["x-access"] == "public";
        assert!(operation["x-access"].is_string(), "{method} {path} does not declare its access rule");
        assert_eq!(operation["security"] == json!([]), is_public, "{method} {path}");
        assert!(is_public || operation["responses"]["401"].is_object(), "{method} {path}");
        let uri = fill_path(&path, &operation);
        assert!(!uri.contains('{'), "{uri}");
        let answer = api.send(method.clone(), &uri, "", Some(&json!({}))).await;
        assert_ne!(answer.status.as_u16(), 405, "{method} {path}");
        let described = operation["responses"].get(answer.status.as_str());
        assert!(described.is_some(), "{method} {path} returns {} without declaring it", answer.status);
        if !is_public {
            answer.expect(401);
        }
    }
}

/// No route disappears, and none is added, unnoticed: `routes.txt` has them all, sorted by path.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn the_document_has_exactly_the_known_routes(pool: PgPool) {
    let document = Api::new(pool).get("/api/openapi.json", "").await.expect(200);
    let mut routes = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        routes.extend(item.as_object().unwrap().keys().map(|method| (path, method.to_uppercase())));
    }
    let listed: String = routes.iter().map(|(path, method)| format!("{method} {path}\n")).collect();
    let known = include_str!("routes.txt");
    let differs = |one: &str, other: &str| {
        let missing = one.lines().filter(|line| !other.lines().any(|known| known == *line));
        missing.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(differs(known, &listed), [""; 0], "routes that are gone");
    assert_eq!(differs(&listed, known), [""; 0], "new routes; add them to routes.txt");
}

/// Changes of the API are seen in the changes of `openapi.json`, which linters and generators of clients read.
#[test]
fn the_committed_document_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let generated = serde_json::to_string_pretty(&api::openapi().unwrap()).unwrap() + "\n";
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is out of date; run UPDATE_OPENAPI=1 cargo test -p search, then -p api openapi",
        path.display()
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_operation_has_unique_id_descriptions_and_examples(pool: PgPool) {
    let api = Api::new(pool);
    let description = api.get("/api/openapi.json", "").await.expect(200);
    assert_eq!(description["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(description["info"]["license"]["identifier"], "MIT OR Apache-2.0");
    let tags: Vec<&Value> = description["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();

    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let mut require = |holds: bool, what: &str| {
                if !holds {
                    wrong.push(format!("{method} {path}: {what}"));
                }
            };
            let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
            require(is_text(&operation["summary"]), "has no summary");
            require(is_text(&operation["description"]), "has no description");
            require(tags.contains(&&operation["tags"][0]), "has an undeclared tag");
            let name = operation["operationId"].as_str().unwrap_or_default().to_owned();
            let is_camel_case = name.starts_with(|first: char| first.is_ascii_lowercase())
                && name.chars().all(|letter| letter.is_ascii_alphanumeric());
            require(is_camel_case, "has no operationId in camelCase, such as startReindex");
            require(names.insert(name), "shares its operationId with another operation");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let is_described = is_text(&parameter["description"]);
                require(is_described, &format!("does not describe the parameter {}", parameter["name"]));
            }
            let contents = |part: &Value| part["content"].as_object().cloned().unwrap_or_default();
            for content in contents(&operation["requestBody"]).values() {
                let is_shown = content["example"].is_object() || content["examples"].is_object();
                require(is_shown, "has no request example: give each required field an example");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                require(is_text(&response["description"]), &format!("does not describe {status}"));
                for (media_type, content) in contents(response) {
                    let is_problem = media_type == "application/problem+json";
                    // MCP has errors of its own, of JSON-RPC.
                    let is_error = status.starts_with(['4', '5'])
                        && !(operation["tags"][0] == "mcp" && path.starts_with("/mcp") && !is_problem);
                    require(is_problem == is_error, &format!("{status} as {media_type}"));
                    require(
                        !is_problem || content["example"].is_object(),
                        &format!("has no example for {status}"),
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What generators of clients need, each learned from one that produced an unusable client.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn generators_can_make_a_client_of_the_document(pool: PgPool) {
    let document = Api::new(pool).get("/api/openapi.json", "").await.expect(200);
    assert_eq!(document["servers"][0]["url"], "/");
    let empty = empty_objects(&document, "");
    assert!(empty.is_empty(), "objects that look empty, declare additionalProperties:\n{}", empty.join("\n"));

    let content = "/api/v2/collections/{collection_id}/documents/{document_id}/content";
    let bytes = &document["paths"][content]["get"]["responses"]["200"]["content"];
    let media_types: Vec<&String> = bytes.as_object().unwrap().keys().collect();
    assert_eq!(media_types, ["application/octet-stream", "*/*"]);
    let mut schema = &bytes["application/octet-stream"]["schema"];
    if let Some(reference) = schema["$ref"].as_str() {
        schema = document.pointer(reference.trim_start_matches('#')).unwrap();
    }
    assert_eq!((&schema["type"], &schema["format"]), (&json!("string"), &json!("binary")));

    let schemas = &document["components"]["schemas"];
    for (name, field) in [
        ("SearchRequest", "search_mode"),
        ("SearchRequest", "search_type"),
        ("SearchRequest", "group_by"),
        ("AddSourceRequest", "source_type"),
        ("SourceResponse", "source_type"),
        ("McpProfileResponse", "search_mode"),
    ] {
        // A schema of its own, so that there is one type of it.
        let mut schema = &schemas[name]["properties"][field];
        schema = schema["oneOf"].as_array().map_or(schema, |choices| &choices[0]);
        let words = schema["$ref"].as_str().and_then(|words| document.pointer(words.trim_start_matches('#')));
        assert!(words.is_some_and(|words| words["enum"].is_array()), "{name}.{field}: {schema}");
    }
    let value = &schemas["DocumentMetadata"]["additionalProperties"]["oneOf"];
    let types: Vec<&Value> = value.as_array().unwrap().iter().map(|one| &one["type"]).collect();
    assert_eq!(types, ["string", "integer", "boolean"]);

    // An operation is named by its verb and its object.
    let id = |path: &str, method: &str| document["paths"][path][method]["operationId"].clone();
    assert_eq!(id("/api/v2/collections/{collection_id}/reindex", "post"), "startReindex");
    assert_eq!(id("/api/v2/operations/{operation_id}", "delete"), "cancelOperation");
    assert_eq!(id("/api/auth/sessions/{session_id}", "delete"), "endSession");
    assert_eq!(id("/api/auth/sessions", "get"), "listSessions");
    assert_eq!(id("/api/v2/collections/{collection_id}/sync/runs", "get"), "listSyncRuns");
    assert_eq!(id("/api/v2/search", "post"), "searchCollections");
}

/// Every field says what it contains, or its schema does.
#[test]
fn every_field_is_described() {
    let document = api::openapi().unwrap();
    let mut silent = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (field, property) in schema["properties"].as_object().into_iter().flatten() {
            let referred =
                std::iter::once(property).chain(property["oneOf"].as_array().into_iter().flatten());
            let mut described = referred.flat_map(|schema| {
                let target =
                    schema["$ref"].as_str().and_then(|to| document.pointer(to.trim_start_matches('#')));
                [Some(schema), target].into_iter().flatten()
            });
            if !described.any(|schema| schema["description"].is_string()) {
                silent.push(format!("{name}.{field}"));
            }
        }
    }
    assert!(silent.is_empty(), "without description: {}", silent.join(", "));
}

/// The places of schemas of objects that a generator takes for objects without any property.
fn empty_objects(schema: &Value, place: &str) -> Vec<String> {
    let nested: Vec<String> = match schema {
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !["example", "examples"].contains(&name.as_str()))
            .flat_map(|(name, field)| empty_objects(field, &format!("{place}/{name}")))
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| empty_objects(item, place)).collect(),
        _ => Vec::new(),
    };
    let is_object = schema["type"] == "object"
        || schema["type"].as_array().is_some_and(|types| types.contains(&json!("object")));
    let is_described = ["properties", "additionalProperties", "allOf", "oneOf", "anyOf"]
        .iter()
        .any(|keyword| schema.get(*keyword).is_some());
    if is_object && !is_described { [vec![place.to_owned()], nested].concat() } else { nested }
}

fn assert_no_dangling_reference(description: &Value, part: &Value) {
    match part {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get("$ref") {
                let found = description.pointer(reference.trim_start_matches('#'));
                assert!(found.is_some(), "{reference} cannot be resolved");
            }
            fields.values().for_each(|field| assert_no_dangling_reference(description, field));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_no_dangling_reference(description, item)),
        _ => {}
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn readiness_names_unreachable_dependencies(pool: PgPool) {
    let api = Api::new(pool);
    for path in ["/health", "/healthz", "/api/health", "/api/health/", "/api/v2/system/health"] {
        assert_eq!(api.get(path, "").await.expect(200), json!({ "status": "healthy" }));
    }
    assert_eq!(
        api.get("/readyz", "").await.problem(503),
        "not ready: bucket and qdrant unreachable; retry later"
    );
    let token = api.sign_up("ada").await;
    let mut status = api.get("/api/v2/system/status", &token).await.expect(200);
    for (_, component) in status["components"].as_object_mut().unwrap() {
        assert!(component["milliseconds"].take().as_f64().unwrap() >= 0.0);
    }
    let part = |state: &str| json!({ "state": state, "milliseconds": null });
    let components = json!({ "database": part("up"), "bucket": part("down"), "qdrant": part("down") });
    assert_eq!(status, json!({ "status": "degraded", "components": components }));
    api.get("/api/v2/system/status", "").await.problem(401);
    let info = api.get("/api/v2/system/info", "").await.expect(200);
    insta::assert_json_snapshot!(info, {".version" => "[version]"}, @r#"
    {
      "default_embedding_model": "sentence-transformers/all-MiniLM-L6-v2",
      "embedding_models": [
        {
          "dimension": 384,
          "max_tokens": 256,
          "name": "sentence-transformers/all-MiniLM-L6-v2"
        }
      ],
      "limits": {
        "directory_sources": true,
        "max_upload_bytes": 5368709120,
        "upload_url_seconds": 900
      },
      "name": "semantik",
      "registration_open": true,
      "version": "[version]"
    }
    "#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn malformed_requests_return_problem_documents(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let missing = api.post("/api/v2/collections", &token, json!({})).await.problem(422);
    assert!(missing.contains("name: missing"), "{missing}");
    let mistyped =
        api.post("/api/v2/collections", &token, json!({ "name": "c", "chunk_size": "x" })).await.problem(422);
    assert!(mistyped.contains("chunk_size"), "{mistyped}");
    let list = api.post("/api/v2/collections", &token, json!(["c"])).await.problem(422);
    assert!(list.contains("an object allowed"), "{list}");
    let not_json = api.send(Method::POST, "/api/v2/collections", &token, None).await.problem(415);
    assert!(not_json.contains("application/json"), "{not_json}");
    api.get("/api/v3/nothing", &token).await.problem(404);
    api.delete("/api/v2/collections", &token).await.problem(405);
}
