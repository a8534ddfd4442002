//! A route's declaration in the words of OpenAPI.

use std::collections::BTreeMap;

use domain::DocumentMetadata;
use serde_json::json;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder};

use crate::{Access, Route};

/// Responses with a problem document each. The description that they go into has the schema
/// `Problem`.
pub fn problems(statuses: &[(u16, &str)]) -> BTreeMap<String, RefOr<Response>> {
    let entry =
        |(status, description): &(u16, &str)| (status.to_string(), RefOr::T(problem(*status, description)));
    statuses.iter().map(entry).collect()
}

/// The value of one of a document's attributes, as [`domain::MetadataValue::parse`] takes it.
pub fn attribute_value() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Array(vec![Type::String, Type::Integer, Type::Boolean]))
        .max_length(Some(DocumentMetadata::MAX_TEXT_LENGTH))
        .build()
}

/// An object whose keys are those of attributes; what its properties are is still to be said.
pub fn by_attribute() -> ObjectBuilder {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(format!("^[A-Za-z0-9_.-]{{1,{}}}$", DocumentMetadata::MAX_KEY_LENGTH)))
        .build();
    ObjectBuilder::new()
        .property_names(Some(Schema::Object(key)))
        .max_properties(Some(DocumentMetadata::MAX_ENTRIES))
}

fn problem(status: u16, description: &str) -> Response {
    let example = json!({
        "type": "about:blank",
        "title": http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()),
        "status": status,
        "detail": description,
        "request_id": "0b7e1c52-6d0c-4f5e-9d1c-2f6f1f3f7a10",
    });
    let content =
        ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).example(Some(example)).build();
    let mut response =
        ResponseBuilder::new().description(description).content("application/problem+json", content);
    if status == 429 {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
        let header = HeaderBuilder::new().schema(Some(seconds)).description(Some("Seconds to wait.")).build();
        response = response.header("Retry-After", header);
    }
    response.build()
}

/// Writes what the route needs, and what happens to those who have it not.
pub(crate) fn declare(route: Route, paths: &mut Paths) {
    for item in paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            declare_operation(route, operation);
        }
    }
}

fn declare_operation(route: Route, operation: &mut Operation) {
    let access = ExtensionsBuilder::new().add("x-access", route.needs.to_string()).build();
    operation.extensions.get_or_insert_default().merge(access);
    if route.needs != Access::Public {
        operation.security = Some(vec![SecurityRequirement::new("bearer", Vec::<String>::new())]);
    }
    if route.is_idempotent {
        let key = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "A name for this change, for example a UUID. A repetition with the same key and body gets \
                the same answer for at least 24 hours, and changes nothing.",
            ))
            .schema(Some(
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .min_length(Some(1))
                    .max_length(Some(255))
                    .build(),
            ))
            .build();
        operation.parameters.get_or_insert_default().push(RefOr::T(key));
    }
    for (status, response) in refusals(route) {
        // What the handler says of a status is more exact.
        operation.responses.responses.entry(status).or_insert(response);
    }
}

fn refusals(route: Route) -> BTreeMap<String, RefOr<Response>> {
    let mut statuses: Vec<(u16, &str)> = vec![
        (500, "Something went wrong on our side; the request id leads to it in the logs."),
        (503, "A part of the service does not answer; try again in a few seconds."),
    ];
    if route.needs != Access::Public {
        statuses.push((401, "No caller, or credentials that do not hold."));
        statuses.push((403, "The caller may not do this."));
    }
    let names_collections = matches!(
        route.needs,
        Access::Collection(_)
            | Access::CollectionUserSession(_)
            | Access::Collections(_)
            | Access::Operation(_)
    );
    if names_collections {
        statuses.push((404, "There is no such thing, or none that the caller can see."));
    }
    if route.rate.is_some() {
        statuses.push((429, "Too many requests; `Retry-After` says how long to wait."));
    }
    if route.is_idempotent {
        statuses.push((409, "The change conflicts with what is there, or its answer cannot be repeated."));
        statuses.push((413, "The body is too large."));
        statuses.push((422, "A field or the Idempotency-Key is wrong; `errors` names it."));
    }
    problems(&statuses)
}
