//! The API's description: what the handlers do not say themselves.

mod finish;
pub(crate) mod words;

use std::collections::BTreeMap;

use access::problems;
use domain::{Classify, ErrorKind};
use lambda::http::{FieldError, Problem};
use serde_json::Value;
use thiserror::Error;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr, Required, Response};
use utoipa::{IntoParams, IntoResponses, Modify, OpenApi as _};

/// The search function's routes, generated from its handlers; a test of that crate keeps the file
/// up to date. Linking the crate for it would link ONNX Runtime.
const SEARCH: &str = include_str!("../../search/openapi.json");

/// The description cannot be put together.
#[derive(Debug, Error)]
#[error("the API's description cannot be put together")]
pub struct DescriptionError(#[from] serde_json::Error);

impl Classify for DescriptionError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Completes what was generated from this function's handlers: adds the search function's routes, unique
/// operation names and examples.
///
/// # Errors
/// When the search function's part cannot be read.
pub(crate) fn complete(generated: &OpenApi) -> Result<Value, DescriptionError> {
    let mut description = serde_json::to_value(generated)?;
    let mut search: Value = serde_json::from_str(SEARCH)?;
    for part in ["/paths", "/components/schemas"] {
        let (Some(Value::Object(all)), Some(Value::Object(more))) =
            (description.pointer_mut(part), search.pointer_mut(part))
        else {
            continue;
        };
        all.append(more);
    }
    finish::finish(&mut description);
    Ok(description)
}

/// What the description starts with; the router adds the routes.
pub(crate) fn frame() -> OpenApi {
    Frame::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Semantik",
        description = "Upload documents, watch their operations, search them by meaning. \
            Every error is a problem document (RFC 9457) with the request's id.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem, FieldError)),
    modifiers(&Bearer),
    tags(
        (name = "auth", description = "Accounts and tokens."),
        (name = "api-keys", description = "For programs that act for a person."),
        (name = "administration", description = "What superusers do."),
        (name = "preferences", description = "What the caller prefers."),
        (name = "collections", description = "Collections of documents."),
        (name = "sharing", description = "Who else may use a collection."),
        (name = "limits", description = "What collections and users may hold and do."),
        (name = "audit", description = "Who did what, when and from where."),
        (name = "sources", description = "Where documents come from."),
        (name = "sync", description = "Reading sources again, when asked to or after an interval."),
        (name = "uploads", description = "Files from clients, straight into the bucket."),
        (name = "documents", description = "What a collection holds."),
        (name = "chunking", description = "Trying out how documents are cut."),
        (name = "chunks", description = "The passages that searches find."),
        (name = "operations", description = "What happens to collections."),
        (name = "search", description = "Finding passages by meaning."),
        (name = "mcp", description = "What AI assistants may search."),
        (name = "system", description = "The installation."),
    )
)]
struct Frame;

/// An access token or an API key.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An access token of POST /api/auth/login, or an API key (smtk_...)."))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// The header `If-Match` of a route that changes a resource, and its refusal.
pub(crate) struct Versioned;

impl IntoParams for Versioned {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "The `ETag` of the version that is to be changed; another version is left as it is (412).",
            ))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
            .build();
        vec![header]
    }
}

impl IntoResponses for Versioned {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[(412, "It was changed since the version that `If-Match` names.")])
    }
}

/// Errors of a route that takes a JSON body.
pub(crate) struct BodyErrors;

impl IntoResponses for BodyErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (400, "The body is no JSON."),
            (413, "The body is too large."),
            (415, "The body is not announced as JSON."),
            (422, "A field is wrong; `errors` names it."),
        ])
    }
}
