//! Deleting objects of the staging bucket: one, those of a document, those of a collection.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use domain::{ArtifactKey, CollectionId, DocumentId, Generation, StagedObject};

use crate::{ArtifactError, ArtifactStore};

impl ArtifactStore {
    /// Deletes an object. Succeeds if there is none.
    pub async fn delete(&self, key: &ArtifactKey) -> Result<(), ArtifactError> {
        let path = key.path();
        let request = self.client().delete_object().bucket(self.bucket()).key(&path);
        request.send().await.map_err(|error| ArtifactError::call(path, "DeleteObject", error))?;
        Ok(())
    }

    /// Deletes the staged objects of a document's generations for which `is_erased` returns true: of every generation
    /// that the bucket has, also of one that was never registered. Returns how many there were.
    pub async fn delete_generations(
        &self,
        collection_id: CollectionId,
        document_id: DocumentId,
        is_erased: impl Fn(Generation) -> bool,
    ) -> Result<usize, ArtifactError> {
        let mut deleted = 0;
        for prefix in ArtifactKey::STAGED_PREFIXES {
            let prefix = format!("{prefix}/{collection_id}/{document_id}/");
            let mut continuation = None;
            loop {
                let (keys, next) = self.list_page(&prefix, continuation).await?;
                let erased = |key: &String| {
                    StagedObject::from_key(key).is_some_and(|object| is_erased(object.generation))
                };
                let keys: Vec<String> = keys.into_iter().filter(erased).collect();
                deleted += keys.len();
                self.delete_keys(&prefix, keys).await?;
                continuation = next;
                if continuation.is_none() {
                    break;
                }
            }
        }
        Ok(deleted)
    }

    /// Deletes one page of a collection's objects under one of [`ArtifactKey::PREFIXES`]; returns whether there
    /// are more.
    pub async fn delete_page(
        &self,
        prefix: &str,
        collection_id: CollectionId,
    ) -> Result<bool, ArtifactError> {
        let prefix = format!("{prefix}/{collection_id}/");
        let (keys, next) = self.list_page(&prefix, None).await?;
        self.delete_keys(&prefix, keys).await?;
        Ok(next.is_some())
    }

    /// Returns the keys of one page of objects, and the token of the next page if there is one.
    async fn list_page(
        &self,
        prefix: &str,
        continuation: Option<String>,
    ) -> Result<(Vec<String>, Option<String>), ArtifactError> {
        let request = self.client().list_objects_v2().bucket(self.bucket()).prefix(prefix);
        let listing = request.set_continuation_token(continuation).send().await;
        let listing = listing.map_err(|error| ArtifactError::call(prefix, "ListObjectsV2", error))?;
        let keys = listing.contents().iter().filter_map(|object| object.key()).map(str::to_owned).collect();
        let next = listing.next_continuation_token().map(str::to_owned);
        Ok((keys, next.filter(|_| listing.is_truncated().unwrap_or(false))))
    }

    /// Deletes the objects of one page.
    async fn delete_keys(&self, prefix: &str, keys: Vec<String>) -> Result<(), ArtifactError> {
        if keys.is_empty() {
            return Ok(());
        }
        let failed = |error| ArtifactError::call(prefix, "DeleteObjects", error);
        let mut delete = Delete::builder().quiet(true);
        for key in keys {
            delete = delete.objects(ObjectIdentifier::builder().key(key).build().map_err(failed)?);
        }
        let delete = delete.build().map_err(failed)?;
        let response = self.client().delete_objects().bucket(self.bucket()).delete(delete).send().await;
        let response = response.map_err(|error| ArtifactError::call(prefix, "DeleteObjects", error))?;
        match response.errors().first() {
            Some(failure) => {
                let reason = failure.message().unwrap_or("no reason given").to_owned();
                Err(ArtifactError::call(prefix, "DeleteObjects", reason))
            }
            None => Ok(()),
        }
    }
}
