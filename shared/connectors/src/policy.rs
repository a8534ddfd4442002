//! What the operator allows.

use std::path::PathBuf;

/// What the operator allows sources to read.
#[derive(Debug, Clone, Default)]
pub struct SourcePolicy {
    /// Folders that directory and file sources must lie below; empty to forbid such sources.
    pub directory_roots: Vec<PathBuf>,
    /// The staging bucket, which holds the documents of every collection and is never a source.
    pub staging_bucket: String,
}
