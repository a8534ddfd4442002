//! The OpenAPI description that follows from a route's declaration: access, headers and problem responses.

use std::collections::BTreeMap;

use domain::DocumentMetadata;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem, Paths};
use utoipa::openapi::schema::{Object, ObjectBuilder, OneOf, OneOfBuilder, Schema, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder};

use crate::access::Access;
use crate::route::Route;

/// Returns the schema of an attribute's value, as [`domain::MetadataValue::parse`] reads it: one schema for each type,
/// since generators of clients do not know a list of types.
pub fn attribute_value() -> OneOf {
    let text = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(DocumentMetadata::MAX_TEXT_LENGTH))
        .build();
    OneOfBuilder::new()
        .item(text)
        .item(Object::with_type(Type::Integer))
        .item(Object::with_type(Type::Boolean))
        .build()
}

/// Returns the schema of a string with these values.
pub fn one_of(words: impl IntoIterator<Item = &'static str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).build()
}

/// Declares that objects without listed properties, such as metadata, may have any: generators of clients take them for
/// empty objects otherwise.
pub fn open_objects(document: &mut Value) {
    match document {
        Value::Object(schema) => {
            let is_object = match schema.get("type") {
                Some(Value::String(kind)) => kind == "object",
                Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
                _ => false,
            };
            let is_listed = ["properties", "additionalProperties", "allOf", "oneOf", "anyOf"];
            if is_object && !is_listed.iter().any(|keyword| schema.contains_key(*keyword)) {
                schema.insert("additionalProperties".to_owned(), Value::Bool(true));
            }
            // A value that is an example may look like a schema.
            let nested =
                schema.iter_mut().filter(|(keyword, _)| !["example", "examples"].contains(&keyword.as_str()));
            nested.for_each(|(_, value)| open_objects(value));
        }
        Value::Array(items) => items.iter_mut().for_each(open_objects),
        _ => {}
    }
}

/// Starts the schema of an object with attribute keys; the caller adds the schema of its values.
pub fn by_attribute() -> ObjectBuilder {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(format!("^[A-Za-z0-9_.-]{{1,{}}}$", DocumentMetadata::MAX_KEY_LENGTH)))
        .build();
    ObjectBuilder::new()
        .property_names(Some(Schema::Object(key)))
        .max_properties(Some(DocumentMetadata::MAX_ENTRIES))
}

/// Adds `additionalProperties: false` to the objects of all request bodies: the extractors reject unknown
/// fields at every depth. Objects without listed properties, such as metadata, stay open.
pub fn close_request_bodies(document: &mut Value) {
    let mut references = Vec::new();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let items = paths.into_iter().flat_map(serde_json::Map::values_mut).filter_map(Value::as_object_mut);
    for operation in items.flat_map(serde_json::Map::values_mut) {
        let content = operation.pointer_mut("/requestBody/content").and_then(Value::as_object_mut);
        for body in content.into_iter().flat_map(serde_json::Map::values_mut) {
            if let Some(schema) = body.get_mut("schema") {
                close(schema, &mut references);
            }
        }
    }
    let mut closed = std::collections::BTreeSet::new();
    while let Some(reference) = references.pop() {
        let schema = document.pointer_mut(reference.trim_start_matches('#'));
        if let Some(schema) = schema.filter(|_| closed.insert(reference.clone())) {
            close(schema, &mut references);
        }
    }
}

fn close(schema: &mut Value, references: &mut Vec<String>) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::String(reference)) = schema.get("$ref") {
        references.push(reference.clone());
    }
    if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
        schema.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    for (keyword, nested) in schema.iter_mut() {
        match (keyword.as_str(), nested) {
            ("properties", Value::Object(properties)) => {
                properties.values_mut().for_each(|property| close(property, references));
            }
            ("oneOf" | "anyOf", Value::Array(choices)) => {
                choices.iter_mut().for_each(|choice| close(choice, references));
            }
            ("items" | "additionalProperties", nested) => close(nested, references),
            _ => {}
        }
    }
}

/// The names of the query parameters that an operation declares, by its method.
pub(crate) type DeclaredParameters = Vec<(Method, Vec<String>)>;

/// Adds what the declaration implies to the route's operations, and returns their query parameters.
pub(crate) fn declare(route: &Route, paths: &mut Paths) -> DeclaredParameters {
    let mut declared = Vec::new();
    for item in paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            declare_operation(route, operation);
            let parameters = operation.parameters.iter().flatten().filter_map(query_parameter);
            declared.push((method, parameters.collect()));
        }
    }
    declared
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let operations = [
        (Method::GET, &mut item.get),
        (Method::PUT, &mut item.put),
        (Method::POST, &mut item.post),
        (Method::PATCH, &mut item.patch),
        (Method::DELETE, &mut item.delete),
    ];
    operations.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn query_parameter(parameter: &RefOr<Parameter>) -> Option<String> {
    match parameter {
        RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => Some(parameter.name.clone()),
        _ => None,
    }
}

fn declare_operation(route: &Route, operation: &mut Operation) {
    let access = ExtensionsBuilder::new().add("x-access", route.rules.access.to_string()).build();
    operation.extensions.get_or_insert_default().merge(access);
    // An empty list says that none is needed, which nothing does not.
    operation.security = Some(match route.rules.access {
        Access::Public => Vec::new(),
        _ => vec![SecurityRequirement::new("bearer", Vec::<String>::new())],
    });
    let headers = [route.rules.is_idempotent.then(idempotency_key), route.is_versioned.then(if_match)];
    for header in headers.into_iter().flatten() {
        operation.parameters.get_or_insert_default().push(RefOr::T(header));
    }
    for (status, description) in problems(route, operation) {
        let problem = problem(status, &description);
        match operation.responses.responses.get_mut(status.as_str()) {
            // The handler has another body for it, too.
            Some(RefOr::T(response)) => response.content.extend(problem.content),
            _ => {
                operation.responses.responses.insert(status.as_str().to_owned(), RefOr::T(problem));
            }
        }
    }
}

