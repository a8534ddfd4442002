//! From uploaded files to append operations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use artifacts::ArtifactError;
use chrono::Utc;
use db::Tx;
use db::operations::NewItem;
use dispatch::{Initiator, StartOperation, lock_if_exists};
use domain::{
    ArtifactKey, CheckUploads, CollectionId, OperationId, OperationType, UploadId, to_nfc,
    upload_name_from_key,
};
use lambda::StageError;
use lambda::event::Invocation;
use queue::S3Notification;
use serde_json::json;

use crate::State;
use crate::notification::Notification;

/// A file in the staging bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UploadedFile {
    name: String,
    object_key: String,
    size_bytes: i64,
    etag: Option<String>,
}

/// The files of one invocation, by collection and name in Normalization Form C. Of two events about one name the later
/// wins.
type Files = BTreeMap<CollectionId, BTreeMap<String, UploadedFile>>;

/// Handles the messages of one invocation together: one transaction for each collection, however many
/// files were uploaded to it.
pub async fn handle(
    state: Arc<State>,
    messages: Vec<Notification>,
    _: Invocation,
) -> Vec<Result<(), StageError>> {
    let mut files = Files::new();
    let mut results: Vec<Result<(), StageError>> = Vec::with_capacity(messages.len());
    // The collections that each message is about: it fails if one of their transactions fails.
    let mut collections_by_message: Vec<BTreeSet<CollectionId>> = Vec::with_capacity(messages.len());
    for message in messages {
        let mut files_of_message = Files::new();
        let result = match message {
            Notification::Objects(events) => {
                read_events(&events, state.artifacts.bucket(), &mut files_of_message);
                Ok(())
            }
            Notification::Check(request) => check_uploads(&state, &request, &mut files_of_message).await,
            Notification::Test(test) => {
                tracing::info!(event = test.event, "the bucket's notifications are set up");
                Ok(())
            }
        };
        collections_by_message.push(files_of_message.keys().copied().collect());
        results.push(result);
        for (collection_id, new) in files_of_message {
            files.entry(collection_id).or_default().extend(new);
        }
    }
    for (collection_id, files) in files {
        let files: Vec<UploadedFile> = files.into_values().collect();
        let Err(error) = queue_files(&state, collection_id, &files).await else {
            continue;
        };
        for (result, collections) in results.iter_mut().zip(&collections_by_message) {
            if collections.contains(&collection_id) {
                *result = Err(error.copy());
            }
        }
    }
    results
}

/// Collects the uploads among the events. A folder marker is skipped; any other object that is not an
/// upload is logged and skipped.
fn read_events(events: &S3Notification, bucket: &str, files: &mut Files) {
    for event in &events.records {
        let object = &event.s3.object;
        if !event.is_created() || event.s3.bucket.name != bucket {
            tracing::warn!(
                event = event.event_name,
                bucket = event.s3.bucket.name,
                "skipped an event that is not an upload to the staging bucket"
            );
            continue;
        }
        let Some(key) = object.decoded_key() else {
            tracing::warn!(object.key = object.key, "skipped an object whose key is not valid UTF-8");
            continue;
        };
        if key.ends_with('/') {
            continue;
        }
        let Some((collection_id, name)) = upload_name_from_key(&key) else {
            tracing::warn!(object.key = key, "skipped an object under uploads/ without a collection id");
            continue;
        };
        let file = UploadedFile {
            name: name.to_owned(),
            object_key: key.clone(),
            size_bytes: object.size,
            etag: object.etag.as_deref().map(|etag| etag.trim_matches('"').to_owned()),
        };
        files.entry(collection_id).or_default().insert(to_nfc(name), file);
    }
}

/// Looks in S3 for uploads whose event is missing. Collects those that exist, and marks those expired
/// whose presigned URL is no longer valid.
async fn check_uploads(state: &State, request: &CheckUploads, files: &mut Files) -> Result<(), StageError> {
    let expected = state.db.connection().await?.uploads().list_expected(&request.check_uploads).await?;
    for upload in expected {
        let key = ArtifactKey::Upload { collection_id: upload.collection_id, name: upload.name.clone() };
        let found = match state.artifacts.head(&key).await {
            Ok(head) => {
                head.map(|head| (i64::try_from(head.size_bytes).unwrap_or(i64::MAX), Some(head.etag)))
            }
            // It is there: scan fails it with the reason. The other uploads are checked nevertheless.
            Err(ArtifactError::Refused { .. }) => Some((0, None)),
            Err(error) => return Err(error.into()),
        };
        if let Some((size_bytes, etag)) = found {
            tracing::info!(upload.id = %upload.id, "found an upload whose event is missing");
            let file =
                UploadedFile { name: upload.name.clone(), object_key: upload.object_key, size_bytes, etag };
            files.entry(upload.collection_id).or_default().insert(to_nfc(&upload.name), file);
        } else if upload.expires_at < Utc::now() {
            expire(state, upload.id).await?;
        }
    }
    Ok(())
}

