//! Access tokens with signing keys that rotate.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{SessionId, UserId};
use secrecy::SecretString;
use secrets::{Secret, SecretSource};
use serde::Deserialize;

use crate::token::{AccessClaims, Fingerprints, SigningKeys, TokenError};

/// How long an instance may sign with a key that is not the newest any more, and accept one that was removed.
const MAX_AGE: Duration = Duration::from_secs(60);
/// The least time between two reads because of tokens with unknown keys: anyone can send such tokens.
const READ_PAUSE: Duration = Duration::from_secs(5);

/// Issues and verifies access tokens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    keys: Secret<SigningKeys>,
}

impl AccessTokens {
    /// Uses one signing key that never changes.
    ///
    /// # Errors
    /// Returns `WeakSecret` if the key is shorter than 32 bytes.
    pub fn new(secret: &SecretString) -> Result<Self, TokenError> {
        Ok(Self { keys: Secret::fixed(SigningKeys::new(std::slice::from_ref(secret))?) })
    }

    /// Uses the signing keys of a secret, `{"jwt_secrets": ["newest", "previous"]}`, or the one that the source is.
    ///
    /// # Errors
    /// Returns `WeakSecret` if a key that is given directly is shorter than 32 bytes.
    pub fn open(source: &SecretSource) -> Result<Self, TokenError> {
        match source {
            SecretSource::Value(secret) => Self::new(secret),
            SecretSource::Arn(arn) => Ok(Self { keys: Secret::managed(arn, parse) }),
        }
    }

    /// Issues a token for a session, valid for [`crate::ACCESS_TOKEN_LIFETIME`] from `now`.
    ///
    /// # Errors
    /// Returns `Sign` if signing fails, `Unavailable` if the keys cannot be read.
    pub async fn issue(
        &self,
        user_id: UserId,
        username: &str,
        session_id: SessionId,
        now: DateTime<Utc>,
    ) -> Result<String, TokenError> {
        self.keys.get_fresh(MAX_AGE).await?.issue(user_id, username, session_id, now)
    }

    /// Returns keyed hashes of the bytes, one for each key: without a key, reading one of them in the database does
    /// not help to guess the bytes.
    ///
    /// # Errors
    /// Returns `Sign` if signing fails, `Unavailable` if the keys cannot be read.
    pub async fn fingerprints(&self, bytes: &[u8]) -> Result<Fingerprints, TokenError> {
        self.keys.get_fresh(MAX_AGE).await?.fingerprints(bytes)
    }

    /// Verifies a token's signature, type and expiry and returns its claims. A token with an unknown key makes the
    /// keys be read again.
    ///
    /// # Errors
    /// Returns `Expired`, `Invalid` or `UnknownKey`; `Unavailable` if the keys cannot be read.
    pub async fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<AccessClaims, TokenError> {
        let keys = self.keys.get_fresh(MAX_AGE).await?;
        match keys.verify(token, now) {
            Err(TokenError::UnknownKey) => self.keys.refresh(&keys, READ_PAUSE).await.verify(token, now),
            outcome => outcome,
        }
    }
}

/// The secret in Secrets Manager.
#[derive(Deserialize)]
struct TokenSecret {
    jwt_secrets: Vec<SecretString>,
}

fn parse(text: &SecretString) -> Result<SigningKeys, String> {
    let secret: TokenSecret = secrets::json(text, r#"{"jwt_secrets": ["newest", "previous"]}"#)?;
    SigningKeys::new(&secret.jwt_secrets).map_err(|error| error.to_string())
}
