//! Who is calling, and what they may do with a collection.

use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, UserId};

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The user, or the owner of the API key.
    pub user_id: UserId,
    /// The user's name.
    pub username: String,
    /// Whether the user administers this installation. Never true for an API key.
    pub is_superuser: bool,
    /// The API key that was presented, if it was one.
    pub api_key_id: Option<ApiKeyId>,
}

impl Principal {
    /// Who the audit log names.
    pub const fn actor(&self) -> Actor {
        Actor { user_id: self.user_id, api_key_id: self.api_key_id }
    }
}

/// Who made a change: a user, in person or by a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// The user, or the owner of the API key.
    pub user_id: UserId,
    /// The key, if it was one.
    pub api_key_id: Option<ApiKeyId>,
}

impl Actor {
    /// A user in person.
    pub const fn person(user_id: UserId) -> Self {
        Self { user_id, api_key_id: None }
    }
}

/// What a caller may do with a collection. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessLevel {
    /// Search it, see its documents and operations.
    Read,
    /// Add sources and documents.
    Write,
    /// Share it and change its settings.
    Admin,
    /// Delete it and hand it over.
    Owner,
}

impl AccessLevel {
    /// All of them, least first.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Admin, Self::Owner];

    /// The word that JSON, the database and the API's description use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// How sentences call it.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Read => "read access",
            Self::Write => "write access",
            Self::Admin => "admin access",
            Self::Owner => "ownership",
        }
    }
}
