//! The OpenAPI document: metadata, shared declarations, and completion of the generated parts.

mod finish;
pub(crate) mod words;

use domain::{Classify, ErrorKind};
use lambda::http::{FieldError, Problem};
use serde_json::Value;
use thiserror::Error;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi as _};

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

/// Completes the document generated from this function's handlers: adds the routes of the search function, and
/// missing descriptions and examples.
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
    access::close_request_bodies(&mut document);
    access::open_objects(&mut document);
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
    servers((url = "/", description = "The server that returned this document.")),
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
        (name = "formats", description = "Kinds of documents that can be read."),
        (name = "uploads", description = "Files that clients PUT to presigned URLs."),
        (name = "push-runs", description = "Telling what a source that pushes documents has no longer."),
        (name = "documents", description = "Documents of a collection."),
        (name = "chunking", description = "Chunking strategies, and previews of their chunks."),
        (name = "chunks", description = "The indexed passages of documents."),
        (name = "operations", description = "Background changes of collections, and their progress."),
        (name = "search", description = "Search by meaning and by words."),
        (name = "webhooks", description = "URLs that are notified of events by signed requests."),
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
