//! The access that a route requires of its caller.

use std::fmt;

use domain::AccessLevel;

use crate::rate::Rate;

/// The access that a route requires of its caller. Its text is `x-access` in the OpenAPI document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Open to everyone, without credentials.
    Public,
    /// An authenticated caller; an API key needs at least this scope.
    Caller(AccessLevel),
    /// The same, but an API key must not be limited to some collections.
    UnrestrictedKey(AccessLevel),
    /// A user's own session (access token); API keys are refused whatever their scope.
    UserSession,
    /// The session of a superuser.
    Superuser,
    /// At least this access to the collection named by `{collection_id}` in the path.
    Collection(AccessLevel),
    /// The same, from a user's own session.
    CollectionUserSession(AccessLevel),
    /// At least this access to every collection named in the request body. The middleware checks the
    /// caller and the key's scope; the handler's lookup returns only accessible collections.
    Collections(AccessLevel),
    /// At least this access to the collection of the operation named by `{operation_id}`. The owner of a
    /// deleted collection has it until the operation is gone.
    Operation(AccessLevel),
}

impl Access {
    /// Returns the default rate limit per caller.
    pub(crate) const fn default_rate(self) -> Rate {
        match self {
            // Counted by IP address, which many users may share.
            Self::Public => Rate::per_minute(120),
            _ => Rate::per_minute(600),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => formatter.write_str("public"),
            Self::Caller(access) => write!(formatter, "caller:{}", access.as_str()),
            Self::UnrestrictedKey(access) => write!(formatter, "unrestricted-key:{}", access.as_str()),
            Self::UserSession => formatter.write_str("user-session"),
            Self::Superuser => formatter.write_str("superuser"),
            Self::Collection(access) => write!(formatter, "collection:{}", access.as_str()),
            Self::CollectionUserSession(access) => {
                write!(formatter, "collection-user-session:{}", access.as_str())
            }
            Self::Collections(access) => write!(formatter, "collections:{}", access.as_str()),
            Self::Operation(access) => write!(formatter, "operation:{}", access.as_str()),
        }
    }
}
