//! The OpenAPI document: metadata, shared declarations, and completion of the generated parts.

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

/// The OpenAPI document of the search function. Generated; a test of that crate keeps it up to date. Linking
/// the crate instead would link ONNX Runtime.
const SEARCH: &str = include_str!("../../search/openapi.json");

/// The OpenAPI document cannot be assembled.
#[derive(Debug, Error)]
#[error("the OpenAPI document cannot be assembled")]
pub struct OpenApiError(#[from] serde_json::Error);

impl Classify for OpenApiError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}

/// Completes the document generated from this function's handlers: adds the routes of the search function,
/// unique operation ids and examples.
///
/// # Errors
/// Returns [`OpenApiError`] if the document of the search function is malformed.
pub(crate) fn complete(generated: &OpenApi) -> Result<Value, OpenApiError> {
    let mut document = serde_json::to_value(generated)?;
    let mut search: Value = serde_json::from_str(SEARCH)?;
    for part in ["/paths", "/components/schemas"] {
        let (Some(Value::Object(all)), Some(Value::Object(more))) =
            (document.pointer_mut(part), search.pointer_mut(part))
        else {
            continue;
        };
        all.append(more);
    }
    finish::finish(&mut document);
    Ok(document)
}

/// Returns the document without routes.
pub(crate) fn frame() -> OpenApi {
    Frame::openapi()
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Semantik",
        description = "Index documents and search them by meaning. Changes run in the background as \
            operations. Every error is a problem document (RFC 9457) with the request's id.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(Problem, FieldError)),
    modifiers(&Bearer),
    tags(
        (name = "auth", description = "Accounts, sign-in and user sessions."),
        (name = "api-keys", description = "Credentials for programs that act on behalf of a user."),
        (name = "administration", description = "Administration of the installation by superusers."),
        (name = "preferences", description = "The caller's preferences."),
        (name = "collections", description = "Sets of documents with one embedding model and one set of index settings."),
        (name = "sharing", description = "Permissions and ownership of collections."),
        (name = "limits", description = "Quotas and usage of collections and users."),
        (name = "audit", description = "The log of all changes with their authors."),
        (name = "sources", description = "Places that documents are read from."),
        (name = "sync", description = "Sync runs, which read all sources of a collection again."),
        (name = "uploads", description = "Files that clients PUT to presigned URLs."),
        (name = "documents", description = "Documents of a collection."),
        (name = "chunking", description = "Chunking strategies, and previews of their chunks."),
        (name = "chunks", description = "The indexed passages of documents."),
        (name = "operations", description = "Background changes of collections, and their progress."),
        (name = "search", description = "Search by meaning and by words."),
        (name = "mcp", description = "Search profiles for AI assistants (Model Context Protocol)."),
        (name = "system", description = "Health, status and version of the installation."),
    )
)]
struct Frame;

/// Declares the security scheme: an access token or an API key.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An access token from POST /api/auth/login, or an API key (smtk_...)."))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(scheme));
    }
}

/// Declares the header `If-Match`, and the response if the version differs.
pub(crate) struct Versioned;

impl IntoParams for Versioned {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let header = ParameterBuilder::new()
            .name("If-Match")
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some("Only change this version (the `ETag` of a previous response); otherwise 412."))
            .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
            .build();
        vec![header]
    }
}

impl IntoResponses for Versioned {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[(412, "The resource has another version than `If-Match`.")])
    }
}

/// Declares the errors of routes with a JSON request body.
pub(crate) struct BodyErrors;

impl IntoResponses for BodyErrors {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems(&[
            (400, "The request body is not valid JSON."),
            (413, "The request body is too large."),
            (415, "The `Content-Type` is not `application/json`."),
            (422, "A field is invalid; `errors` lists all invalid fields."),
        ])
    }
}
