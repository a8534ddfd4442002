//! Deletes documents whose files are gone.

use client::{Client, ClientError, Document, Source};
use domain::{CollectionId, SourceType};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::files::Found;
use crate::Outcome;
use crate::failure::Failure;

/// Requests at the same time.
const PARALLEL: usize = 4;

/// Lists the uploaded documents of the folders that were read whose files are gone.
pub async fn list_gone(client: &Client, collection: CollectionId, found: &Found) -> Outcome<Vec<Document>> {
    if found.folders.is_empty() {
        return Err(Failure::Usage("--delete needs a folder: a single file mirrors nothing".to_owned()));
    }
    let sources: Vec<Source> = client.sources(collection).try_collect().await?;
    let uploads = sources.iter().find(|source| source.source_type == SourceType::UPLOAD.as_str());
    let Some(uploads) = uploads else { return Ok(Vec::new()) };
    let documents: Vec<Document> = client.documents(collection, None).try_collect().await?;
    let gone = documents.into_iter().filter(|document| {
        // Members of archives go with their archives.
        document.source_id == Some(uploads.id)
            && document.container_id.is_none()
            && found.covers(&document.file_path)
            && !found.files.contains_key(&document.file_path)
    });
    Ok(gone.collect())
}

/// Deletes documents; returns those that could not be deleted, with the reason.
pub async fn delete(
    client: &Client,
    collection: CollectionId,
    gone: &[Document],
) -> Outcome<Vec<(String, String)>> {
    let requests = stream::iter(gone)
        .map(|document| async move { (document, client.delete_document(collection, document.id).await) });
    let mut requests = std::pin::pin!(requests.buffer_unordered(PARALLEL));
    let mut failures = Vec::new();
    while let Some((document, result)) = requests.next().await {
        match result {
            Ok(()) => {}
            // Somebody else, or an attempt whose response was lost, deleted it.
            Err(ClientError::Refused(problem)) if problem.status == 404 => {}
            Err(ClientError::Refused(problem)) => failures.push((document.file_path.clone(), problem.detail)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(failures)
}
