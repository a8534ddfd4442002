//! axum's extractors, with refusals as problem documents.

use std::fmt;
use std::marker::PhantomData;

use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Json, Path, Query, Request};
use domain::ErrorKind;
use http::StatusCode;
use http::request::Parts;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::ApiError;

/// A JSON body.
#[derive(Debug, Clone)]
pub struct ApiJson<T>(pub T);

/// A JSON body that may be left out, whatever `content-type` says.
#[derive(Debug, Clone)]
pub struct ApiOptionalJson<T>(pub T);

/// Query parameters.
#[derive(Debug, Clone)]
pub struct ApiQuery<T>(pub T);

/// Path parameters.
#[derive(Debug, Clone)]
pub struct ApiPath<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for ApiJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::<Object<T>>::from_request(request, state).await {
            Ok(Json(Object(body))) => Ok(Self(body)),
            Err(rejection) => Err(refuse_body(&rejection)),
        }
    }
}

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for ApiOptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = Bytes::from_request(request, state).await.map_err(|_| body_too_large())?;
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(T::default()));
        }
        // `null` is how some clients write nothing.
        let read: Option<Object<T>> = serde_json::from_slice(&body)
            .map_err(|error| refuse_json(error.is_data(), &error.to_string()))?;
        Ok(Self(read.map(|Object(body)| body).unwrap_or_default()))
    }
}

/// What is read from a JSON object alone: serde would take an array for a struct, too, its items in
/// the order of the fields.
struct Object<T>(T);

impl<'de, T: DeserializeOwned> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData)).map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(fields))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiQuery<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(refuse_query(&rejection)),
        }
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for ApiPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(path)) => Ok(Self(path)),
            Err(rejection) => Err(refuse_path(&rejection)),
        }
    }
}

fn refuse_body(rejection: &JsonRejection) -> ApiError {
    let text = cause_text(rejection);
    match rejection {
        JsonRejection::JsonDataError(_) => refuse_json(true, &text),
        JsonRejection::MissingJsonContentType(_) => {
            ApiError::new(ErrorKind::Invalid, "the body must be JSON; send content-type: application/json")
                .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
        }
        JsonRejection::BytesRejection(_) => body_too_large(),
        _ => refuse_json(false, &text),
    }
}

/// What is no JSON is told from what is JSON with other fields than are wanted.
fn refuse_json(is_json: bool, reason: &str) -> ApiError {
    if is_json {
        return ApiError::new(ErrorKind::Invalid, format!("the body does not fit: {reason}"));
    }
    ApiError::new(ErrorKind::Invalid, format!("the body is not JSON: {reason}"))
        .with_status(StatusCode::BAD_REQUEST)
}

fn body_too_large() -> ApiError {
    ApiError::new(ErrorKind::TooLarge, "the body is larger than 2 MiB; documents go through uploads")
}

fn refuse_query(rejection: &QueryRejection) -> ApiError {
    ApiError::new(ErrorKind::Invalid, format!("the query parameters do not fit: {}", cause_text(rejection)))
}

fn refuse_path(rejection: &PathRejection) -> ApiError {
    // An id that is no id names nothing.
    ApiError::new(ErrorKind::NotFound, format!("there is nothing at this path: {}", cause_text(rejection)))
}

/// The innermost message: the outer ones only say that something was refused.
fn cause_text(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    innermost.to_string()
}
