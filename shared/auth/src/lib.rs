//! Passwords, access tokens, refresh tokens, API keys, and encryption of the secrets of sources. No IO.

mod opaque;
mod password;
mod secret_cipher;
mod token;
mod weak_password;

pub use opaque::{OpaqueToken, hash_token, is_api_key};
pub use password::{PasswordError, hash_password, password_parameters, verify_password};
pub use secret_cipher::{SealedSecret, SecretCipher, SecretCipherError, SecretSlot};
pub use token::{
    ACCESS_TOKEN_LIFETIME, AccessClaims, AccessTokens, REFRESH_TOKEN_LIFETIME, SESSION_LIFETIME, TokenError,
};
pub use weak_password::{WeakPassword, find_weakness};
