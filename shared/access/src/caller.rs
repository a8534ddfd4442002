//! Authentication: from an `Authorization` header to a caller.

use auth::{AccessClaims, AccessTokens, TokenError};
use axum::extract::FromRequestParts;
use chrono::{DateTime, TimeDelta, Utc};
use db::Connection;
use domain::{AccessLevel, Actor, CollectionId, ErrorKind, Principal, SessionId};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use lambda::http::ApiError;

use crate::extension::provided;

/// The shortest time between two updates of an API key's `last_used_at`.
const USE_RECORDED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The authenticated caller: an extractor for every route that is not public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user, and the API key if there is one.
    pub principal: Principal,
    /// The highest access this caller can have: an API key's scope; [`AccessLevel::Owner`] in a user session.
    pub scope: AccessLevel,
    /// The collections that an API key is limited to; `None` without a limit.
    pub only_collections: Option<Vec<CollectionId>>,
    /// The session that the access token belongs to; `None` for an API key.
    pub session_id: Option<SessionId>,
}

impl Caller {
    /// The actor in the audit log.
    pub const fn actor(&self) -> Actor {
        self.principal.actor()
    }

    /// Returns whether the API key, if there is one, is not limited to other collections.
    pub fn may_reach(&self, id: CollectionId) -> bool {
        self.only_collections.as_ref().is_none_or(|only| only.contains(&id))
    }

    /// The key by which rate limits count requests: of the API key, else of the user.
    pub(crate) fn rate_limit_key(&self) -> String {
        match self.principal.api_key_id {
            Some(key) => format!("key:{key}"),
            None => format!("user:{}", self.principal.user_id),
        }
    }

    /// Rejects API keys with a lower scope.
    pub(crate) fn require_scope(&self, needed: AccessLevel) -> Result<(), ApiError> {
        if self.scope >= needed {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Forbidden,
            format!("Insufficient API key scope; {} required, got {}", needed.phrase(), self.scope.phrase()),
        ))
    }

    /// Rejects API keys with a lower scope, and those that are limited to some collections.
    pub(crate) fn require_unrestricted(&self, needed: AccessLevel) -> Result<(), ApiError> {
        self.require_scope(needed)?;
        if self.only_collections.is_none() {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Forbidden,
            "This API key is limited to some collections; use a key without collection_ids",
        ))
    }

    /// Rejects API keys.
    ///
    /// # Errors
    /// Returns `Forbidden` for an API key.
    pub fn require_user_session(&self) -> Result<(), ApiError> {
        if self.principal.api_key_id.is_none() {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Forbidden,
            "API keys are not allowed here; sign in at POST /api/auth/login and send the access token",
        ))
    }

    /// Rejects everyone but superusers in a user session.
    pub(crate) fn require_superuser(&self) -> Result<(), ApiError> {
        self.require_user_session()?;
        if self.principal.is_superuser {
            return Ok(());
        }
        Err(ApiError::new(ErrorKind::Forbidden, "Only superusers are allowed to do this"))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        provided(parts, "Caller")
    }
}

/// The credential in the `Authorization` header, verified as far as that is possible without the database.
pub(crate) enum Credential {
    AccessToken(AccessClaims),
    ApiKey { hash: [u8; 32] },
}

impl Credential {
    /// Parses the header.
    ///
    /// # Errors
    /// Returns `Unauthenticated` if it is absent, malformed, or an invalid or expired access token.
    pub(crate) async fn read(
        headers: &HeaderMap,
        tokens: &AccessTokens,
        now: DateTime<Utc>,
    ) -> Result<Self, ApiError> {
        let credential = bearer(headers)?;
        // A JSON Web Token has exactly two dots; an API key has none.
        if credential.matches('.').count() == 2 {
            return match tokens.verify(credential, now).await {
                Ok(claims) => Ok(Self::AccessToken(claims)),
                Err(
                    error @ (TokenError::Expired { .. } | TokenError::Invalid(_) | TokenError::UnknownKey),
                ) => Err(refuse(&error.to_string(), Challenge::InvalidToken)),
                Err(error) => Err(error.into()),
            };
        }
        if auth::is_api_key(credential) {
            return Ok(Self::ApiKey { hash: auth::hash_token(credential) });
        }
        Err(refuse(
            "The credential is neither an access token nor an API key (smtk_...)",
            Challenge::InvalidToken,
        ))
    }

    /// Loads the caller by one statement.
    ///
    /// # Errors
    /// Returns `Unauthenticated` if the account or API key is deleted, deactivated or expired, or the session
    /// has ended.
    pub(crate) async fn caller(
        &self,
        connection: &mut Connection,
        now: DateTime<Utc>,
    ) -> Result<Caller, ApiError> {
        match self {
            Self::AccessToken(claims) => by_access_token(connection, claims, now).await,
            Self::ApiKey { hash } => by_api_key(connection, hash, now).await,
        }
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    const EXPECTED: &str = "send `Authorization: Bearer` with an access token or an API key";
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(refuse(&format!("The Authorization header is missing; {EXPECTED}"), Challenge::Missing));
    };
    let credential = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, credential)| credential.trim())
        .filter(|credential| !credential.is_empty());
    credential.ok_or_else(|| {
        refuse(&format!("The Authorization header is malformed; {EXPECTED}"), Challenge::Missing)
    })
}

async fn by_access_token(
    connection: &mut Connection,
    claims: &AccessClaims,
    now: DateTime<Utc>,
) -> Result<Caller, ApiError> {
    // Read at every request: deactivating an account or signing out takes effect at once, not after 15
    // minutes.
    let user = connection.users().find_with_session(claims.user_id, claims.sid, now).await?;
    let Some(user) = user.filter(|user| user.is_active) else {
        return Err(refuse("The account is deleted or deactivated", Challenge::InvalidToken));
    };
    if !user.session_is_alive {
        return Err(refuse(
            "The session has ended; sign in again at POST /api/auth/login",
            Challenge::InvalidToken,
        ));
    }
    let principal = Principal {
        user_id: user.id,
        username: user.username,
        is_superuser: user.is_superuser,
        api_key_id: None,
    };
    let session_id = Some(claims.sid);
    Ok(Caller { principal, scope: AccessLevel::Owner, only_collections: None, session_id })
}

async fn by_api_key(
    connection: &mut Connection,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Caller, ApiError> {
    let Some(found) = connection.api_keys().find_by_hash(hash).await? else {
        return Err(refuse("The API key is not valid", Challenge::InvalidToken));
    };
    let key = found.key;
    if !key.is_active {
        return Err(refuse("The API key is revoked", Challenge::InvalidToken));
    }
    if let Some(at) = key.expires_at.filter(|at| *at <= now) {
        return Err(refuse(&format!("The API key expired at {at}"), Challenge::InvalidToken));
    }
    if !found.user_is_active {
        return Err(refuse("The account of this API key is deactivated", Challenge::InvalidToken));
    }
    if key.last_used_at.is_none_or(|at| at + USE_RECORDED_EVERY <= now) {
        connection.api_keys().mark_used(key.id, now).await?;
    }
    let principal = Principal {
        user_id: key.user_id,
        username: found.username,
        is_superuser: false,
        api_key_id: Some(key.id),
    };
    Ok(Caller { principal, scope: key.scope, only_collections: key.collection_ids, session_id: None })
}

/// The reason of a 401, see <https://www.rfc-editor.org/rfc/rfc6750#section-3>.
enum Challenge {
    /// There are no credentials.
    Missing,
    /// The credentials are invalid.
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
