//! Completion of the generated OpenAPI document: descriptions and examples.

use serde_json::{Map, Value, json};

const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];
const PROBLEM: &str = "application/problem+json";
/// Deeper than any schema; stops the recursion in recursive schemas.
const MAX_DEPTH: usize = 12;

/// Adds missing descriptions and examples.
pub(super) fn finish(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    let schemas = Schemas(&schemas);
    let Some(Value::Object(paths)) = document.get_mut("paths") else {
        return;
    };
    for item in paths.values_mut() {
        for method in METHODS {
            if let Some(operation) = item.get_mut(method) {
                finish_operation(operation, &schemas);
            }
        }
    }
}

fn finish_operation(operation: &mut Value, schemas: &Schemas<'_>) {
    if let Some(Value::Array(parameters)) = operation.get_mut("parameters") {
        parameters.iter_mut().for_each(finish_parameter);
    }
    if let Some(Value::Object(content)) = operation.pointer_mut("/requestBody/content") {
        for body in content.values_mut().filter_map(Value::as_object_mut) {
            let example = body.get("schema").and_then(|schema| schemas.example(schema, 0));
            if let Some(example) = example.filter(|_| !has_example(body)) {
                body.insert("example".to_owned(), example);
            }
        }
    }
    let Some(Value::Object(responses)) = operation.get_mut("responses") else {
        return;
    };
    for (status, response) in responses {
        finish_response(status, response, schemas);
    }
}

/// Declares that optional text parameters may be empty: HTML forms send empty fields.
fn allow_empty_value(parameter: &mut Value) {
    let is_text = parameter.get("schema").is_some_and(|schema| kind(schema) == "string");
    if let Some(parameter) = parameter.as_object_mut()
        && is_text
        && parameter.get("in") == Some(&json!("query"))
        && parameter.get("required") != Some(&json!(true))
    {
        parameter.insert("allowEmptyValue".to_owned(), json!(true));
    }
}

/// Describes path parameters and enumerated filters that have no description.
fn finish_parameter(parameter: &mut Value) {
    allow_empty_value(parameter);
    let name = parameter.get("name").and_then(Value::as_str).unwrap_or_default();
    let text = match parameter.get("in").and_then(Value::as_str) {
        Some("path") => format!("Identifies the {}.", name.trim_end_matches("_id").replace('_', " ")),
        _ if parameter.pointer("/schema/enum").is_some() => format!("Only entries with this {name}."),
        _ => return,
    };
    if let Some(parameter) = parameter.as_object_mut() {
        parameter.entry("description").or_insert(Value::String(text));
    }
}

fn finish_response(status: &str, response: &mut Value, schemas: &Schemas<'_>) {
    let body = response.pointer("/content/application~1json/schema");
    let summary =
        body.and_then(|schema| schemas.resolve(schema).get("description")?.as_str()?.lines().next());
    let summary = Value::from(summary.unwrap_or("Success."));
    let is_undescribed = response.get("description").is_none_or(|description| description == "");
    if let Some(response) = response.as_object_mut().filter(|_| is_undescribed) {
        response.insert("description".to_owned(), summary);
    }
    let detail = response.get("description").cloned().unwrap_or_default();
    let content = response.get_mut("content").and_then(|content| content.get_mut(PROBLEM));
    if let Some(problem) = content.and_then(Value::as_object_mut)
        && !has_example(problem)
    {
        problem.insert("example".to_owned(), problem_example(status, detail));
    }
}

fn has_example(content: &Map<String, Value>) -> bool {
    content.contains_key("example") || content.contains_key("examples")
}

fn problem_example(status: &str, detail: Value) -> Value {
    let status = status.parse().ok().and_then(|code| http::StatusCode::from_u16(code).ok());
    json!({
        "type": "about:blank",
        "title": status.and_then(|status| status.canonical_reason()),
        "status": status.map(|status| status.as_u16()),
        "detail": detail,
        "request_id": "0b7e1c52-6d0c-4f5e-9d1c-2f6f1f3f7a10",
    })
}

/// The schemas under `components` of the document.
struct Schemas<'a>(&'a Value);

impl<'a> Schemas<'a> {
    /// Returns the schema that a `$ref` refers to, or the schema itself.
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let name = schema.get("$ref").and_then(Value::as_str);
        let found = name.and_then(|name| self.0.get(name.rsplit('/').next().unwrap_or_default()));
        found.unwrap_or(schema)
    }

    /// Builds an example value from the examples of the fields. Returns `None` if a required field has none.
    fn example(&self, schema: &'a Value, depth: usize) -> Option<Value> {
        for keyword in ["example", "default", "const"] {
            if let Some(value) = schema.get(keyword) {
                return Some(value.clone());
            }
        }
        let first = |keyword: &str| schema.get(keyword).and_then(Value::as_array).and_then(|all| all.first());
        if let Some(value) = first("examples").or_else(|| first("enum")) {
            return Some(value.clone());
        }
        if depth > MAX_DEPTH {
            return None;
        }
        if schema.get("$ref").is_some() {
            return self.example(self.resolve(schema), depth + 1);
        }
        if let Some(choices) = schema.get("oneOf").or_else(|| schema.get("anyOf")).and_then(Value::as_array) {
            let mut choices = choices.iter().filter(|choice| choice.get("type") != Some(&json!("null")));
            return choices.find_map(|choice| self.example(choice, depth + 1));
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let mut whole = Map::new();
            for part in parts {
                whole.append(self.example(part, depth + 1)?.as_object_mut()?);
            }
            return Some(Value::Object(whole));
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => Some(json!([self.example(schema.get("items")?, depth + 1)?])),
            "boolean" => Some(json!(false)),
            _ => match schema.get("format").and_then(Value::as_str) {
                Some("uuid") => Some(json!("5f1d0c1e-8f4b-4f0e-9a53-6c1f0a6d2b11")),
                Some("date-time") => Some(json!("2027-01-01T00:00:00Z")),
                _ => None,
            },
        }
    }

    /// Builds an example from the required fields and those with an example.
    fn object(&self, schema: &'a Value, depth: usize) -> Option<Value> {
        let required = schema.get("required").and_then(Value::as_array);
        let mut object = Map::new();
        for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let is_required = required.is_some_and(|names| names.iter().any(|required| required == name));
            if is_required || field.get("example").is_some() {
                object.insert(name.clone(), self.example(field, depth + 1)?);
            }
        }
        Some(Value::Object(object))
    }
}

/// Returns the schema's type; of several, the first that is not `null`.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or_default()
        }
        _ => "object",
    }
}
