//! The registry of connectors, and what they read with.

mod directory;
mod file;
mod s3;

use std::path::PathBuf;
use std::sync::Arc;

use aws_config::SdkConfig;
use aws_sdk_s3::Client;

use crate::files::Roots;
use crate::{Connector, ConnectorError, Page, SourceReader, SourceSpec};

/// Every connector, by source type.
pub(crate) static CONNECTORS: &[&Connector] = &[&directory::CONNECTOR, &file::CONNECTOR, &s3::CONNECTOR];

/// What the operator allows sources to read.
#[derive(Debug, Clone, Default)]
pub struct SourcePolicy {
    /// Folders that directory and file sources must lie below; empty to forbid such sources.
    pub directory_roots: Vec<PathBuf>,
    /// The staging bucket, which holds the documents of every collection and is never a source.
    pub staging_bucket: String,
}

/// Lists and opens sources with this function's own permissions. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connectors {
    policy: Arc<SourcePolicy>,
    pub(crate) roots: Arc<Roots>,
    pub(crate) s3: Client,
}

impl Connectors {
    /// Creates the clients; no request is sent.
    pub fn new(sdk: &SdkConfig, policy: SourcePolicy) -> Self {
        Self {
            roots: Arc::new(Roots::new(policy.directory_roots.clone())),
            policy: Arc::new(policy),
            s3: Client::new(sdk),
        }
    }

    /// Lists one page of the source's documents, from the cursor on.
    ///
    /// # Errors
    /// Returns `NotFound` if the source does not exist, `Invalid` or `Forbidden` if it may not be read.
    pub async fn list(&self, spec: &SourceSpec, cursor: Option<&str>) -> Result<Page, ConnectorError> {
        spec.authorize(&self.policy)?;
        spec.source.list(self, cursor).await
    }

    /// Opens a document by its [`crate::Entry::location`].
    ///
    /// # Errors
    /// Returns `NotFound` if the document is gone, `Invalid` or `Forbidden` if it may not be read.
    pub async fn open(&self, spec: &SourceSpec, location: &str) -> Result<SourceReader, ConnectorError> {
        spec.authorize(&self.policy)?;
        spec.source.open(self, location).await
    }
}

#[cfg(test)]
impl Connectors {
    /// Connectors for folders below this root.
    pub(crate) fn below(root: &std::path::Path) -> Self {
        let sdk = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let policy =
            SourcePolicy { directory_roots: vec![root.to_owned()], staging_bucket: "staging".to_owned() };
        Self::new(&sdk, policy)
    }
}
