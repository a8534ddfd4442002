//! `Idempotency-Key`: a repeated request gets the response of the first one and changes nothing
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>).
//!
//! The key is inserted in the transaction of the change. The primary key serializes concurrent requests with
//! the same key: the second one waits until the first has committed, and reads its response. A request
//! that fails half-way leaves neither the change nor the key.

use std::ops::{Deref, DerefMut};

use auth::{AccessTokens, Fingerprints};
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use db::requests::{NewKey, StoredResponse};
use db::{Db, Tx};
use domain::{ErrorKind, UserId};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lambda::http::{ApiError, MAX_BODY_BYTES};
use serde::Serialize;

use crate::error::AccessError;
use crate::extension::provided;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_KEY_CHARS: usize = 255;

/// The idempotency key of the request, if it has one: an extractor for routes that are declared idempotent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Idempotency {
    request: Option<KeyedRequest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyedRequest {
    key: String,
    method: String,
    path: String,
    /// Keyed hashes of the body: they reveal nothing about secrets in it.
    body_hashes: Fingerprints,
}

/// Whether a request is repeated.
#[derive(Debug)]
pub enum Begun {
    /// The first request with its key, or without a key: make the change.
    First(IdempotentTx),
    /// A repeated request, with the response to return.
    Again(Response),
}

/// A transaction that stores its response under the idempotency key.
#[derive(Debug)]
pub struct IdempotentTx {
    tx: Tx,
    /// The owner of the key, and the key.
    key: Option<(UserId, String)>,
}

impl Idempotency {
    /// Begins the transaction of the change.
    ///
    /// # Errors
    /// Returns `Invalid` if the key was used for a different request, `Conflict` if the first response
    /// cannot be repeated.
    pub async fn begin(self, db: &Db, user_id: UserId) -> Result<Begun, ApiError> {
        let mut tx = db.begin().await?;
        let Some(request) = self.request else {
            return Ok(Begun::First(IdempotentTx { tx, key: None }));
        };
        let new = NewKey {
            user_id,
            key: &request.key,
            method: &request.method,
            path: &request.path,
            request_hash: &request.body_hashes.newest,
        };
        if tx.idempotency_keys().insert(&new).await? {
            return Ok(Begun::First(IdempotentTx { tx, key: Some((user_id, request.key)) }));
        }
        let Some(known) = tx.idempotency_keys().find(user_id, &request.key).await? else {
            // The sweep deleted it between the two statements.
            return Err(ApiError::new(
                ErrorKind::Conflict,
                "The Idempotency-Key has just expired; send the request again",
            ));
        };
        // The first request may have been hashed before a rotation.
        let mut older = request.body_hashes.older.iter().map(|hash| NewKey { request_hash: hash, ..new });
        if !known.is_same(&new) && !older.any(|older| known.is_same(&older)) {
            return Err(ApiError::invalid_field(
                "Idempotency-Key",
                format!(
                    "already used for a different request ({} {}); a new key for each change allowed, got {:?}",
                    known.method, known.path, request.key
                ),
            ));
        }
        match known.response {
            StoredResponse::Repeatable { status, body } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                let mut answer = (status, axum::Json(body)).into_response();
                answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
                Ok(Begun::Again(answer))
            }
            StoredResponse::Unrepeatable { reason } => Err(ApiError::new(ErrorKind::Conflict, reason)),
        }
    }
}

impl IdempotentTx {
    /// Stores the response under the idempotency key, commits, and returns the response.
    ///
    /// # Errors
    /// Returns an error if the commit fails; nothing is changed then.
    pub async fn commit(mut self, status: StatusCode, body: &impl Serialize) -> Result<Response, ApiError> {
        let json = serde_json::to_value(body).map_err(AccessError::from)?;
        if let Some((user_id, key)) = &self.key {
            self.tx.idempotency_keys().store_response(*user_id, key, status.as_u16(), &json).await?;
        }
        self.tx.commit().await?;
        Ok((status, axum::Json(json)).into_response())
    }

    /// Commits and returns a response that must not be stored, such as one with a secret. A repeated request
    /// gets `Conflict` with the reason.
    ///
    /// # Errors
    /// As for [`Self::commit`].
    pub async fn commit_unrepeatable(
        mut self,
        status: StatusCode,
        body: &impl Serialize,
        reason: &str,
    ) -> Result<Response, ApiError> {
        if let Some((user_id, key)) = &self.key {
            self.tx.idempotency_keys().store_unrepeatable(*user_id, key, status.as_u16(), reason).await?;
        }
        self.tx.commit().await?;
        Ok((status, axum::Json(body)).into_response())
    }
}

impl Deref for IdempotentTx {
    type Target = Tx;

    fn deref(&self) -> &Tx {
        &self.tx
    }
}

impl DerefMut for IdempotentTx {
    fn deref_mut(&mut self) -> &mut Tx {
        &mut self.tx
    }
}

impl AsMut<Tx> for IdempotentTx {
    fn as_mut(&mut self) -> &mut Tx {
        &mut self.tx
    }
}

impl<S: Sync> FromRequestParts<S> for Idempotency {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        provided(parts, "Idempotency")
    }
}

/// Reads the header, and hashes the body to tell a repeated request from a different one.
///
/// # Errors
/// Returns `Invalid` for a malformed key, `TooLarge` for a body over the limit.
pub(crate) async fn read(tokens: &AccessTokens, mut parts: Parts, body: Body) -> Result<Request, ApiError> {
    let Some(value) = parts.headers.get(&HEADER) else {
        parts.extensions.insert(Idempotency::default());
        return Ok(Request::from_parts(parts, body));
    };
    let key = value.to_str().unwrap_or_default().to_owned();
    if key.is_empty() || key.len() > MAX_KEY_CHARS {
        return Err(ApiError::invalid_field(
            "Idempotency-Key",
            format!("malformed; 1 to {MAX_KEY_CHARS} visible ASCII characters allowed, for example a UUID"),
        ));
    }
    let bytes = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(ApiError::body_too_large());
        }
        Err(error) => {
            return Err(ApiError::new(
                ErrorKind::Invalid,
                format!("The request body cannot be read: {error}"),
            )
            .with_status(StatusCode::BAD_REQUEST));
        }
    };
    let path = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), |path| path.as_str()).to_owned();
    let body_hashes = tokens.fingerprints(&bytes).await?;
    let request = KeyedRequest { key, method: parts.method.to_string(), path, body_hashes };
    parts.extensions.insert(Idempotency { request: Some(request) });
    parts.headers.remove(header::TRANSFER_ENCODING);
    Ok(Request::from_parts(parts, Body::from(bytes)))
}
