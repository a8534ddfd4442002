//! One model folder in a bucket, whose files are downloaded when they are needed.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_sdk_s3::Client;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::manifest::MANIFEST;
use crate::{ModelFile, ModelsError};

/// A prefix of a bucket, and where its files are downloaded to.
#[derive(Debug)]
pub(crate) struct BucketLocation {
    pub(crate) bucket: String,
    /// Empty, or ends with a slash.
    pub(crate) prefix: String,
    pub(crate) cache: PathBuf,
}

/// One model folder in the bucket.
#[derive(Debug, Clone)]
pub(crate) struct BucketFolder {
    pub(crate) location: Arc<BucketLocation>,
    /// The prefix of the folder's keys; ends with a slash.
    pub(crate) prefix: String,
}

impl BucketFolder {
    /// Returns the folder's URL, for messages.
    pub(crate) fn url(&self) -> PathBuf {
        self.location.url(&self.prefix).into()
    }

    /// Downloads a file to `path`. It appears there complete and with the right checksum, or not at all.
    ///
    /// # Errors
    /// Returns `ChecksumMismatch`, `Unwritable` or `Bucket`.
    pub(crate) fn fetch(&self, file: &ModelFile, path: &Path) -> Result<(), ModelsError> {
        let key = format!("{}{}", self.prefix, file.name);
        let unwritable = |source| ModelsError::Unwritable { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(&self.location.cache);
        fs::create_dir_all(folder).map_err(unwritable)?;
        let mut target = NamedTempFile::new_in(folder).map_err(unwritable)?;
        let got = blocking(async {
            let client = client().await;
            let request = client.get_object().bucket(&self.location.bucket).key(&key);
            let call_error = |error: Box<dyn std::error::Error + Send + Sync>| {
                self.location.call_error(&key, "GetObject", error)
            };
            let response = request.send().await.map_err(|error| call_error(error.into()))?;
            let mut body = response.body;
            let mut digest = Sha256::new();
            while let Some(part) = body.next().await {
                let part = part.map_err(|error| call_error(error.into()))?;
                digest.update(&part);
                target.write_all(&part).map_err(unwritable)?;
            }
            Ok(hex::encode(digest.finalize()))
        })?;
        if let Some(expected) = file.sha256.as_ref().filter(|expected| !got.eq_ignore_ascii_case(expected)) {
            let path = self.location.url(&key).into();
            return Err(ModelsError::ChecksumMismatch { path, got, expected: expected.clone() });
        }
        target.persist(path).map_err(|error| unwritable(error.error))?;
        Ok(())
    }
}

impl BucketLocation {
    /// Returns the folder's prefix if the key is that of a manifest in a folder directly below the prefix.
    pub(crate) fn folder_of_manifest<'k>(&self, key: &'k str) -> Option<&'k str> {
        let prefix = key.strip_suffix(MANIFEST)?;
        let folder = prefix.strip_prefix(&self.prefix)?.strip_suffix('/')?;
        (!folder.is_empty() && !folder.contains('/')).then_some(prefix)
    }

    /// Lists the objects below a prefix: the rest of their keys, and their ETags, in the order of the keys.
    ///
    /// # Errors
    /// Returns `Bucket`.
    pub(crate) async fn etags(&self, prefix: &str) -> Result<Vec<(String, String)>, ModelsError> {
        let request = client().await.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.call_error(prefix, "ListObjectsV2", error))?;
            for object in page.contents() {
                let name = object.key().and_then(|key| key.strip_prefix(prefix));
                if let (Some(name), Some(etag)) = (name, object.e_tag()) {
                    found.push((name.to_owned(), etag.to_owned()));
                }
            }
        }
        Ok(found)
    }

    pub(crate) fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    pub(crate) fn call_error(
        &self,
        key: &str,
        call: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ModelsError {
        ModelsError::Bucket { url: self.url(key), call, source: source.into() }
    }
}

/// Creates a client for the runtime of one call: connections belong to the runtime that opened them.
pub(crate) async fn client() -> Client {
    Client::new(&aws::sdk_config().await)
}

/// Runs a future to completion on a runtime of its own, on its own thread: the caller may be inside a runtime,
/// where blocking is not allowed.
pub(crate) fn blocking<T: Send>(
    work: impl Future<Output = Result<T, ModelsError>> + Send,
) -> Result<T, ModelsError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|source| ModelsError::Runtime { source })?.block_on(work)
    };
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_folders_directly_below_the_prefix() {
        let location =
            |prefix: &str| BucketLocation { bucket: "b".into(), prefix: prefix.into(), cache: "c".into() };
        assert_eq!(location("a/").folder_of_manifest("a/one/model.json"), Some("a/one/"));
        assert_eq!(location("").folder_of_manifest("one/model.json"), Some("one/"));
        for other in
            ["a/model.json", "a/one/two/model.json", "a/one/model.onnx", "b/one/model.json", "a//model.json"]
        {
            assert_eq!(location("a/").folder_of_manifest(other), None, "{other}");
        }
    }
}