async fn expire(state: &State, id: UploadId) -> Result<(), StageError> {
    if state.db.connection().await?.uploads().mark_expired(id).await? {
        tracing::info!(upload.id = %id, "upload expired");
    }
    Ok(())
}

/// Puts the files on the work list of the collection's pending append operation, or of a new one.
async fn queue_files(
    state: &State,
    collection_id: CollectionId,
    files: &[UploadedFile],
) -> Result<(), StageError> {
    let started = Instant::now();
    let collection = lock_if_exists(state.db.begin().await?, collection_id).await?;
    let Some(collection) = collection.filter(|collection| !collection.is_deleted()) else {
        tracing::warn!(
            collection.id = %collection_id,
            object.key = files.first().map(|file| file.object_key.as_str()),
            files = files.len(),
            "skipped files of a collection that does not exist"
        );
        return Ok(());
    };
    let owner_id = collection.owner_id();
    let mut source = collection.lock_upload_source().await?;
    let source_id = source.source().id;
    let pending = source.tx().operations().lock_pending_append(source_id).await?;
    let operation_id = match pending {
        Some(operation_id) => {
            list_files(source.tx(), operation_id, files).await?;
            source.into_tx().commit().await?;
            lambda::fault::point("intake-committed");
            operation_id
        }
        None => {
            let announcer = source.tx().uploads().find_announcer(&object_keys(files)).await?;
            let config = json!({ "source_type": "upload", "source_path": source.source().source_path });
            let operation = StartOperation {
                operation_type: OperationType::Append,
                initiator: Initiator::System { on_behalf_of: announcer.unwrap_or(owner_id) },
                config,
            };
            let (mut queued, operation) = source.start(operation).await?;
            list_files(queued.tx(), operation.id, files).await?;
            let audited = queued.audit("uploads_received", &json!({ "files": files.len() })).await?;
            let committed = audited.commit().await?;
            lambda::fault::point("intake-committed");
            committed.dispatch(&state.db, &state.queues).await;
            operation.id
        }
    };
    tracing::info!(
        collection.id = %collection_id,
        operation.id = %operation_id,
        operation.is_new = pending.is_none(),
        files = files.len(),
        ms = started.elapsed().as_millis(),
        "uploads received"
    );
    Ok(())
}

/// Puts the files on the operation's work list, and marks their announcements as received.
async fn list_files(
    tx: &mut Tx,
    operation_id: OperationId,
    files: &[UploadedFile],
) -> Result<(), StageError> {
    let items: Vec<NewItem> = files.iter().map(new_item).collect();
    tx.operation_items().upsert_many(operation_id, &items).await?;
    tx.uploads().mark_received(&object_keys(files), operation_id).await?;
    Ok(())
}

fn object_keys(files: &[UploadedFile]) -> Vec<String> {
    files.iter().map(|file| file.object_key.clone()).collect()
}

fn new_item(file: &UploadedFile) -> NewItem {
    // Both spellings of a name are one document; the location is the object's key as it is.
    let name = to_nfc(&file.name);
    NewItem {
        uri: format!("upload://{name}"),
        location: file.object_key.clone(),
        file_name: name.rsplit('/').next().unwrap_or(&name).to_owned(),
        size_bytes: file.size_bytes,
        file_path: None,
        mime_type: None,
        change_hint: file.etag.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(keys: &[&str]) -> S3Notification {
        let records: Vec<_> = keys
            .iter()
            .enumerate()
            .map(|(size, key)| {
                serde_json::json!({
                    "eventName": "ObjectCreated:Put",
                    "s3": {"bucket": {"name": "staging"}, "object": {"key": key, "size": size, "eTag": "\"e\""}},
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({"Records": records})).unwrap()
    }

    #[test]
    fn only_files_of_collections_are_collected_and_each_name_once() {
        let id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f";
        let keys = [
            format!("uploads/{id}/a.txt"),
            format!("uploads/{id}/folder/"),
            format!("uploads/{id}/folder/b+c.txt"),
            format!("uploads/{id}/a.txt"),
            "uploads/no-collection.txt".to_owned(),
            "uploads/%FF/x".to_owned(),
        ];
        let mut files = Files::new();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        read_events(&events(&keys), "staging", &mut files);
        let of_collection = files.remove(&id.parse().unwrap()).unwrap();
        assert!(files.is_empty());
        let sizes: Vec<(&str, i64)> =
            of_collection.iter().map(|(name, file)| (name.as_str(), file.size_bytes)).collect();
        assert_eq!(sizes, [("a.txt", 3), ("folder/b c.txt", 2)]);
        let item = new_item(&of_collection["folder/b c.txt"]);
        assert_eq!((item.uri.as_str(), item.file_name.as_str()), ("upload://folder/b c.txt", "b c.txt"));
        assert_eq!(item.change_hint.as_deref(), Some("e"));
    }

    #[test]
    fn events_of_another_bucket_are_skipped() {
        let mut files = Files::new();
        let key = "uploads/6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f/a.txt";
        read_events(&events(&[key]), "another-bucket", &mut files);
        assert!(files.is_empty());
    }
}
