//! The catalogue of connectors.

use connectors::Connector;
use serde_json::json;
use sqlx::PgPool;

use crate::harness::{Api, text};

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn catalogue_lists_every_connector_with_its_settings(pool: PgPool) {
    let api = Api::new(pool);
    api.get("/api/v2/connectors", "").await.problem(401);
    let token = api.sign_up("ada").await;
    let catalogue = api.get("/api/v2/connectors", &token).await.expect(200);
    let connectors = catalogue["connectors"].as_array().unwrap();
    let types: Vec<String> = connectors.iter().map(|connector| text(&connector["type"])).collect();
    assert_eq!(types.join(", "), Connector::names());
    for connector in connectors {
        let path = format!("/api/v2/connectors/{}", text(&connector["type"]));
        let mut shown = api.get(&path, &token).await.expect(200);
        let mut definition = shown["definition"].take();
        definition["type"] = shown["type"].clone();
        assert_eq!(&definition, connector);
    }
    let directory = connectors.iter().find(|connector| connector["type"] == "directory");
    let schema = &directory.unwrap()["config_schema"];
    assert_eq!(schema["required"], json!(["path"]));
    assert_eq!(schema["properties"]["on_missing"]["enum"], json!(["remove", "keep"]));
    insta::assert_json_snapshot!(directory, { ".config_schema" => "[schema]" }, @r#"
    {
      "config_schema": "[schema]",
      "description": "The files of a folder that this installation can read.",
      "example": {
        "include_patterns": [
          "**/*.md"
        ],
        "path": "/srv/docs",
        "recursive": true
      },
      "fields": [
        {
          "default": null,
          "description": "The folder's absolute path, below one of the roots that the operator allows.",
          "name": "path",
          "required": true,
          "type": "text"
        },
        {
          "default": true,
          "description": "Whether subfolders are read too.",
          "name": "recursive",
          "required": false,
          "type": "boolean"
        },
        {
          "default": [],
          "description": "Globs: only documents whose path within the source matches one of them; empty for all. At most 100 of 256 bytes.",
          "name": "include_patterns",
          "required": false,
          "type": "text_list"
        },
        {
          "default": [],
          "description": "Globs: no documents whose path within the source matches one of them. At most 100 of 256 bytes.",
          "name": "exclude_patterns",
          "required": false,
          "type": "text_list"
        },
        {
          "default": "remove",
          "description": "What happens to documents that are gone from the source: `remove` deletes them, `keep` marks them as stale.",
          "name": "on_missing",
          "required": false,
          "type": "text"
        }
      ],
      "name": "Directory",
      "secrets": [],
      "secrets_schema": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "additionalProperties": false,
        "properties": {},
        "required": [],
        "title": "Directory secrets",
        "type": "object"
      },
      "type": "directory"
    }
    "#);
    let unknown = api.get("/api/v2/connectors/gopher", &token).await.problem(404);
    assert_eq!(unknown, format!(r#"no connector "gopher"; available: {}"#, Connector::names()));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn examples_of_the_catalogue_can_be_added_as_sources(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let sources = format!("{}/sources", api.create_collection(&token, "notes").await);
    let catalogue = api.get("/api/v2/connectors", &token).await.expect(200);
    for connector in catalogue["connectors"].as_array().unwrap() {
        let mut body = json!({ "source_type": connector["type"], "source_config": connector["example"] });
        let secrets = connector["secrets"].as_array().unwrap().iter();
        for secret in secrets.filter(|secret| secret["required"] == true) {
            let name = text(&secret["name"]);
            let refusal = api.post(&sources, &token, body.clone()).await.problem(422);
            assert!(refusal.starts_with(&format!("secrets.{name}: is required")), "{refusal}");
            body["secrets"][&name] = json!("s3cret");
        }
        let operation = api.post(&sources, &token, body).await.expect(202);
        for field in connector["fields"].as_array().unwrap() {
            let name = text(&field["name"]);
            let sent = connector["example"].get(&name).unwrap_or(&field["default"]);
            assert_eq!(&operation["config"]["source_config"][&name], sent, "{name}");
        }
    }
}
