//! `Idempotency-Key`: a repeated request gets the answer of the first, and changes nothing
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>).
//!
//! The key is written in the transaction of the change. Two requests with one key meet at its primary
//! key: the second waits until the first has committed, and reads its answer. A request that dies
//! half-way leaves neither change nor key.

use std::ops::{Deref, DerefMut};

use auth::AccessTokens;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use db::requests::{NewKey, StoredResponse};
use db::{Db, Tx};
use domain::{ErrorKind, UserId};
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use lambda::http::ApiError;
use serde::Serialize;

use crate::AccessError;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_KEY_CHARS: usize = 255;
/// As much as axum's own extractors read.
const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;

/// The request's key, if it has one: an extractor for routes that are declared idempotent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Idempotency {
    request: Option<KeyedRequest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeyedRequest {
    key: String,
    method: String,
    path: String,
    /// A hash of the body that only the functions can make.
    body_hash: [u8; 32],
}

/// How a request begins.
#[derive(Debug)]
pub enum Begun {
    /// It is the first with its key, or has none: do the work.
    First(IdempotentTx),
    /// It was answered before: this is the answer.
    Again(Response),
}

/// A transaction that keeps its answer for the request's key.
#[derive(Debug)]
pub struct IdempotentTx {
    tx: Tx,
    /// The key under which the answer is kept.
    key: Option<(UserId, String)>,
}

impl Idempotency {
    /// Starts the transaction of the change.
    ///
    /// # Errors
    /// 422 when the key came with another request before, 409 when that request's answer cannot be
    /// repeated, 503 when the database does not answer.
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
            request_hash: &request.body_hash,
        };
        if tx.idempotency_keys().insert(&new).await? {
            return Ok(Begun::First(IdempotentTx { tx, key: Some((user_id, request.key)) }));
        }
        let Some(known) = tx.idempotency_keys().find(user_id, &request.key).await? else {
            // Swept between the two statements.
            return Err(ApiError::new(
                ErrorKind::Conflict,
                "this Idempotency-Key has just expired; send the request again",
            ));
        };
        if !known.is_same(&new) {
            return Err(ApiError::invalid_field(
                "Idempotency-Key",
                format!(
                    "{:?} came before with another request ({} {}); choose a new key for each change",
                    request.key, known.method, known.path
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
    /// Keeps the answer for the request's key, commits, and returns the answer.
    ///
    /// # Errors
    /// When the database refuses or does not answer: then nothing was changed.
    pub async fn commit(mut self, status: StatusCode, body: &impl Serialize) -> Result<Response, ApiError> {
        let json = serde_json::to_value(body).map_err(AccessError::from)?;
        if let Some((user_id, key)) = &self.key {
            self.tx.idempotency_keys().store_response(*user_id, key, status.as_u16(), &json).await?;
        }
        self.tx.commit().await?;
        Ok((status, axum::Json(json)).into_response())
    }

    /// Commits and returns an answer that is shown once, as one that holds a secret: a repetition
    /// is told the reason.
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
        crate::granted::provided(parts, "Idempotency")
    }
}

/// Reads the header and the body: a keyed hash tells a repetition from another request, and tells
/// whoever reads the database nothing of secrets in the body.
///
/// # Errors
/// 422 for a key that is none, 413 for a body that is too large.
pub(crate) async fn note(tokens: &AccessTokens, mut parts: Parts, body: Body) -> Result<Request, ApiError> {
    let Some(value) = parts.headers.get(&HEADER) else {
        parts.extensions.insert(Idempotency::default());
        return Ok(Request::from_parts(parts, body));
    };
    let key = value.to_str().unwrap_or_default().to_owned();
    if key.is_empty() || key.len() > MAX_KEY_CHARS {
        return Err(ApiError::invalid_field(
            "Idempotency-Key",
            format!("must have 1 to {MAX_KEY_CHARS} visible ASCII characters, for example a UUID"),
        ));
    }
    let bytes = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(collected) => collected.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(ApiError::new(
                ErrorKind::TooLarge,
                "the body is larger than 2 MiB; documents go through uploads",
            ));
        }
        Err(error) => {
            return Err(ApiError::new(ErrorKind::Invalid, format!("the body cannot be read: {error}"))
                .with_status(StatusCode::BAD_REQUEST));
        }
    };
    let path = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), |path| path.as_str()).to_owned();
    let request =
        KeyedRequest { key, method: parts.method.to_string(), path, body_hash: tokens.fingerprint(&bytes)? };
    parts.extensions.insert(Idempotency { request: Some(request) });
    parts.headers.remove(header::TRANSFER_ENCODING);
    Ok(Request::from_parts(parts, Body::from(bytes)))
}
