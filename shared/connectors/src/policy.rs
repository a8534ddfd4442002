//! What the operator allows.

use std::path::PathBuf;

/// What the operator allows sources to read. Within it, a source reads what its user was granted.
#[derive(Debug, Clone, Default)]
pub struct SourcePolicy {
    /// Folders that directory and file sources must lie below; empty to forbid such sources.
    pub directory_roots: Vec<PathBuf>,
    /// Buckets that no source reads, whatever was granted: those of this installation itself, with the documents of
    /// every collection, its models and its code.
    pub own_buckets: Vec<String>,
}

impl SourcePolicy {
    /// Returns the policy of this environment: `models_url` is `s3://bucket/prefix`.
    pub fn new(
        directory_roots: Vec<PathBuf>,
        staging_bucket: &str,
        models_url: Option<&str>,
        other_buckets: &[String],
    ) -> Self {
        let models_bucket =
            models_url.and_then(|url| url.strip_prefix("s3://")).and_then(|url| url.split('/').next());
        let own_buckets = [Some(staging_bucket), models_bucket].into_iter().flatten().map(str::to_owned);
        Self { directory_roots, own_buckets: own_buckets.chain(other_buckets.iter().cloned()).collect() }
    }
}
