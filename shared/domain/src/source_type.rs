//! The type of a source.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Where a source's documents come from: [`SourceType::UPLOAD`], [`SourceType::PUSH`], or the name of a connector.
/// Connectors register their names themselves, so the set is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceType(Cow<'static, str>);

impl SourceType {
    /// Presigned uploads and objects put directly into the staging bucket.
    pub const UPLOAD: Self = Self::new("upload");
    /// Documents that clients push under URIs of their own.
    pub const PUSH: Self = Self::new("push");

    /// The type of this name.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Whether its documents arrive in the staging bucket. All others are listed and read by a connector.
    pub fn is_received(&self) -> bool {
        *self == Self::UPLOAD || *self == Self::PUSH
    }

    /// The name in JSON and in the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for SourceType {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl std::fmt::Display for SourceType {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}
