//! Deleting objects of the staging bucket: one, those of a document, those of a collection.

use domain::{ArtifactKey, CollectionId, DocumentId, Generation};

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
            let mut after: Option<String> = None;
            loop {
                let page = self.list(&prefix, after.as_deref()).await?;
                let keys: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
                after = keys.last().cloned();
                let is_erased = |key: &String| {
                    ArtifactKey::parse(key).and_then(|key| key.generation()).is_some_and(&is_erased)
                };
                let erased: Vec<String> = keys.into_iter().filter(is_erased).collect();
                deleted += erased.len();
                self.delete_keys(&erased).await?;
                if !page.is_truncated {
                    break;
                }
            }
        }
        Ok(deleted)
    }

    /// Deletes the bytes of a document that came with the listing of its source, whichever operation left them.
    pub async fn delete_fetched(
        &self,
        collection_id: CollectionId,
        document_id: DocumentId,
    ) -> Result<(), ArtifactError> {
        let prefix = format!("fetched/{collection_id}/{document_id}/");
        loop {
            let page = self.list(&prefix, None).await?;
            let keys: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
            self.delete_keys(&keys).await?;
            if !page.is_truncated {
                return Ok(());
            }
        }
    }

    /// Deletes one page of a collection's objects under one of [`ArtifactKey::PREFIXES`]; returns whether there
    /// are more.
    pub async fn delete_page(
        &self,
        prefix: &str,
        collection_id: CollectionId,
    ) -> Result<bool, ArtifactError> {
        let page = self.list(&format!("{prefix}/{collection_id}/"), None).await?;
        let keys: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
        self.delete_keys(&keys).await?;
        Ok(page.is_truncated)
    }
}
