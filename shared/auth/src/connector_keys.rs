//! The keys of connector secrets, which rotate.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use secrets::{Secret, SecretSource};
use serde::Deserialize;

use crate::{Binding, SecretCipher, SecretCipherError};

/// How long an instance may encrypt with a key that is not the newest any more.
const MAX_AGE: Duration = Duration::from_secs(60);
/// The least time between two reads because of an unknown key.
const READ_PAUSE: Duration = Duration::from_secs(5);

/// The current keys of connector secrets. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ConnectorKeys {
    cipher: Secret<SecretCipher>,
}

impl ConnectorKeys {
    /// Uses keys that never change.
    pub fn fixed(cipher: SecretCipher) -> Self {
        Self { cipher: Secret::fixed(cipher) }
    }

    /// Uses the keys of a secret, `{"keys": ["newest", "previous"]}`, or those that the source lists, separated by
    /// commas; none without a source.
    ///
    /// # Errors
    /// Returns `InvalidKey` if a key that is given directly is malformed.
    pub fn open(source: Option<&SecretSource>) -> Result<Self, SecretCipherError> {
        match source {
            None => Ok(Self::fixed(SecretCipher::default())),
            Some(SecretSource::Value(keys)) => Ok(Self::fixed(SecretCipher::new(keys)?)),
            Some(SecretSource::Arn(arn)) => Ok(Self { cipher: Secret::managed(arn, parse) }),
        }
    }

    /// Returns the cipher, with keys that are at most a minute old: for encrypting.
    ///
    /// # Errors
    /// Returns `Unavailable` if the keys cannot be read.
    pub async fn newest(&self) -> Result<Arc<SecretCipher>, SecretCipherError> {
        Ok(self.cipher.get_fresh(MAX_AGE).await?)
    }

    /// Decrypts the secret of this row. A row with an unknown key makes the keys be read again.
    ///
    /// # Errors
    /// As [`SecretCipher::open`], and `Unavailable` if the keys cannot be read.
    pub async fn decrypt(
        &self,
        row: impl Into<Binding>,
        key_id: &str,
        ciphertext: &[u8],
    ) -> Result<SecretString, SecretCipherError> {
        let (cipher, row) = (self.cipher.get().await?, row.into());
        match cipher.open(row.clone(), key_id, ciphertext) {
            Err(SecretCipherError::UnknownKey { .. }) => {
                self.cipher.refresh(&cipher, READ_PAUSE).await.open(row, key_id, ciphertext)
            }
            outcome => outcome,
        }
    }
}

/// The secret in Secrets Manager.
#[derive(Deserialize)]
struct KeysSecret {
    keys: Vec<SecretString>,
}

fn parse(text: &SecretString) -> Result<SecretCipher, String> {
    let secret: KeysSecret = secrets::json(text, r#"{"keys": ["newest", "previous"]}"#)?;
    SecretCipher::from_keys(&secret.keys).map_err(|error| error.to_string())
}
