//! Who calls: an API key, or a user with a session.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::ClientError;

/// Seconds before its end at which an access token is renewed: longer than a request waits for its first answer.
const MARGIN_SECONDS: i64 = 60;

/// What requests are authenticated with.
#[derive(Clone, Default)]
pub enum Credentials {
    /// Nothing; only for public routes.
    #[default]
    Anonymous,
    /// An API key, `smtk_…`.
    ApiKey(String),
    /// A user's session, which is kept outside of the process if there is a store, and begins with the password if
    /// there is one.
    User {
        /// Where sessions are kept between runs.
        store: Option<Arc<dyn SessionStore>>,
        /// User name and password, to sign in when there is no session or it has ended.
        password: Option<(String, String)>,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::ApiKey(_) => "ApiKey(…)",
            Self::User { .. } => "User(…)",
        })
    }
}

/// An access token and the refresh token that renews it once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The bearer token.
    pub access_token: String,
    /// Exchanged for the next pair.
    pub refresh_token: String,
    /// When the access token ends, in seconds since 1970.
    pub expires_at: i64,
}

impl Session {
    /// Whether the access token is valid for a while.
    pub(crate) fn is_fresh(&self, now: i64) -> bool {
        now + MARGIN_SECONDS < self.expires_at
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Session").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// Keeps a session between runs of a program.
///
/// A refresh token can be spent once, and the API ends the session if it comes a second time. So processes must not
/// renew a session at the same time: [`SessionStore::lock`] excludes them.
pub trait SessionStore: Send + Sync {
    /// Waits until no other process renews the session. The lock ends when the result is dropped.
    ///
    /// # Errors
    /// Returns [`ClientError::File`] if the store cannot be used.
    fn lock(&self) -> Result<Box<dyn Send>, ClientError>;

    /// Returns the session, if there is one.
    ///
    /// # Errors
    /// Returns [`ClientError::File`] if the store cannot be read.
    fn load(&self) -> Result<Option<Session>, ClientError>;

    /// Replaces the session; `None` deletes it.
    ///
    /// # Errors
    /// Returns [`ClientError::File`] if the store cannot be written.
    fn save(&self, session: Option<&Session>) -> Result<(), ClientError>;
}
