//! Signing and verifying access tokens: JSON Web Tokens that name a user session. Whether the session is still valid
//! is looked up in the database.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Classify, ErrorKind, SessionId, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use secrets::SecretError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
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
/// The key id in a token's header is this prefix of the key's SHA-256, in bytes: 16 hexadecimal digits.
const KEY_ID_BYTES: usize = 8;

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
    /// The token names a key that is not among ours.
    #[error("the access token is not valid; sign in again at POST /api/auth/login")]
    UnknownKey,
    /// Signing failed.
    #[error("the access token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// The signing key is too short.
    #[error("the signing key has {got} bytes; at least {MIN_SECRET_BYTES} are required")]
    WeakSecret {
        /// The key's length in bytes.
        got: usize,
    },
    /// There is no signing key.
    #[error("there is no signing key; at least one is required")]
    NoSecret,
    /// The signing keys cannot be read.
    #[error("the signing keys are not available")]
    Unavailable(#[from] SecretError),
}

impl Classify for TokenError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Expired { .. } | Self::Invalid(_) | Self::UnknownKey => ErrorKind::Unauthenticated,
            Self::Sign(_) | Self::WeakSecret { .. } | Self::NoSecret => ErrorKind::Internal,
            Self::Unavailable(_) => ErrorKind::Unavailable,
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

/// Keyed hashes of the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprints {
    /// The one to store, by the newest key.
    pub newest: [u8; 32],
    /// Those that may have been stored before the last rotations, by older keys.
    pub older: Vec<[u8; 32]>,
}

/// Signs access tokens (HS256) with the newest of its keys and verifies them with all.
pub(crate) struct SigningKeys {
    newest: SigningKey,
    older: Vec<SigningKey>,
    validation: Validation,
}

struct SigningKey {
    id: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl SigningKeys {
    const TYPE: &'static str = "access";

    /// Creates the keys from their secrets, newest first.
    ///
    /// # Errors
    /// Returns `WeakSecret` if one is shorter than 32 bytes, `NoSecret` if there is none.
    pub(crate) fn new(secrets: &[SecretString]) -> Result<Self, TokenError> {
        let (newest, older) = secrets.split_first().ok_or(TokenError::NoSecret)?;
        let (newest, older) =
            (SigningKey::new(newest)?, older.iter().map(SigningKey::new).collect::<Result<_, _>>()?);
        let mut validation = Validation::new(Algorithm::HS256);
        // `verify` checks the expiry itself, against the caller's clock and without leeway.
        validation.validate_exp = false;
        Ok(Self { newest, older, validation })
    }

    /// Issues a token for a session, valid for [`ACCESS_TOKEN_LIFETIME`] from `now` unless the session ends
    /// before.
    ///
    /// # Errors
    /// Returns `Sign` if signing fails.
    pub(crate) fn issue(
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
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.newest.id.clone());
        jsonwebtoken::encode(&header, &claims, &self.newest.encoding).map_err(TokenError::Sign)
    }

    /// Returns the keyed hashes (HMAC-SHA256) of the bytes.
    ///
    /// # Errors
    /// Returns `Sign` if signing fails.
    pub(crate) fn fingerprints(&self, bytes: &[u8]) -> Result<Fingerprints, TokenError> {
        // Domain separation: no token starts with this.
        let message = [b"semantik request fingerprint 1\0", bytes].concat();
        let fingerprint = |key: &SigningKey| {
            let mac = jsonwebtoken::crypto::sign(&message, &key.encoding, Algorithm::HS256);
            // The MAC is text; hash it to a fixed length.
            mac.map(|mac| hash_token(&mac)).map_err(TokenError::Sign)
        };
        let older = self.older.iter().map(fingerprint).collect::<Result<_, _>>()?;
        Ok(Fingerprints { newest: fingerprint(&self.newest)?, older })
    }

