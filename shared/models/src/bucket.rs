//! Model folders in a bucket, so that models need not be in every function's package.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::Client;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::registry::{MANIFEST, hexadecimal};
use crate::{ModelFile, ModelFolder, ModelManifest, ModelsError};

/// The folders below a prefix of a bucket. Looks into the bucket when it is asked, and never before.
///
/// Files come one at a time, when somebody opens them, and stay on local disk for as long as that keeps
/// them. Calls block: what needs a model has nothing else to do until it is there.
#[derive(Debug)]
pub(crate) struct ModelBucket {
    place: Arc<Place>,
    /// What was there when it was last looked.
    listed: Mutex<Vec<ListedFolder>>,
}

#[derive(Debug, Clone)]
struct ListedFolder {
    prefix: String,
    /// Of the manifest: another tag is another manifest.
    etag: String,
    folder: Arc<ModelFolder>,
}

/// Where the folders are, and where their files go.
#[derive(Debug)]
struct Place {
    bucket: String,
    /// Empty, or ends with a slash.
    prefix: String,
    cache: PathBuf,
}

/// One folder in the bucket.
#[derive(Debug, Clone)]
pub(crate) struct BucketFolder {
    place: Arc<Place>,
    /// The folder's keys begin with this; it ends with a slash.
    prefix: String,
}

impl ModelBucket {
    /// `s3://bucket/prefix`; files are kept below `cache`.
    ///
    /// # Errors
    /// [`ModelsError::NotAnAddress`].
    pub(crate) fn open(url: &str, cache: &Path) -> Result<Self, ModelsError> {
        let (bucket, prefix) = parse(url).ok_or_else(|| ModelsError::NotAnAddress { got: url.to_owned() })?;
        let place = Place { bucket, prefix, cache: cache.to_owned() };
        Ok(Self { place: Arc::new(place), listed: Mutex::default() })
    }

    /// The model of this name, if it was there when the bucket was last looked at.
    pub(crate) fn known(&self, name: &str) -> Option<Arc<ModelFolder>> {
        let listed = self.listed();
        let folder = listed.iter().map(|listed| &listed.folder).find(|folder| folder.manifest.name == name);
        folder.cloned()
    }

    /// Every model that is in the bucket now.
    ///
    /// # Errors
    /// When S3 does not answer, or a manifest is wrong.
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
        let place = &self.place;
        let client = client().await;
        let request = client.list_objects_v2().bucket(&place.bucket).prefix(&place.prefix);
        let mut pages = request.into_paginator().send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| place.failed(&place.prefix, "ListObjectsV2", error))?;
            for object in page.contents() {
                let (Some(key), Some(etag)) = (object.key(), object.e_tag()) else { continue };
                let Some(prefix) = place.folder_of_manifest(key) else { continue };
                let same = known.iter().find(|known| known.prefix == prefix && known.etag == etag);
                let folder = match same {
                    Some(same) => Arc::clone(&same.folder),
                    None => Arc::new(self.read(&client, prefix, key).await?),
                };
                listed.push(ListedFolder { prefix: prefix.to_owned(), etag: etag.to_owned(), folder });
            }
        }
        Ok(listed)
    }

    async fn read(&self, client: &Client, prefix: &str, key: &str) -> Result<ModelFolder, ModelsError> {
        let place = &self.place;
        let answer = client.get_object().bucket(&place.bucket).key(key).send().await;
        let answer = answer.map_err(|error| place.failed(key, "GetObject", error))?;
        let bytes = answer.body.collect().await.map_err(|error| place.failed(key, "GetObject", error))?;
        let bytes = bytes.into_bytes();
        let manifest = ModelManifest::read(Path::new(&place.url(key)), &bytes)?;
        // A folder that was replaced never meets files of the one before.
        let path = place.cache.join(hexadecimal(&Sha256::digest(&bytes)));
        let source = BucketFolder { place: Arc::clone(place), prefix: prefix.to_owned() };
        Ok(ModelFolder { manifest, path, source: Some(source) })
    }
}

