//! The API's description: what the handlers do not say themselves.

mod finish;

use std::collections::BTreeMap;

use axum::Json;
use domain::{
    Access, Classify, CollectionSort, CollectionStatus, DocumentSort, DocumentStatus, ErrorCategory,
    ErrorKind, OperationStatus, OperationType, Permission, Quantization, SecretType, SortOrder, SourceType,
    SyncRunStatus, SyncTrigger, UploadStatus,
};
use guard::problems;
use lambda::http::{ApiError, FieldError, Problem};
use serde_json::Value;
use thiserror::Error;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
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

/// The description of all routes, the search function's included, generated from the handlers.
///
/// # Errors
/// When the search function's part cannot be read.
pub fn openapi() -> Result<Value, DescriptionError> {
    let mut description = serde_json::to_value(crate::router::routes().into_openapi())?;
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

/// Describe the API
///
/// In OpenAPI 3.1.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "system",
    responses((status = 200, description = "The description.", body = Object)),
)]
pub(crate) async fn describe() -> Result<Json<Value>, ApiError> {
    Ok(Json(openapi()?))
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
        (name = "api keys", description = "For programs that act for a person."),
        (name = "administration", description = "What superusers do."),
        (name = "collections", description = "Collections of documents."),
        (name = "sharing", description = "Who else may use a collection."),
        (name = "sources", description = "Where documents come from."),
        (name = "sync", description = "Reading sources again, when asked to or after an interval."),
        (name = "uploads", description = "Files from clients, straight into the bucket."),
        (name = "documents", description = "What a collection holds."),
        (name = "operations", description = "What happens to collections."),
        (name = "search", description = "Finding passages by meaning."),
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

/// The schema of each closed set of words.
pub(crate) mod words {
    use crate::collections::fields::SYNC_MODES;
    use crate::collections::list::OWNERS;

    use super::{
        Access, CollectionSort, CollectionStatus, DocumentSort, DocumentStatus, ErrorCategory, Object,
        ObjectBuilder, OperationStatus, OperationType, Permission, Quantization, SchemaType, SecretType,
        SortOrder, SourceType, SyncRunStatus, SyncTrigger, Type, UploadStatus, Value,
    };

    fn words(all: impl Iterator<Item = &'static str>, nullable: bool) -> Object {
        let values: Vec<&str> = all.collect();
        let builder = ObjectBuilder::new();
        if nullable {
            let mut values: Vec<Value> = values.into_iter().map(Into::into).collect();
            values.push(Value::Null);
            let types = SchemaType::Array(vec![Type::String, Type::Null]);
            return builder.schema_type(types).enum_values(Some(values)).build();
        }
        builder.schema_type(Type::String).enum_values(Some(values)).build()
    }

    pub(crate) fn access() -> Object {
        words(Access::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn collection_owner() -> Object {
        words(OWNERS.into_iter(), false)
    }

    pub(crate) fn collection_sort() -> Object {
        words(CollectionSort::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn key_scope() -> Object {
        words([Access::Read, Access::Write, Access::Admin].iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn collection_status() -> Object {
        words(CollectionStatus::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn document_sort() -> Object {
        words(DocumentSort::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn document_status() -> Object {
        words(DocumentStatus::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn error_category() -> Object {
        words(ErrorCategory::ALL.iter().map(|word| word.as_str()), true)
    }

    pub(crate) fn operation_status() -> Object {
        words(OperationStatus::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn operation_type() -> Object {
        words(OperationType::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn optional_sync_mode() -> Object {
        words(SYNC_MODES.into_iter(), true)
    }

    pub(crate) fn optional_sync_run_status() -> Object {
        words(SyncRunStatus::ALL.iter().map(|word| word.as_str()), true)
    }

    pub(crate) fn permission() -> Object {
        words(Permission::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn quantization() -> Object {
        words(Quantization::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn secret_type() -> Object {
        words(SecretType::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn sort_order() -> Object {
        words(SortOrder::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn source_type() -> Object {
        words(SourceType::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn sync_mode() -> Object {
        words(SYNC_MODES.into_iter(), false)
    }

    pub(crate) fn sync_run_status() -> Object {
        words(SyncRunStatus::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn sync_trigger() -> Object {
        words(SyncTrigger::ALL.iter().map(|word| word.as_str()), false)
    }

    pub(crate) fn upload_status() -> Object {
        words(UploadStatus::ALL.iter().map(|word| word.as_str()), false)
    }
}
