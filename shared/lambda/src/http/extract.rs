//! axum's extractors of bodies and paths, with rejections as problem documents.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, JsonRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Request};
use domain::ErrorKind;
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::field_errors::FieldErrors;
use super::fields::read_body;
use super::problem::ApiError;

/// The largest request body, in bytes: axum's own limit.
pub const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// A JSON request body. Unknown fields are rejected.
#[derive(Debug, Clone)]
pub struct ApiJson<T>(pub T);

/// A JSON request body that may be absent or `null`, whatever `content-type` is. Unknown fields are rejected.
#[derive(Debug, Clone)]
pub struct ApiOptionalJson<T>(pub T);

/// Path parameters.
#[derive(Debug, Clone)]
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<Value>::from_request(request, state).await {
            Ok(Json(body)) => read_body(body).map(Self).map_err(FieldErrors::into_error),
            Err(rejection) => Err(reject_body(&rejection)),
        }
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for ApiOptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await.map_err(|rejection| reject_bytes(&rejection))?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(T::default()));
        }
        match serde_json::from_slice(&body) {
            Ok(Value::Null) => Ok(Self(T::default())),
            Ok(body) => read_body(body).map(Self).map_err(FieldErrors::into_error),
            Err(error) => Err(invalid_json(&error)),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(reject_path(&rejection)),
        }
    }
}

/// Reads a JSON object that is a part of a request body, with the checks of [`ApiJson`].
///
/// # Errors
/// Returns `Invalid` with every unknown field, and the first field that is missing or of a wrong type.
pub fn read_object<T: DeserializeOwned>(object: Value) -> Result<T, ApiError> {
    read_body(object).map_err(FieldErrors::into_error)
}

fn reject_body(rejection: &JsonRejection) -> ApiError {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => ApiError::new(
            ErrorKind::Invalid,
            "The request body must be JSON; send it with content-type: application/json",
        )
        .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE),
        JsonRejection::BytesRejection(rejection) => reject_bytes(rejection),
        other => invalid_json(other),
    }
}

/// Rejects a body that is larger than [`MAX_BODY_BYTES`], or whose connection broke.
fn reject_bytes(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return ApiError::body_too_large();
    }
    ApiError::new(ErrorKind::Invalid, format!("The request body cannot be read: {}", root_cause(rejection)))
        .with_status(StatusCode::BAD_REQUEST)
}

fn invalid_json(error: &(dyn std::error::Error + 'static)) -> ApiError {
    ApiError::new(ErrorKind::Invalid, format!("The request body is not valid JSON: {}", root_cause(error)))
        .with_status(StatusCode::BAD_REQUEST)
}

/// Answers 404: an id that cannot be parsed identifies nothing.
fn reject_path(rejection: &PathRejection) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("No such resource: {}", root_cause(rejection)))
}

/// Returns the innermost message: the outer ones only say that something was rejected.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::header;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    struct Named {
        name: Option<String>,
    }

    fn request(content_type: Option<&str>, body: impl Into<Body>) -> Request {
        let mut request = http::Request::post("/");
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        request.body(body.into()).unwrap()
    }

    async fn rejection(request: Request) -> (StatusCode, String) {
        let error = ApiJson::<Named>::from_request(request, &()).await.unwrap_err();
        (error.status(), error.detail().to_owned())
    }

    #[tokio::test]
    async fn a_body_that_is_not_json_is_told_apart_from_json_with_wrong_fields() {
        let json = Some("application/json");
        for (request, status, expected) in [
            (request(None, "{}"), 415, "must be JSON"),
            (request(Some("text/plain"), "{}"), 415, "must be JSON"),
            (
                request(json, "{\"name\": "),
                400,
                "is not valid JSON: name: EOF while parsing a value at line 1 column",
            ),
            (request(json, ""), 400, "EOF while parsing a value at line 1 column"),
            (request(json, "[]"), 422, "body: wrong type; an object allowed, got a list"),
            (request(json, "{\"name\": 1}"), 422, "name: wrong type; a string allowed, got 1"),
            (request(json, "{\"nam\": 1}"), 422, "nam: unknown field `nam`; allowed are `name`"),
            (request(json, " ".repeat(MAX_BODY_BYTES + 1)), 413, "larger than 2 MiB"),
        ] {
            let (got, detail) = rejection(request).await;
            assert_eq!(got.as_u16(), status, "{detail}");
            assert!(detail.contains(expected), "{detail}");
        }
    }

    #[tokio::test]
    async fn an_optional_body_may_be_absent() {
        for (body, name) in [("", None), (" \n", None), ("null", None), ("{\"name\": \"a\"}", Some("a"))] {
            let read = ApiOptionalJson::<Named>::from_request(request(None, body), &()).await.unwrap();
            assert_eq!(read.0.name.as_deref(), name);
        }
        for (body, status) in [("{", 400), ("{\"nam\": 1}", 422), ("[]", 422)] {
            let error = ApiOptionalJson::<Named>::from_request(request(None, body), &()).await.unwrap_err();
            assert_eq!(error.status().as_u16(), status, "{}", error.detail());
        }
    }
}
