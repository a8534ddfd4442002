//! From an `Authorization` header to a caller.

use auth::{AccessTokens, TokenError};
use axum::extract::{FromRef, FromRequestParts};
use chrono::{DateTime, TimeDelta, Utc};
use db::Db;
use domain::{Access, CollectionId, ErrorKind, Principal};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use lambda::http::ApiError;

use crate::access::word;

/// A key's time of use is written at most this often.
const USE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What it takes to know a caller. A router's state gives one by `FromRef`.
#[derive(Debug, Clone)]
pub struct IdentityState {
    /// Where accounts and keys are.
    pub db: Db,
    /// What access tokens are checked with.
    pub tokens: AccessTokens,
}

/// The authenticated caller. As an extractor it refuses a request without one by 401.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub principal: Principal,
    /// The most this caller may do anywhere: an API key's scope; [`Access::Owner`] for a person.
    pub scope: Access,
    /// The collections that an API key is limited to; `None` without a limit.
    pub only_collections: Option<Vec<CollectionId>>,
}

impl Caller {
    /// Refuses callers whose API key does not reach that far. Where a collection is concerned,
    /// [`crate::require_access`] looks at the scope too.
    ///
    /// # Errors
    /// 403, naming what the key may do.
    pub fn require_scope(&self, needed: Access) -> Result<(), ApiError> {
        if self.scope >= needed {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Forbidden,
            format!("this API key has {}; this needs {}", word(self.scope), word(needed)),
        ))
    }
}

impl<S> FromRequestParts<S> for Caller
where
    IdentityState: FromRef<S>,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        identify(&IdentityState::from_ref(state), &parts.headers, Utc::now()).await
    }
}

async fn identify(
    state: &IdentityState,
    headers: &HeaderMap,
    now: DateTime<Utc>,
) -> Result<Caller, ApiError> {
    let credential = bearer(headers)?;
    // A JSON Web Token has exactly two dots; an API key has none.
    if credential.matches('.').count() == 2 {
        return by_access_token(state, credential, now).await;
    }
    if auth::is_api_key(credential) {
        return by_api_key(state, credential, now).await;
    }
    Err(refuse("this is neither an access token nor an API key (smtk_...)", Challenge::InvalidToken))
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    const EXPECTED: &str = "send the header `Authorization: Bearer` with an access token or an API key";
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(refuse(&format!("this needs a signed-in caller; {EXPECTED}"), Challenge::Missing));
    };
    let credential = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, credential)| credential.trim())
        .filter(|credential| !credential.is_empty());
    credential.ok_or_else(|| {
        refuse(&format!("the Authorization header cannot be read; {EXPECTED}"), Challenge::Missing)
    })
}

async fn by_access_token(state: &IdentityState, token: &str, now: DateTime<Utc>) -> Result<Caller, ApiError> {
    let claims = match state.tokens.verify(token, now) {
        Ok(claims) => claims,
        Err(error @ (TokenError::Expired { .. } | TokenError::Invalid(_))) => {
            return Err(refuse(&error.to_string(), Challenge::InvalidToken));
        }
        Err(error) => return Err(error.into()),
    };
    // Asked each time: a deactivated account is out with the next request, not in 15 minutes.
    let user = state.db.connection().await?.users().find(claims.user_id).await?;
    let Some(user) = user.filter(|user| user.is_active) else {
        return Err(refuse("this account no longer exists or is deactivated", Challenge::InvalidToken));
    };
    let principal = Principal {
        user_id: user.id,
        username: user.username,
        is_superuser: user.is_superuser,
        api_key_id: None,
    };
    Ok(Caller { principal, scope: Access::Owner, only_collections: None })
}

async fn by_api_key(state: &IdentityState, key: &str, now: DateTime<Utc>) -> Result<Caller, ApiError> {
    let mut connection = state.db.connection().await?;
    let Some(found) = connection.api_keys().find_by_hash(&auth::hash_token(key)).await? else {
        return Err(refuse("this API key is not valid", Challenge::InvalidToken));
    };
    if !found.is_active {
        return Err(refuse("this API key was revoked", Challenge::InvalidToken));
    }
    if let Some(at) = found.expires_at.filter(|at| *at <= now) {
        return Err(refuse(&format!("this API key expired at {at}"), Challenge::InvalidToken));
    }
    if !found.user_is_active {
        return Err(refuse("the account of this API key is deactivated", Challenge::InvalidToken));
    }
    if found.last_used_at.is_none_or(|at| at + USE_NOTED_EVERY <= now) {
        connection.api_keys().mark_used(found.id, now).await?;
    }
    let principal = Principal {
        user_id: found.user_id,
        username: found.username,
        is_superuser: false,
        api_key_id: Some(found.id),
    };
    Ok(Caller { principal, scope: found.scope, only_collections: found.collection_ids })
}

/// What a 401 answers to, in the words of <https://www.rfc-editor.org/rfc/rfc6750#section-3>.
enum Challenge {
    /// No credentials came.
    Missing,
    /// They came and do not hold.
    InvalidToken,
}

fn refuse(detail: &str, challenge: Challenge) -> ApiError {
    let challenge = match challenge {
        Challenge::Missing => "Bearer realm=\"semantik\"",
        Challenge::InvalidToken => "Bearer realm=\"semantik\", error=\"invalid_token\"",
    };
    ApiError::new(ErrorKind::Unauthenticated, detail)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
