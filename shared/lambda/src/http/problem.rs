//! Errors as clients see them: RFC 9457 problem documents.

use axum::response::{IntoResponse, Response};
use domain::{Classify, ErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error_chain;

/// The body of every error answer, as `application/problem+json`
/// (<https://www.rfc-editor.org/rfc/rfc9457>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong and what to do about it.
    pub detail: String,
    /// The request's id, to find it in the logs.
    pub request_id: String,
    /// The fields that are wrong, if fields are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What is wrong with one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The field's name; dots and indexes lead to nested ones.
    pub field: String,
    /// What came, what is allowed.
    pub message: String,
}

/// An error on its way to the client. Internal causes are logged, never sent.
#[derive(Debug)]
pub struct ApiError {
    // Boxed: every handler returns one of these by value.
    parts: Box<Parts>,
}

#[derive(Debug)]
struct Parts {
    kind: ErrorKind,
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    headers: HeaderMap,
    cause: Option<String>,
}

impl ApiError {
    /// An error whose text the client may read.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            parts: Box::new(Parts {
                kind,
                status,
                detail: detail.into(),
                errors: Vec::new(),
                headers: HeaderMap::new(),
                cause: None,
            }),
        }
    }

    /// 404: no such thing, or none that the caller may know of.
    pub fn not_found(what: &str, id: impl std::fmt::Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("there is no {what} {id} that you can see"))
    }

    /// 500: the cause goes to the log, the client learns only where to find it.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut error = Self::new(
            ErrorKind::Internal,
            "something went wrong on our side; the request id leads to it in the logs",
        );
        error.parts.cause = Some(error_chain(cause));
        error
    }

    /// 422 for one field.
    pub fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// 422 for several fields at once.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let listed: Vec<String> =
            errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        let mut error = Self::new(ErrorKind::Invalid, listed.join("; "));
        error.parts.errors = errors;
        error
    }

    /// Answers with another status of the same kind, e.g. 400 for a body that is no JSON.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.parts.status = status;
        self
    }

    /// Adds a response header, e.g. `Retry-After`.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.parts.headers.insert(name, value);
        self
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.parts.kind
    }

    /// The sentence the client reads.
    pub fn detail(&self) -> &str {
        &self.parts.detail
    }

    pub(crate) fn cause(&self) -> Option<&str> {
        self.parts.cause.as_deref()
    }

    /// The finished answer.
    pub(crate) fn into_problem_response(self, request_id: &str) -> Response {
        let problem = Problem {
            type_uri: "about:blank".to_owned(),
            title: self.parts.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.parts.status.as_u16(),
            detail: self.parts.detail,
            request_id: request_id.to_owned(),
            errors: self.parts.errors,
        };
        let mut response = (self.parts.status, axum::Json(problem)).into_response();
        response.headers_mut().extend(self.parts.headers);
        let problem_json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, problem_json);
        response
    }
}

impl<E: Classify + Send + Sync + 'static> From<E> for ApiError {
    fn from(error: E) -> Self {
        let kind = error.kind();
        match kind {
            ErrorKind::Internal => Self::internal(&error),
            ErrorKind::Unavailable => {
                let mut api_error =
                    Self::new(kind, "a part of the service does not answer; try again in a few seconds");
                api_error.parts.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
                api_error.parts.cause = Some(error_chain(&error));
                api_error
            }
            _ => Self::new(kind, error.to_string()),
        }
    }
}

/// Carries the error to the middleware, which knows the request's id and writes the body.
#[derive(Clone)]
pub(crate) struct PendingProblem(pub(crate) std::sync::Arc<std::sync::Mutex<Option<ApiError>>>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.parts.status.into_response();
        let carrier = PendingProblem(std::sync::Arc::new(std::sync::Mutex::new(Some(self))));
        response.extensions_mut().insert(carrier);
        response
    }
}
