//! All connectors behind one door.

use std::path::PathBuf;
use std::sync::Arc;

use aws_config::SdkConfig;

use crate::directory::Roots;
use crate::s3::Buckets;
use crate::{ConnectorError, Page, SourceReader, SourceSpec};

/// What an operator allows sources to read.
#[derive(Debug, Clone, Default)]
pub struct ConnectorsConfig {
    /// Folders that directory and file sources may lie in; none for no such source.
    pub directory_roots: Vec<PathBuf>,
    /// The staging bucket, which holds every collection's documents and is nobody's source.
    pub staging_bucket: String,
}

/// Lists and opens sources. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Connectors {
    roots: Arc<Roots>,
    buckets: Buckets,
    staging_bucket: String,
}

impl Connectors {
    /// Connectors that read with this function's own permissions.
    pub fn new(sdk: &SdkConfig, config: ConnectorsConfig) -> Self {
        Self {
            roots: Arc::new(Roots::new(config.directory_roots)),
            buckets: Buckets::new(sdk),
            staging_bucket: config.staging_bucket,
        }
    }

    /// One page of the source's documents, from the cursor on.
    ///
    /// # Errors
    /// When the source may not or cannot be read.
    pub async fn list(&self, spec: &SourceSpec, cursor: Option<&str>) -> Result<Page, ConnectorError> {
        refuse_staging_bucket(spec, &self.staging_bucket)?;
        match spec {
            SourceSpec::S3 { bucket, prefix, include_patterns, exclude_patterns, .. } => {
                self.buckets.list(bucket, prefix, include_patterns, exclude_patterns, cursor).await
            }
            SourceSpec::File { .. } | SourceSpec::Directory { .. } => {
                let cursor = cursor.map(str::to_owned);
                self.blocking(spec, move |roots, spec| roots.list(spec, cursor.as_deref())).await
            }
        }
    }

    /// Starts reading a document by its [`crate::Entry::location`].
    ///
    /// # Errors
    /// When it is gone, or may not or cannot be read.
    pub async fn open(&self, spec: &SourceSpec, location: &str) -> Result<SourceReader, ConnectorError> {
        refuse_staging_bucket(spec, &self.staging_bucket)?;
        match spec {
            SourceSpec::S3 { bucket, prefix, .. } => self.buckets.open(bucket, prefix, location).await,
            SourceSpec::File { .. } | SourceSpec::Directory { .. } => {
                let location = location.to_owned();
                self.blocking(spec, move |roots, spec| roots.open(spec, &location)).await
            }
        }
    }

    /// Whether the source may be read at all, before anything is listed. Asks nothing but the file
    /// system, which blocks.
    ///
    /// # Errors
    /// When the source is the staging bucket, or a path that is relative, is not there or does not
    /// lie below a configured root.
    pub fn check(&self, spec: &SourceSpec) -> Result<(), ConnectorError> {
        refuse_staging_bucket(spec, &self.staging_bucket)?;
        match spec {
            SourceSpec::S3 { .. } => Ok(()),
            SourceSpec::File { path } | SourceSpec::Directory { path, .. } if path.is_absolute() => {
                self.roots.resolve(path).map(|_| ())
            }
            SourceSpec::File { path } | SourceSpec::Directory { path, .. } => Err(ConnectorError::invalid(
                "path",
                format!("{path:?} came; an absolute path below one of the configured roots is allowed"),
            )),
        }
    }

    /// Runs what waits for the file system where it holds nobody up.
    async fn blocking<T: Send + 'static>(
        &self,
        spec: &SourceSpec,
        work: impl FnOnce(&Roots, &SourceSpec) -> Result<T, ConnectorError> + Send + 'static,
    ) -> Result<T, ConnectorError> {
        let (this, spec, name) = (self.clone(), spec.clone(), spec.source_path());
        let done = tokio::task::spawn_blocking(move || {
            this.check(&spec)?;
            work(&this.roots, &spec)
        });
        done.await.map_err(|panic| ConnectorError::unavailable(name, panic))?
    }
}

/// Refuses the staging bucket as a source: what [`Connectors::check`] can tell without reading
/// anything, for callers that never read a source.
///
/// # Errors
/// When the source is the staging bucket.
pub fn refuse_staging_bucket(spec: &SourceSpec, staging_bucket: &str) -> Result<(), ConnectorError> {
    match spec {
        SourceSpec::S3 { bucket, .. } if bucket == staging_bucket => Err(ConnectorError::invalid(
            "bucket",
            format!(
                "{bucket} is the staging bucket, which holds everybody's documents; name a bucket of your own"
            ),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use domain::{Classify, ErrorKind};

    use super::*;
    use crate::OnMissing;

    #[test]
    fn a_check_refuses_the_staging_bucket_and_paths_that_are_relative_or_outside() {
        let root = tempfile::tempdir().unwrap();
        let config = ConnectorsConfig {
            directory_roots: vec![root.path().to_owned()],
            staging_bucket: "staging".to_owned(),
        };
        let sdk = SdkConfig::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        let connectors = Connectors::new(&sdk, config);
        let bucket = |name: &str| SourceSpec::S3 {
            bucket: name.to_owned(),
            prefix: String::new(),
            include_patterns: Vec::new(),
            exclude_patterns: Vec::new(),
            on_missing: OnMissing::Remove,
        };
        let file = |path: PathBuf| SourceSpec::File { path };
        assert!(connectors.check(&bucket("manuals")).is_ok());
        assert!(connectors.check(&file(root.path().to_owned())).is_ok());
        for (spec, kind, word) in [
            (bucket("staging"), ErrorKind::Invalid, "staging bucket"),
            (file("docs/a.txt".into()), ErrorKind::Invalid, "absolute"),
            (file("/etc/hostname".into()), ErrorKind::Invalid, "root"),
            (file(root.path().join("gone.txt")), ErrorKind::NotFound, "gone.txt"),
        ] {
            let error = connectors.check(&spec).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(word), "{error}");
        }
    }
}