fn idempotency_key() -> Parameter {
    let schema =
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255)).build();
    header(
        "Idempotency-Key",
        "A unique value for this change, for example a UUID. A request with the same key and body is answered \
         with the first response for at least 24 hours, and changes nothing.",
        schema,
    )
}

fn if_match() -> Parameter {
    header(
        "If-Match",
        "The `ETag` of the version to change; if the resource has another version, it is not changed (412).",
        ObjectBuilder::new().schema_type(Type::String).build(),
    )
}

fn header(name: &str, description: &str, schema: Object) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(schema))
        .build()
}

/// Derives the problem responses of an operation. What the route declares is more exact than what follows
/// from its parts.
fn problems(route: &Route, operation: &Operation) -> BTreeMap<StatusCode, String> {
    let mut problems: BTreeMap<StatusCode, String> = BTreeMap::new();
    let mut add = |status: StatusCode, description: &str| {
        problems.insert(status, description.to_owned());
    };
    add(
        StatusCode::UNPROCESSABLE_ENTITY,
        "A field, query parameter or header is invalid or unknown; `errors` names it.",
    );
    add(StatusCode::INTERNAL_SERVER_ERROR, "Internal error; the logs contain the request id.");
    add(StatusCode::SERVICE_UNAVAILABLE, "A backend is temporarily unavailable; retry in a few seconds.");
    if route.rules.access != Access::Public {
        add(StatusCode::UNAUTHORIZED, "The credentials are missing or invalid.");
        add(StatusCode::FORBIDDEN, "The caller does not have the required access.");
    }
    if has_path_parameter(operation) || matches!(route.rules.access, Access::Collections(_)) {
        add(StatusCode::NOT_FOUND, "No such resource, or the caller does not have access to it.");
    }
    if route.rules.rate.is_some() {
        add(
            StatusCode::TOO_MANY_REQUESTS,
            "Rate limit exceeded; `Retry-After` is the time to wait, in seconds.",
        );
    }
    if operation.request_body.is_some() || route.rules.is_idempotent {
        add(StatusCode::BAD_REQUEST, "The request body is not valid JSON.");
        add(StatusCode::PAYLOAD_TOO_LARGE, "The request body is larger than 2 MiB.");
    }
    if takes_required_body(operation) {
        add(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content type of the request body is not JSON.");
    }
    if route.is_versioned {
        add(StatusCode::PRECONDITION_FAILED, "The resource has changed since the version in `If-Match`.");
    }
    for (status, description) in &route.problems {
        add(*status, description);
    }
    if route.rules.is_idempotent {
        let unrepeatable =
            "The response to the first request with this `Idempotency-Key` cannot be repeated.";
        let conflict = problems.entry(StatusCode::CONFLICT).or_default();
        *conflict = format!("{conflict} {unrepeatable}").trim().to_owned();
    }
    problems
}

fn takes_required_body(operation: &Operation) -> bool {
    matches!(&operation.request_body, Some(RefOr::T(body)) if body.required == Some(Required::True))
}

fn has_path_parameter(operation: &Operation) -> bool {
    operation.parameters.iter().flatten().any(
        |parameter| matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path),
    )
}

fn problem(status: StatusCode, description: &str) -> Response {
    let example = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": description,
        "request_id": "0b7e1c52-6d0c-4f5e-9d1c-2f6f1f3f7a10",
    });
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).example(Some(example)).build();
    let mut response =
        ResponseBuilder::new().description(description).content("application/problem+json", content);
    if status == StatusCode::TOO_MANY_REQUESTS {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
        let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait.")).build();
        response = response.header("Retry-After", header);
    }
    response.build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_without_listed_properties_are_open() {
        let mut document = json!({
            "a": { "type": "object" },
            "b": { "type": ["object", "null"], "example": { "type": "object" } },
            "c": { "type": "object", "properties": { "d": { "type": "object" } } },
            "e": { "type": "object", "additionalProperties": false },
        });
        open_objects(&mut document);
        let is_open = |pointer: &str| {
            document.pointer(pointer).unwrap().get("additionalProperties") == Some(&json!(true))
        };
        assert!(is_open("/a") && is_open("/b") && is_open("/c/properties/d"), "{document}");
        assert!(!is_open("/b/example") && !is_open("/c") && !is_open("/e"), "{document}");
    }

    #[test]
    fn request_bodies_are_closed_at_every_depth_and_responses_stay_open() {
        let object = |name: &str, schema: Value| json!({ "type": "object", "properties": { name: schema } });
        let mut document = json!({
            "paths": { "/a": { "post": {
                "requestBody": { "content": { "application/json": {
                    "schema": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/A" }] },
                } } },
                "responses": { "200": { "content": { "application/json": {
                    "schema": { "$ref": "#/components/schemas/Answer" },
                } } } },
            } } },
            "components": { "schemas": {
                "A": object("properties", json!({ "type": "array", "items": { "$ref": "#/components/schemas/B" } })),
                "B": object("a", json!({ "$ref": "#/components/schemas/A" })),
                "Answer": object("a", json!({ "type": "string" })),
                "Metadata": { "type": "object" },
            } },
        });
        close_request_bodies(&mut document);
        let schemas = &document["components"]["schemas"];
        let is_closed = |name: &str| schemas[name]["additionalProperties"] == false;
        assert_eq!(["A", "B", "Answer", "Metadata"].map(is_closed), [true, true, false, false]);
        assert_eq!(schemas["A"]["properties"]["additionalProperties"], Value::Null);
    }
}
