//! Access tokens: JSON Web Tokens that name a user session. Whether the session is still valid is looked up
//! in the database.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Classify, ErrorKind, SessionId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::hash_token;

/// How long an access token is valid.
pub const ACCESS_TOKEN_LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// How long a refresh token is valid.
pub const REFRESH_TOKEN_LIFETIME: TimeDelta = TimeDelta::days(30);
/// The longest time from a sign-in to the next, however often the tokens are refreshed.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::days(90);

/// HS256 needs a key of at least 256 bits: a shorter one could be brute-forced from one token.
const MIN_SECRET_BYTES: usize = 32;

/// A token that is not valid, or a key that cannot sign.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The token expired.
    #[error("the access token expired at {at}; exchange your refresh token at POST /api/auth/refresh")]
    Expired {
        /// When it expired.
        at: DateTime<Utc>,
    },
    /// The token was not signed with this key, or was modified.
    #[error("the access token is not valid; sign in again at POST /api/auth/login")]
    Invalid(#[source] Option<jsonwebtoken::errors::Error>),
    /// Signing failed.
    #[error("the access token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// The signing key is too short.
    #[error("the signing key has {got} bytes; at least {MIN_SECRET_BYTES} are required")]
    WeakSecret {
        /// The key's length in bytes.
        got: usize,
    },
}

impl Classify for TokenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Expired { .. } | Self::Invalid(_) => ErrorKind::Unauthenticated,
            Self::Sign(_) | Self::WeakSecret { .. } => ErrorKind::Internal,
        }
    }
}

/// The claims of an access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The user name.
    pub sub: String,
    /// The user's id.
    pub user_id: UserId,
    /// The session's id. The token is valid only as long as the session is.
    pub sid: SessionId,
    /// When the token was issued, as a Unix timestamp in seconds.
    pub iat: i64,
    /// When the token expires, as a Unix timestamp in seconds.
    pub exp: i64,
    /// Always `access`.
    #[serde(rename = "type")]
    pub token_type: String,
}

/// Issues and verifies access tokens (HS256) with one signing key.
#[derive(Clone)]
pub struct AccessTokens {
    encoding_key: EncodingKey,
    decoding_key: DecodingKey,
    validation: Validation,
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AccessTokens").finish_non_exhaustive()
    }
}

impl AccessTokens {
    const TYPE: &'static str = "access";

    /// Creates an issuer with this signing key.
    ///
    /// # Errors
    /// Returns `WeakSecret` if the key is shorter than 32 bytes.
    pub fn new(secret: &SecretString) -> Result<Self, TokenError> {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(TokenError::WeakSecret { got: bytes.len() });
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // `verify` checks the expiry itself, against the caller's clock and without leeway.
        validation.validate_exp = false;
        Ok(Self {
            encoding_key: EncodingKey::from_secret(bytes),
            decoding_key: DecodingKey::from_secret(bytes),
            validation,
        })
    }

    /// Issues a token for a session, valid for [`ACCESS_TOKEN_LIFETIME`] from `now` unless the session ends
    /// before.
    ///
    /// # Errors
    /// Returns `Sign` if signing fails.
    pub fn issue(
        &self,
        user_id: UserId,
        username: &str,
        session_id: SessionId,
        now: DateTime<Utc>,
    ) -> Result<String, TokenError> {
        let claims = AccessClaims {
            sub: username.to_owned(),
            user_id,
            sid: session_id,
            iat: now.timestamp(),
            exp: (now + ACCESS_TOKEN_LIFETIME).timestamp(),
            token_type: Self::TYPE.to_owned(),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding_key)
            .map_err(TokenError::Sign)
    }

    /// Returns a keyed hash (HMAC-SHA256) of the bytes: without the signing key, reading it in the database does
    /// not help to guess the bytes.
    ///
    /// # Errors
    /// Returns `Sign` if signing fails.
    pub fn fingerprint(&self, bytes: &[u8]) -> Result<[u8; 32], TokenError> {
        // Domain separation: no token starts with this.
        let message = [b"semantik request fingerprint 1\0", bytes].concat();
        let mac = jsonwebtoken::crypto::sign(&message, &self.encoding_key, Algorithm::HS256)
            .map_err(TokenError::Sign)?;
        // The MAC is text; hash it to a fixed length.
        Ok(hash_token(&mac))
    }

