//! Passwords, access tokens, refresh tokens, API keys, and encryption of the secrets of sources and webhooks, signatures of webhooks. No IO but
//! reading the keys from Secrets Manager.

mod access_tokens;
mod account;
mod connector_keys;
mod opaque;
mod password;
mod secret_cipher;
mod token;
mod weak_password;
mod webhook_secret;

pub use access_tokens::AccessTokens;
pub use account::{MAX_PASSWORD_CHARS, email_problem, is_username, password_problem, username_problems};
pub use connector_keys::ConnectorKeys;
pub use opaque::{OpaqueToken, hash_token, is_api_key};
pub use password::{PasswordError, hash_password, password_parameters, verify_password};
pub use secret_cipher::{Binding, SealedSecret, SecretCipher, SecretCipherError, SecretSlot};
pub use token::{
    ACCESS_TOKEN_LIFETIME, AccessClaims, Fingerprints, REFRESH_TOKEN_LIFETIME, SESSION_LIFETIME, TokenError,
};
pub use weak_password::{WeakPassword, find_weakness};
pub use webhook_secret::{InvalidWebhookSecret, WebhookSecret, sign};
