//! Errors as clients see them: RFC 9457 problem documents.

use std::fmt::Display;
use std::sync::{Arc, Mutex};

use axum::response::{IntoResponse, Response};
use domain::{Classify, Dependency, ErrorKind};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error_chain;
use crate::metric::{self, Metric};

/// The seconds after which a client may retry a request that failed since a backend was unavailable.
const RETRY_SECONDS: u8 = 5;
/// The most bytes of a field's name, which may be a key that the client chose, and of a message.
const MAX_FIELD_BYTES: usize = 200;
const MAX_MESSAGE_BYTES: usize = 1000;
/// The most bytes of a problem's detail: some repeat what was received.
const MAX_DETAIL_BYTES: usize = 32 * 1024;

/// A problem document: the body of every error response, as `application/problem+json`
/// (<https://www.rfc-editor.org/rfc/rfc9457>).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the status is the problem's type.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The reason phrase of the status.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, and what to do about it.
    pub detail: String,
    /// The id of the request, to find it in the logs.
    pub request_id: String,
    /// The invalid fields of the request; absent where the problem is another one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// An invalid field of a request: of its body, its query or its headers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The name of the field; dots and indexes lead to nested fields, as in `files[0].name`.
    pub field: String,
    /// What is wrong, what is allowed, and what was received.
    pub message: String,
}

impl FieldError {
    /// Creates the error of a field. A long name or message is cut.
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: clip(field.into(), MAX_FIELD_BYTES), message: clip(message.into(), MAX_MESSAGE_BYTES) }
    }
}

/// Cuts a text to this many bytes and marks the cut.
fn clip(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push('…');
    }
    text
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
    dependency: Option<Dependency>,
}

impl ApiError {
    /// Creates an error whose detail is sent to the client.
    pub fn new(kind: ErrorKind, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self {
            parts: Box::new(Parts {
                kind,
                status,
                detail: clip(detail.into(), MAX_DETAIL_BYTES),
                errors: Vec::new(),
                headers: HeaderMap::new(),
                cause: None,
                dependency: None,
            }),
        }
    }

    /// Creates a 404: the resource does not exist, or the caller must not learn that it does.
    pub fn not_found(resource: &str, id: impl Display) -> Self {
        Self::new(ErrorKind::NotFound, format!("No such {resource}, or you do not have access to it: {id}"))
    }

    /// Creates a 500 without details.
    pub(super) fn defect() -> Self {
        Self::new(
            ErrorKind::Internal,
            "Internal error; report the request id to the operator, who finds it in the logs",
        )
    }

    /// Creates a 500: the cause is logged, the client gets the request id only.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut error = Self::defect();
        error.parts.cause = Some(error_chain(cause));
        error
    }

    /// Creates a 503: the cause is logged, the client gets the detail and when to retry.
    pub fn unavailable(cause: &(dyn std::error::Error + 'static), detail: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::Unavailable, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from(u16::from(RETRY_SECONDS)));
        error.parts.cause = Some(error_chain(cause));
        error
    }

    /// Creates a 413 for a request body over the limit of 2 MiB.
    pub fn body_too_large() -> Self {
        Self::new(ErrorKind::TooLarge, "The request body is larger than 2 MiB; send documents as uploads")
    }

    /// Creates a 422 for one field.
    pub fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError::new(field, message)])
    }

    /// Creates a 422 for several fields, as [`FieldErrors`] has bounded them.
    pub(super) fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let listed: Vec<String> =
            errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        let mut error = Self::new(ErrorKind::Invalid, listed.join("; "));
        error.parts.errors = errors;
        error
    }

    /// Replaces the status, e.g. by 400 for a body that is not JSON.
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.parts.status = status;
        self
    }

    /// Adds a response header, e.g. `Retry-After`.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.parts.headers.insert(name, value);
        self
    }

    /// Adds what is unavailable, for the metric of it.
    pub fn with_dependency(mut self, dependency: Option<Dependency>) -> Self {
        self.parts.dependency = dependency;
        self
    }

    /// The classification of the error.
    pub fn kind(&self) -> ErrorKind {
        self.parts.kind
    }

    /// The text that the client gets.
    pub fn detail(&self) -> &str {
        &self.parts.detail
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.parts.status
    }

    #[cfg(test)]
    pub(super) fn cause(&self) -> Option<&str> {
        self.parts.cause.as_deref()
    }

    /// Logs the internal cause and counts the unavailable backend, once for each error that a client gets.
    pub fn record(&self) {
        let dependency = self.parts.dependency.map(Dependency::as_str);
        if let Some(dependency) = dependency {
            metric::add_of(Metric::DependencyErrors, &[dependency], 1);
        }
        if let Some(cause) = &self.parts.cause {
            tracing::error!(error = cause, dependency, "request failed");
        }
    }

    /// Writes the problem document.
    pub(super) fn into_problem_response(self, request_id: &str) -> Response {
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
        let api_error = match (kind, error.public_message()) {
            (ErrorKind::Internal, _) => Self::internal(&error),
            (ErrorKind::Unavailable, _) | (ErrorKind::Throttled, None) => {
                let detail =
                    format!("A backend is temporarily unavailable; retry in {RETRY_SECONDS} seconds");
                Self::unavailable(&error, detail)
            }
            (_, Some(detail)) => Self::new(kind, detail),
            // What a backend refused is not the request's fault.
            (_, None) => Self::internal(&error),
        };
        api_error.with_dependency(error.dependency())
    }
}

/// Carries the error to the middleware, which knows the request id and writes the body.
#[derive(Clone)]
pub(super) struct PendingProblem(pub(super) Arc<Mutex<Option<ApiError>>>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.parts.status.into_response();
        let carrier = PendingProblem(Arc::new(Mutex::new(Some(self))));
        response.extensions_mut().insert(carrier);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an adapter makes of an answer of its server.
    #[derive(Debug, thiserror::Error)]
    #[error("Not found: Collection `7b0f_minilm_f16` doesn't exist!")]
    struct Backend(ErrorKind);

    impl Classify for Backend {
        fn kind(&self) -> ErrorKind {
            self.0
        }

        fn public_message(&self) -> Option<String> {
            None
        }
    }

    #[test]
    fn clients_do_not_get_the_words_of_a_backend() {
        for (kind, status) in [
            (ErrorKind::NotFound, 500_u16),
            (ErrorKind::Conflict, 500),
            (ErrorKind::Invalid, 500),
            (ErrorKind::Forbidden, 500),
            (ErrorKind::Internal, 500),
            (ErrorKind::Throttled, 503),
            (ErrorKind::Unavailable, 503),
        ] {
            let error = ApiError::from(Backend(kind));
            assert_eq!(error.status(), status, "{kind:?}");
            assert!(!error.detail().contains("minilm"), "{kind:?}: {}", error.detail());
            assert!(error.cause().is_some_and(|cause| cause.contains("minilm")), "{kind:?}: it is logged");
        }
    }
}
