//! From an `Authorization` header to a caller.

use auth::{AccessClaims, AccessTokens, TokenError};
use axum::extract::FromRequestParts;
use chrono::{DateTime, TimeDelta, Utc};
use db::Connection;
use domain::{AccessLevel, Actor, CollectionId, ErrorKind, Principal, SessionId};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use lambda::http::ApiError;

use crate::granted::provided;

/// A key's time of use is written at most this often.
const USE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The authenticated caller: an extractor for every route that needs one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub principal: Principal,
    /// The most this caller may do anywhere: an API key's scope; [`AccessLevel::Owner`] for a person.
    pub scope: AccessLevel,
    /// The collections that an API key is limited to; `None` without a limit.
    pub only_collections: Option<Vec<CollectionId>>,
    /// The session that the access token belongs to; `None` for an API key.
    pub session_id: Option<SessionId>,
}

impl Caller {
    /// Who the audit log names.
    pub const fn actor(&self) -> Actor {
        self.principal.actor()
    }

    /// What throttles count by: the API key, or the person.
    pub(crate) fn subject(&self) -> String {
        match self.principal.api_key_id {
            Some(key) => format!("key:{key}"),
            None => format!("user:{}", self.principal.user_id),
        }
    }

    /// Refuses callers whose API key does not reach that far.
    pub(crate) fn require_scope(&self, needed: AccessLevel) -> Result<(), ApiError> {
        if self.scope >= needed {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Forbidden,
            format!("this API key has {}; this needs {}", self.scope.phrase(), needed.phrase()),
        ))
    }

    /// Refuses API keys that do not reach that far, or not every collection.
    pub(crate) fn require_everywhere(&self, needed: AccessLevel) -> Result<(), ApiError> {
        self.require_scope(needed)?;
        if self.only_collections.is_none() {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Forbidden,
            "this API key is limited to some collections; this is not about one of them",
        ))
    }

    /// Refuses API keys.
    pub(crate) fn require_person(&self) -> Result<(), ApiError> {
        if self.principal.api_key_id.is_none() {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorKind::Forbidden,
            "no API key may do this; sign in at POST /api/auth/login and send the access token",
        ))
    }

    /// Refuses everybody but administrators in person.
    pub(crate) fn require_superuser(&self) -> Result<(), ApiError> {
        self.require_person()?;
        if self.principal.is_superuser {
            return Ok(());
        }
        Err(ApiError::new(ErrorKind::Forbidden, "only a superuser of this installation may do this"))
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        provided(parts, "Caller")
    }
}

/// What came in the `Authorization` header, as far as it can be checked without the database.
pub(crate) enum Credential {
    AccessToken(AccessClaims),
    ApiKey { hash: [u8; 32] },
}

impl Credential {
    /// Reads the header.
    ///
    /// # Errors
    /// 401 for none, and for one that does not hold.
    pub(crate) fn read(
        headers: &HeaderMap,
        tokens: &AccessTokens,
        now: DateTime<Utc>,
    ) -> Result<Self, ApiError> {
        let credential = bearer(headers)?;
        // A JSON Web Token has exactly two dots; an API key has none.
        if credential.matches('.').count() == 2 {
            return match tokens.verify(credential, now) {
                Ok(claims) => Ok(Self::AccessToken(claims)),
                Err(error @ (TokenError::Expired { .. } | TokenError::Invalid(_))) => {
                    Err(refuse(&error.to_string(), Challenge::InvalidToken))
                }
                Err(error) => Err(error.into()),
            };
        }
        if auth::is_api_key(credential) {
            return Ok(Self::ApiKey { hash: auth::hash_token(credential) });
        }
        Err(refuse("this is neither an access token nor an API key (smtk_...)", Challenge::InvalidToken))
    }

    /// Whose it is, by one statement.
    ///
    /// # Errors
    /// 401 when its account or key is gone, deactivated or expired, or its session is over; 503 when
    /// the database does not answer.
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

async fn by_access_token(
    connection: &mut Connection,
    claims: &AccessClaims,
    now: DateTime<Utc>,
) -> Result<Caller, ApiError> {
    // Asked each time: whoever is deactivated or signed out is out with the next request, not in
    // 15 minutes.
    let user = connection.users().find_with_session(claims.user_id, claims.sid, now).await?;
    let Some(user) = user.filter(|user| user.is_active) else {
        return Err(refuse("this account no longer exists or is deactivated", Challenge::InvalidToken));
    };
    if !user.session_is_alive {
        return Err(refuse(
            "this session is over; sign in again at POST /api/auth/login",
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
        return Err(refuse("this API key is not valid", Challenge::InvalidToken));
    };
    let key = found.key;
    if !key.is_active {
        return Err(refuse("this API key was revoked", Challenge::InvalidToken));
    }
    if let Some(at) = key.expires_at.filter(|at| *at <= now) {
        return Err(refuse(&format!("this API key expired at {at}"), Challenge::InvalidToken));
    }
    if !found.user_is_active {
        return Err(refuse("the account of this API key is deactivated", Challenge::InvalidToken));
    }
    if key.last_used_at.is_none_or(|at| at + USE_NOTED_EVERY <= now) {
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