    /// Verifies a token's signature, type and expiry and returns its claims.
    ///
    /// # Errors
    /// Returns `Expired` or `Invalid`.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<AccessClaims, TokenError> {
        let claims = jsonwebtoken::decode::<AccessClaims>(token, &self.decoding_key, &self.validation)
            .map_err(|error| TokenError::Invalid(Some(error)))?
            .claims;
        if claims.token_type != Self::TYPE {
            return Err(TokenError::Invalid(None));
        }
        let Some(at) = DateTime::from_timestamp(claims.exp, 0) else {
            return Err(TokenError::Invalid(None));
        };
        if at <= now {
            return Err(TokenError::Expired { at });
        }
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tokens(secret: &str) -> AccessTokens {
        AccessTokens::new(&SecretString::from(secret)).unwrap()
    }

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const SESSION: SessionId = SessionId(Uuid::from_u128(1));

    #[test]
    fn a_token_without_a_session_is_invalid() {
        let claims = serde_json::json!({
            "sub": "ada", "user_id": 7, "iat": 0, "exp": 4_000_000_000_u32, "type": "access",
        });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        assert!(matches!(tokens(SECRET).verify(&token, noon()), Err(TokenError::Invalid(_))));
    }

    #[test]
    fn a_token_is_valid_until_it_expires() {
        let tokens = tokens(SECRET);
        let token = tokens.issue(UserId(7), "ada", SESSION, noon()).unwrap();
        let claims = tokens.verify(&token, noon() + TimeDelta::seconds(899)).unwrap();
        assert_eq!((claims.sub.as_str(), claims.user_id, claims.sid), ("ada", UserId(7), SESSION));
        let error = tokens.verify(&token, noon() + ACCESS_TOKEN_LIFETIME).unwrap_err();
        assert!(matches!(error, TokenError::Expired { at } if at == noon() + ACCESS_TOKEN_LIFETIME));
    }

    #[test]
    fn tokens_with_another_key_or_type_are_invalid() {
        let token =
            tokens("another key of at least 32 bytes!").issue(UserId(7), "ada", SESSION, noon()).unwrap();
        assert!(matches!(tokens(SECRET).verify(&token, noon()), Err(TokenError::Invalid(_))));

        let claims = serde_json::json!({
            "sub": "ada", "user_id": 7, "sid": SESSION, "iat": 0, "exp": 4_000_000_000_u32, "type": "refresh",
        });
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        assert!(matches!(tokens(SECRET).verify(&token, noon()), Err(TokenError::Invalid(_))));
    }

    #[test]
    fn an_unsigned_token_is_invalid() {
        let token = tokens(SECRET).issue(UserId(7), "ada", SESSION, noon()).unwrap();
        let payload = token.split('.').nth(1).unwrap();
        // {"alg":"none","typ":"JWT"}
        let forged = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        assert!(matches!(tokens(SECRET).verify(&forged, noon()), Err(TokenError::Invalid(_))));
    }

    #[test]
    fn fingerprints_depend_on_bytes_and_key() {
        let (ours, other) = (tokens(SECRET), tokens("another secret of more than 32 bytes"));
        assert_eq!(ours.fingerprint(b"a").unwrap(), ours.fingerprint(b"a").unwrap());
        assert_ne!(ours.fingerprint(b"a").unwrap(), ours.fingerprint(b"b").unwrap());
        assert_ne!(ours.fingerprint(b"a").unwrap(), other.fingerprint(b"a").unwrap());
    }

    #[test]
    fn short_signing_keys_are_rejected() {
        let error = AccessTokens::new(&SecretString::from("short")).unwrap_err();
        assert_eq!(error.to_string(), "the signing key has 5 bytes; at least 32 are required");
    }
}
