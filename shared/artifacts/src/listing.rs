//! Pages of objects: listing them, and deleting them by their keys.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use chrono::{DateTime, Utc};

use crate::{ArtifactError, ArtifactStore};

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// When it was written.
    pub modified_at: DateTime<Utc>,
}

/// Part of a listing, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<ListedObject>,
    /// Whether there are more.
    pub is_truncated: bool,
}

impl ArtifactStore {
    /// Objects that one page of a listing has at most, and that one call deletes.
    pub const PAGE: usize = 1000;

    /// Lists objects under a prefix, from the first key after `after`.
    pub async fn list(&self, prefix: &str, after: Option<&str>) -> Result<ObjectPage, ArtifactError> {
        let request = self
            .client()
            .list_objects_v2()
            .bucket(self.bucket())
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned));
        let listing = request.send().await;
        let listing = listing.map_err(|error| ArtifactError::call(prefix, "ListObjectsV2", error))?;
        let objects = listing.contents().iter().filter_map(|object| {
            let modified = object.last_modified();
            let modified = modified.and_then(|at| DateTime::from_timestamp(at.secs(), at.subsec_nanos()));
            Some(ListedObject {
                key: object.key()?.to_owned(),
                size_bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                modified_at: modified.unwrap_or(DateTime::UNIX_EPOCH),
            })
        });
        Ok(ObjectPage { objects: objects.collect(), is_truncated: listing.is_truncated().unwrap_or(false) })
    }

    /// Deletes objects by their keys, at most [`Self::PAGE`] of them. Those that do not exist are no error.
    pub async fn delete_keys(&self, keys: &[String]) -> Result<(), ArtifactError> {
        let Some(first) = keys.first() else { return Ok(()) };
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            ArtifactError::call(first, "DeleteObjects", error)
        };
        let objects: Result<Vec<_>, _> =
            keys.iter().map(|key| ObjectIdentifier::builder().key(key).build()).collect();
        let objects = objects.map_err(|error| failed(error.into()))?;
        let delete = Delete::builder().quiet(true).set_objects(Some(objects)).build();
        let delete = delete.map_err(|error| failed(error.into()))?;
        let response = self.client().delete_objects().bucket(self.bucket()).delete(delete).send().await;
        let response = response.map_err(|error| failed(error.into()))?;
        match response.errors().first() {
            Some(failure) => Err(failed(failure.message().unwrap_or("no reason given").to_owned().into())),
            None => Ok(()),
        }
    }
}
