//! The settings and secrets of a connector as JSON Schema, from which clients draw forms:
//! <https://json-schema.org/draft/2020-12>

use serde_json::{Map, Value, json};

use crate::{ConfigField, Connector, FieldValue};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

impl Connector {
    /// The schema of `source_config`.
    pub fn config_schema(&self) -> Value {
        let properties = self.fields.iter().map(|field| (field.name.to_owned(), property(field)));
        let required = self.fields.iter().filter(|field| field.value.is_required()).map(|field| field.name);
        object(self.name, properties.collect(), required.collect())
    }

    /// The schema of `secrets`.
    pub fn secrets_schema(&self) -> Value {
        let property = |description| json!({ "type": "string", "writeOnly": true, "format": "password", "description": description });
        let properties = self
            .secrets
            .iter()
            .map(|secret| (secret.secret_type.as_str().to_owned(), property(secret.description)));
        let required =
            self.secrets.iter().filter(|secret| secret.is_required).map(|secret| secret.secret_type.as_str());
        object(&format!("{} secrets", self.name), properties.collect(), required.collect())
    }
}

fn object(title: &str, properties: Map<String, Value>, required: Vec<&str>) -> Value {
    json!({
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(field: &ConfigField) -> Value {
    let mut property = match field.value {
        FieldValue::RequiredText => json!({ "type": "string", "minLength": 1 }),
        FieldValue::Text => json!({ "type": "string" }),
        FieldValue::Boolean { .. } => json!({ "type": "boolean" }),
        FieldValue::Integer { min, max, .. } => {
            json!({ "type": "integer", "minimum": min, "maximum": max })
        }
        FieldValue::TextList => json!({ "type": "array", "items": { "type": "string" } }),
        FieldValue::RequiredTextList => {
            json!({ "type": "array", "minItems": 1, "items": { "type": "string" } })
        }
        FieldValue::RequiredUrls => {
            json!({ "type": "array", "minItems": 1, "items": { "type": "string", "format": "uri" } })
        }
        FieldValue::Word(words) => json!({ "type": "string", "enum": words }),
    };
    property["description"] = json!(field.description);
    if let Some(default) = field.value.default() {
        property["default"] = default;
    }
    property
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_names_every_setting_with_its_default_and_bounds() {
        let directory = Connector::find("directory").unwrap().config_schema();
        assert_eq!(directory["required"], json!(["path"]));
        assert_eq!(directory["properties"]["recursive"]["default"], json!(true));
        assert_eq!(directory["properties"]["on_missing"]["enum"], json!(["remove", "keep"]));
        for connector in Connector::all() {
            let schema = connector.config_schema();
            let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
            assert_eq!(names, connector.fields.iter().map(|field| field.name).collect::<Vec<_>>());
            for (name, property) in schema["properties"].as_object().unwrap() {
                assert!(property["type"].is_string(), "{name}");
            }
            let secrets = connector.secrets_schema();
            assert_eq!(secrets["properties"].as_object().unwrap().len(), connector.secrets.len());
        }
    }
}