impl BucketFolder {
    /// Where the folder is, for people.
    pub(crate) fn url(&self) -> PathBuf {
        self.place.url(&self.prefix).into()
    }

    /// Brings a file to `path`. It appears there whole and with the right hash, or not at all.
    ///
    /// # Errors
    /// [`ModelsError::Damaged`], [`ModelsError::Unwritable`] or [`ModelsError::Bucket`].
    pub(crate) fn fetch(&self, file: &ModelFile, path: &Path) -> Result<(), ModelsError> {
        let key = format!("{}{}", self.prefix, file.name);
        let unwritable = |source| ModelsError::Unwritable { path: path.to_owned(), source };
        let folder = path.parent().unwrap_or(&self.place.cache);
        fs::create_dir_all(folder).map_err(unwritable)?;
        let mut target = NamedTempFile::new_in(folder).map_err(unwritable)?;
        let got = blocking(async {
            let client = client().await;
            let request = client.get_object().bucket(&self.place.bucket).key(&key);
            let answer = request.send().await.map_err(|error| self.place.failed(&key, "GetObject", error))?;
            let mut body = answer.body;
            let mut digest = Sha256::new();
            while let Some(piece) = body.next().await {
                let piece = piece.map_err(|error| self.place.failed(&key, "GetObject", error))?;
                digest.update(&piece);
                target.write_all(&piece).map_err(unwritable)?;
            }
            Ok(hexadecimal(&digest.finalize()))
        })?;
        if let Some(expected) = file.sha256.as_ref().filter(|expected| !got.eq_ignore_ascii_case(expected)) {
            let path = self.place.url(&key).into();
            return Err(ModelsError::Damaged { path, got, expected: expected.clone() });
        }
        target.persist(path).map_err(|error| unwritable(error.error))?;
        Ok(())
    }
}

impl Place {
    /// The folder's prefix, if the key is of a manifest in a folder right below our prefix.
    fn folder_of_manifest<'k>(&self, key: &'k str) -> Option<&'k str> {
        let prefix = key.strip_suffix(MANIFEST)?;
        let folder = prefix.strip_prefix(&self.prefix)?.strip_suffix('/')?;
        (!folder.is_empty() && !folder.contains('/')).then_some(prefix)
    }

    fn url(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    fn failed(
        &self,
        key: &str,
        call: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ModelsError {
        ModelsError::Bucket { url: self.url(key), call, source: source.into() }
    }
}

fn parse(url: &str) -> Option<(String, String)> {
    let (bucket, prefix) = url.strip_prefix("s3://")?.split_once('/').unwrap_or((&url["s3://".len()..], ""));
    let prefix = prefix.trim_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    (!bucket.is_empty()).then(|| (bucket.to_owned(), prefix))
}

/// A client for one call's runtime: connections belong to the runtime that opened them.
async fn client() -> Client {
    Client::new(&aws::sdk_config().await)
}

/// Runs on a thread and a runtime of its own: the caller may be inside one, where blocking on it is
/// not possible.
fn blocking<T: Send>(work: impl Future<Output = Result<T, ModelsError>> + Send) -> Result<T, ModelsError> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|source| ModelsError::NoThread { source })?.block_on(work)
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
    fn addresses_are_read() {
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

    #[test]
    fn a_model_is_a_folder_right_below_the_prefix() {
        let place = |prefix: &str| Place { bucket: "b".into(), prefix: prefix.into(), cache: "c".into() };
        assert_eq!(place("a/").folder_of_manifest("a/one/model.json"), Some("a/one/"));
        assert_eq!(place("").folder_of_manifest("one/model.json"), Some("one/"));
        for other in
            ["a/model.json", "a/one/two/model.json", "a/one/model.onnx", "b/one/model.json", "a//model.json"]
        {
            assert_eq!(place("a/").folder_of_manifest(other), None, "{other}");
        }
    }
}
