//! Lists the staged objects of a range of documents.
//!
//! Keys name documents by their ids, so the objects of a range of documents are a range of keys.

use artifacts::{ArtifactError, ArtifactStore};
use domain::{ArtifactKey, CollectionId, DocumentId};

/// Keys of one kind after which the range ends with the current document.
const MAX_KEYS: usize = 5000;

/// Objects with the prefix of a staged one.
#[derive(Debug, Default)]
pub(crate) struct StagedObjects {
    /// Staged objects.
    pub(crate) keys: Vec<ArtifactKey>,
    /// Keys that no staged object has.
    pub(crate) unknown: Vec<String>,
}

/// Lists the staged objects of the documents after `after` and up to `until`, whether or not the documents
/// exist. Returns the last document of the range too: an earlier one if there are many objects; `None` if
/// there is no other document after the range.
pub(crate) async fn list_staged(
    artifacts: &ArtifactStore,
    collection_id: CollectionId,
    after: Option<DocumentId>,
    until: Option<DocumentId>,
) -> Result<(StagedObjects, Option<DocumentId>), ArtifactError> {
    let mut until = until;
    let mut paths = Vec::new();
    for kind in ArtifactKey::STAGED_PREFIXES {
        let prefix = format!("{kind}/{collection_id}/");
        let (listed, last) = list_kind(artifacts, &prefix, after, until).await?;
        paths.extend(listed);
        until = last.or(until);
    }
    let mut objects = StagedObjects::default();
    for path in paths {
        let kind = path.split('/').next().unwrap_or_default();
        let is_in_range =
            until.is_none_or(|until| path <= end_of(&format!("{kind}/{collection_id}/"), until));
        match ArtifactKey::parse(&path) {
            _ if !is_in_range => {}
            Some(key) => objects.keys.push(key),
            None => objects.unknown.push(path),
        }
    }
    Ok((objects, until))
}

/// Lists the keys of one kind. Returns the last document if the range ends early.
async fn list_kind(
    artifacts: &ArtifactStore,
    prefix: &str,
    after: Option<DocumentId>,
    until: Option<DocumentId>,
) -> Result<(Vec<String>, Option<DocumentId>), ArtifactError> {
    let mut start = after.map(|after| end_of(prefix, after));
    let end = until.map(|until| end_of(prefix, until));
    let mut paths: Vec<String> = Vec::new();
    let mut last: Option<DocumentId> = None;
    loop {
        let page = artifacts.list(prefix, start.as_deref()).await?;
        for object in page.objects {
            if end.as_ref().is_some_and(|end| object.key > *end) {
                return Ok((paths, None));
            }
            let document = document_of(prefix, &object.key);
            if paths.len() >= MAX_KEYS && document.is_some() && last.is_some() && document != last {
                return Ok((paths, last));
            }
            last = document.or(last);
            start = Some(object.key.clone());
            paths.push(object.key);
        }
        if !page.is_truncated {
            return Ok((paths, None));
        }
    }
}

/// Returns a key after all keys of a document, and before those of the next one.
fn end_of(prefix: &str, document_id: DocumentId) -> String {
    format!("{prefix}{document_id}/~")
}

fn document_of(prefix: &str, key: &str) -> Option<DocumentId> {
    key.strip_prefix(prefix)?.split('/').next()?.parse().ok()
}
