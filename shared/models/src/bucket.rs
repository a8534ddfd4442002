//! Model folders in a bucket, so that models need not be part of every function's package.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::Client;
use sha2::{Digest as _, Sha256};

use crate::bucket_folder::{BucketFolder, BucketLocation, blocking, client};
use crate::{ModelFile, ModelFolder, ModelManifest, ModelsError};

/// The model folders below a prefix of a bucket. The bucket is listed when models are requested, not before.
///
/// Files are downloaded one by one when they are first needed, and stay on local disk. Calls block: a caller
/// that needs a model cannot continue without it.
#[derive(Debug)]
pub(crate) struct ModelBucket {
    location: Arc<BucketLocation>,
    /// The folders at the last listing.
    listed: Mutex<Vec<ListedFolder>>,
}

#[derive(Debug, Clone)]
struct ListedFolder {
    prefix: String,
    /// The ETag of the manifest: it changes with the manifest.
    etag: String,
    folder: Arc<ModelFolder>,
}

impl ModelBucket {
    /// Creates a client of `s3://bucket/prefix`. Files are downloaded below `cache`.
    ///
    /// # Errors
    /// Returns `InvalidUrl` if the URL has another form.
    pub(crate) fn open(url: &str, cache: &Path) -> Result<Self, ModelsError> {
        let (bucket, prefix) = parse(url).ok_or_else(|| ModelsError::InvalidUrl { got: url.to_owned() })?;
        let location = BucketLocation { bucket, prefix, cache: cache.to_owned() };
        Ok(Self { location: Arc::new(location), listed: Mutex::default() })
    }

    /// Returns the model with this name if it existed at the last listing.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<ModelFolder>> {
        let listed = self.listed();
        let folder = listed.iter().map(|listed| &listed.folder).find(|folder| folder.manifest.name == name);
        folder.cloned()
    }

    /// Lists the models that are in the bucket now.
    ///
    /// # Errors
    /// Returns an error if S3 cannot be reached or a manifest is invalid.
    pub(crate) fn folders(&self) -> Result<Vec<Arc<ModelFolder>>, ModelsError> {
        let known = self.listed().clone();
        let listed = blocking(self.list(known))?;
        let folders = listed.iter().map(|listed| Arc::clone(&listed.folder)).collect();
        *self.listed() = listed;
        Ok(folders)
    }

    fn listed(&self) -> MutexGuard<'_, Vec<ListedFolder>> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn list(&self, known: Vec<ListedFolder>) -> Result<Vec<ListedFolder>, ModelsError> {
        let location = &self.location;
        let client = client().await;
        let request = client.list_objects_v2().bucket(&location.bucket).prefix(&location.prefix);
        let mut pages = request.into_paginator().send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| location.call_error(&location.prefix, "ListObjectsV2", error))?;
            for object in page.contents() {
                let (Some(key), Some(etag)) = (object.key(), object.e_tag()) else { continue };
                let Some(prefix) = location.folder_of_manifest(key) else { continue };
                let unchanged = known.iter().find(|known| known.prefix == prefix && known.etag == etag);
                let folder = match unchanged {
                    Some(unchanged) => Arc::clone(&unchanged.folder),
                    None => Arc::new(self.read(&client, prefix, key).await?),
                };
                listed.push(ListedFolder { prefix: prefix.to_owned(), etag: etag.to_owned(), folder });
            }
        }
        Ok(listed)
    }

    async fn read(&self, client: &Client, prefix: &str, key: &str) -> Result<ModelFolder, ModelsError> {
        let location = &self.location;
        let response = client.get_object().bucket(&location.bucket).key(key).send().await;
        let response = response.map_err(|error| location.call_error(key, "GetObject", error))?;
        let bytes =
            response.body.collect().await.map_err(|error| location.call_error(key, "GetObject", error))?;
        let bytes = bytes.into_bytes();
        let manifest = ModelManifest::read(Path::new(&location.url(key)), &bytes)?;
        // A directory per manifest: a new version of a model never mixes with files of the old one.
        let path = location.cache.join(hex::encode(Sha256::digest(&bytes)));
        let source = BucketFolder { location: Arc::clone(location), prefix: prefix.to_owned() };
        Ok(ModelFolder { manifest, path, source: Some(source) })
    }
}

/// Downloads those of `files` that a folder of a bucket has, `s3://bucket/prefix/folder/…`, unless they are on local disk;
/// returns the local folder, which has the same name. For models without a manifest: a changed file is found by its ETag, and
/// gets a local folder of its own. Blocks.
///
/// # Errors
/// Returns `InvalidUrl`, `Bucket`, `Unwritable`, or `EmptyFolder` if the folder has none of the files.
pub fn download_folder(models_url: &str, folder: &str, files: &[&str]) -> Result<PathBuf, ModelsError> {
    let cache = std::env::temp_dir().join("semantik-models");
    let location = ModelBucket::open(models_url, &cache)?.location;
    let prefix = format!("{}{folder}/", location.prefix);
    let listed = blocking(location.etags(&prefix))?;
    let wanted: Vec<_> = listed.into_iter().filter(|(name, _)| files.contains(&name.as_str())).collect();
    if wanted.is_empty() {
        return Err(ModelsError::EmptyFolder { url: location.url(&prefix), files: files.join(", ") });
    }
    let version = Sha256::digest(format!("{models_url} {folder} {wanted:?}"));
    let path = cache.join(hex::encode(version)).join(folder);
    let source = BucketFolder { location, prefix };
    for (name, _) in wanted {
        let file = path.join(&name);
        if !file.is_file() {
            source.fetch(&ModelFile::named(&name), &file)?;
        }
    }
    Ok(path)
}

fn parse(url: &str) -> Option<(String, String)> {
    let (bucket, prefix) = url.strip_prefix("s3://")?.split_once('/').unwrap_or((&url["s3://".len()..], ""));
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    (!bucket.is_empty()).then(|| (bucket.to_owned(), prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_urls_are_parsed() {
        let read = |url| parse(url).map(|(bucket, prefix)| format!("{bucket} {prefix}"));
        assert_eq!(read("s3://models").as_deref(), Some("models "));
        assert_eq!(read("s3://models/").as_deref(), Some("models "));
        assert_eq!(read("s3://models/a/b/").as_deref(), Some("models a/b/"));
        for wrong in ["", "models", "s3://", "s3:///a", "https://models/a"] {
            assert_eq!(read(wrong), None, "{wrong}");
            let error = ModelBucket::open(wrong, Path::new("cache")).unwrap_err().to_string();
            assert!(error.contains(&format!("{wrong:?}")) && error.contains("s3://bucket/prefix"), "{error}");
        }
    }
}