    fn all(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.newest).chain(&self.older)
    }

    /// Verifies a token's signature, type and expiry and returns its claims.
    ///
    /// # Errors
    /// Returns `Expired`, `Invalid`, or `UnknownKey` if the token names another key.
    pub(crate) fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<AccessClaims, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| TokenError::Invalid(Some(error)))?;
        let named = match &header.kid {
            Some(id) => self.all().filter(|key| key.id == *id).collect(),
            // Issued by a release without key ids.
            None => self.all().collect::<Vec<_>>(),
        };
        let mut refused = TokenError::UnknownKey;
        let mut verified = None;
        for key in named {
            match jsonwebtoken::decode::<AccessClaims>(token, &key.decoding, &self.validation) {
                Ok(token) => verified = Some(token.claims),
                Err(error) => refused = TokenError::Invalid(Some(error)),
            }
        }
        let Some(claims) = verified else {
            return Err(refused);
        };
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

impl SigningKey {
    fn new(secret: &SecretString) -> Result<Self, TokenError> {
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(TokenError::WeakSecret { got: bytes.len() });
        }
        Ok(Self {
            id: hex::encode(&Sha256::digest(bytes)[..KEY_ID_BYTES]),
            encoding: EncodingKey::from_secret(bytes),
            decoding: DecodingKey::from_secret(bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tokens(secret: &str) -> SigningKeys {
        rotated(&[secret])
    }

    fn rotated(secrets: &[&str]) -> SigningKeys {
        SigningKeys::new(&secrets.iter().map(|secret| SecretString::from(*secret)).collect::<Vec<_>>())
            .unwrap()
    }

    fn noon() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const OTHER: &str = "another key of at least 32 bytes!";
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
        let token = tokens(OTHER).issue(UserId(7), "ada", SESSION, noon()).unwrap();
        assert!(matches!(tokens(SECRET).verify(&token, noon()), Err(TokenError::UnknownKey)));
        // The right id does not make the signature right.
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(tokens(SECRET).newest.id.clone());
        let claims = tokens(OTHER).verify(&token, noon()).unwrap();
        let forged = jsonwebtoken::encode(&header, &claims, &tokens(OTHER).newest.encoding).unwrap();
        assert!(matches!(tokens(SECRET).verify(&forged, noon()), Err(TokenError::Invalid(_))));

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
        let (ours, other) = (tokens(SECRET), tokens(OTHER));
        assert_eq!(ours.fingerprints(b"a").unwrap(), ours.fingerprints(b"a").unwrap());
        assert_ne!(ours.fingerprints(b"a").unwrap(), ours.fingerprints(b"b").unwrap());
        assert_ne!(ours.fingerprints(b"a").unwrap(), other.fingerprints(b"a").unwrap());
        let both = rotated(&[OTHER, SECRET]).fingerprints(b"a").unwrap();
        assert_eq!(both.newest, other.fingerprints(b"a").unwrap().newest);
        assert_eq!(both.older, [ours.fingerprints(b"a").unwrap().newest]);
    }

    #[test]
    fn the_newest_key_signs_and_older_keys_still_verify() {
        let (before, both, after) = (tokens(SECRET), rotated(&[OTHER, SECRET]), tokens(OTHER));
        let old = before.issue(UserId(7), "ada", SESSION, noon()).unwrap();
        let new = both.issue(UserId(7), "ada", SESSION, noon()).unwrap();
        assert!(both.verify(&old, noon()).is_ok() && both.verify(&new, noon()).is_ok());
        assert!(after.verify(&new, noon()).is_ok());
        assert!(matches!(before.verify(&new, noon()), Err(TokenError::UnknownKey)));
        assert!(matches!(after.verify(&old, noon()), Err(TokenError::UnknownKey)));
    }

    #[test]
    fn a_token_without_a_key_id_is_verified_with_every_key() {
        let both = rotated(&[OTHER, SECRET]);
        let claims = both.verify(&both.issue(UserId(7), "ada", SESSION, noon()).unwrap(), noon()).unwrap();
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        assert_eq!(both.verify(&token, noon()).unwrap(), claims);
        assert!(matches!(tokens(OTHER).verify(&token, noon()), Err(TokenError::Invalid(_))));
    }

    #[test]
    fn short_signing_keys_are_rejected() {
        let error = |secrets: &[&str]| {
            let secrets: Vec<SecretString> =
                secrets.iter().map(|secret| SecretString::from(*secret)).collect();
            SigningKeys::new(&secrets).err().unwrap().to_string()
        };
        assert_eq!(error(&[SECRET, "short"]), "the signing key has 5 bytes; at least 32 are required");
        assert_eq!(error(&[]), "there is no signing key; at least one is required");
    }
}
