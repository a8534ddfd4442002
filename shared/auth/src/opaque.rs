//! Opaque tokens: random text without content, looked up by its hash.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ApiKeyId;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

const API_KEY_PREFIX: &str = "smtk_";
/// `smtk_`, the first 8 hexadecimal digits of the id, `_`, 32 random bytes in base64url.
const API_KEY_LEN: usize = 57;
const REFRESH_TOKEN_PREFIX: &str = "smtr_";

/// A new token. Its owner sees it once; only its hash is stored.
#[derive(Debug, Clone)]
pub struct OpaqueToken(SecretString);

impl OpaqueToken {
    /// Creates a refresh token.
    pub fn refresh() -> Self {
        Self(SecretString::from(format!("{REFRESH_TOKEN_PREFIX}{}", random_text())))
    }

    /// Creates the API key with this id, a version 4 UUID.
    pub fn api_key(id: ApiKeyId) -> Self {
        let id = id.0.simple().to_string();
        Self(SecretString::from(format!("{API_KEY_PREFIX}{}_{}", &id[..8], random_text())))
    }

    /// Returns the token's text, for its owner.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Returns the hash that the database stores.
    pub fn hash(&self) -> [u8; 32] {
        hash_token(self.expose())
    }
}

/// Returns the SHA-256 of a token. A slow hash is not needed for 32 random bytes, and the database finds
/// equal hashes by an index, so there is no comparison whose time could leak anything.
pub fn hash_token(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Returns whether the text has the format of an API key.
pub fn is_api_key(text: &str) -> bool {
    let Some((id, random)) = text.strip_prefix(API_KEY_PREFIX).and_then(|rest| rest.split_once('_')) else {
        return false;
    };
    text.len() == API_KEY_LEN
        && id.len() == 8
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && URL_SAFE_NO_PAD.decode(random).is_ok()
}

/// Returns 32 bytes of a cryptographic random number generator in base64url: 43 characters.
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
    fn tokens_are_unique_and_their_hash_is_stable() {
        let (first, second) = (OpaqueToken::refresh(), OpaqueToken::refresh());
        assert_ne!(first.expose(), second.expose());
        assert_eq!(first.hash(), hash_token(first.expose()));
    }

    #[test]
    fn debug_output_does_not_contain_the_token() {
        let token = OpaqueToken::refresh();
        assert!(!format!("{token:?}").contains(&token.expose()[5..]));
    }
}
