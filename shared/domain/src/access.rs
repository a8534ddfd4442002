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

/// What a caller may do with a collection. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Search it, see its documents and operations.
    Read,
    /// Add sources and documents.
    Write,
    /// Share it and change its settings.
    Admin,
    /// Delete it and hand it over.
    Owner,
}
