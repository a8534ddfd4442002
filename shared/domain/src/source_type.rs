//! The type of a source.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// Where a source's documents come from: [`SourceType::UPLOAD`], or the name of a connector. Connectors
/// register their names themselves, so the set is open.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceType(Cow<'static, str>);

impl SourceType {
    /// Presigned uploads and objects put directly into the staging bucket.
    pub const UPLOAD: Self = Self::new("upload");

    /// The type of this name.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
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
