//! Tokens that mean nothing by themselves: random text, known to the database by its hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ApiKeyId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const API_KEY_PREFIX: &str = "smtk_";
/// `smtk_`, 8 hex digits of the id, `_`, 32 bytes in base64url.
const API_KEY_LEN: usize = 57;
const REFRESH_TOKEN_PREFIX: &str = "smtr_";

/// A fresh token. Shown to its owner once; only its hash is kept.
#[derive(Debug, Clone)]
pub struct OpaqueToken(SecretString);

impl OpaqueToken {
    /// A refresh token.
    pub fn refresh() -> Self {
        Self(SecretString::from(format!("{REFRESH_TOKEN_PREFIX}{}", random_text())))
    }

    /// The API key with this id, which is a version 4 UUID.
    pub fn api_key(id: ApiKeyId) -> Self {
        let id = id.0.simple().to_string();
        Self(SecretString::from(format!("{API_KEY_PREFIX}{}_{}", &id[..8], random_text())))
    }

    /// The text for its owner.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the database keeps.
    pub fn hash(&self) -> [u8; 32] {
        hash_token(self.expose())
    }
}

/// The SHA-256 of a token: 32 random bytes need no slow hash, and equal hashes are found by an
/// index instead of a comparison that could be timed.
pub fn hash_token(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether this text has the form of an API key.
pub fn is_api_key(text: &str) -> bool {
    text.starts_with(API_KEY_PREFIX) && text.len() == API_KEY_LEN
}

/// 32 bytes of a cryptographic generator, as 43 characters.
fn random_text() -> String {
    let bytes: [u8; 32] = rand::random();
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_keys_have_the_documented_form() {
        let id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap();
        let key = OpaqueToken::api_key(id);
        let parts: Vec<&str> = key.expose().splitn(3, '_').collect();
        assert_eq!(parts[..2], ["smtk", "6b0f3c1e"]);
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 32);
        assert!(is_api_key(key.expose()));
        assert!(!is_api_key(OpaqueToken::refresh().expose()));
    }

    #[test]
    fn tokens_differ_and_hash_to_the_same_every_time() {
        let (first, second) = (OpaqueToken::refresh(), OpaqueToken::refresh());
        assert_ne!(first.expose(), second.expose());
        assert_eq!(first.hash(), hash_token(first.expose()));
    }

    #[test]
    fn printing_a_token_for_debugging_shows_nothing_of_it() {
        let token = OpaqueToken::refresh();
        assert!(!format!("{token:?}").contains(&token.expose()[5..]));
    }
}
