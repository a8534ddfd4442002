//! Callers, and what they may do with a collection.

use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, UserId};

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user, or the user that the API key acts for.
    pub user_id: UserId,
    /// The user's name.
    pub username: String,
    /// Whether the user is a superuser. Always false for an API key.
    pub is_superuser: bool,
    /// The API key of the request, if it used one.
    pub api_key_id: Option<ApiKeyId>,
}

impl Principal {
    /// Returns the caller as recorded in the audit log.
    pub const fn actor(&self) -> Actor {
        Actor { user_id: self.user_id, api_key_id: self.api_key_id }
    }
}

/// Who made a change: a user, or an API key on a user's behalf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The user, or the user that the API key acts for.
    pub user_id: UserId,
    /// The API key, if one was used.
    pub api_key_id: Option<ApiKeyId>,
}

impl Actor {
    /// Returns a user without an API key.
    pub const fn user(user_id: UserId) -> Self {
        Self { user_id, api_key_id: None }
    }
}

/// What a caller may do with a collection. Each level includes the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLevel {
    /// Search the collection, list its documents and operations.
    Read,
    /// Add sources and documents.
    Write,
    /// Manage permissions and settings.
    Admin,
    /// Delete the collection and transfer it to another user.
    Owner,
}

impl AccessLevel {
    /// All levels, lowest first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Admin, Self::Owner];

    /// Returns the label in JSON, the database and the OpenAPI document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// Returns the noun phrase for messages, such as "write access".
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Read => "read access",
            Self::Write => "write access",
            Self::Admin => "admin access",
            Self::Owner => "ownership",
        }
    }
}
