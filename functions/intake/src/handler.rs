//! From arrived objects to append operations.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use chrono::Utc;
use db::operations::{NewItem, NewOperation};
use domain::{
    ArtifactKey, CheckUploads, CollectionId, OperationId, OperationType, UploadId, upload_name_from_key,
};
use lambda::StageError;
use lambda::event::Invocation;
use queue::S3Notification;

use crate::State;
use crate::notification::Notification;

/// A file that lies in the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Arrival {
    name: String,
    object_key: String,
    size_bytes: i64,
    etag: Option<String>,
}

/// The arrivals of one event, by collection; for each name the last one told of.
type Arrivals = BTreeMap<CollectionId, BTreeMap<String, Arrival>>;

/// Handles the messages of one event together: one transaction for each collection, however many
/// files have arrived for it.
pub async fn handle(
    state: Arc<State>,
    messages: Vec<Notification>,
    _: Invocation,
) -> Vec<Result<(), StageError>> {
    let mut arrivals = Arrivals::new();
    let mut results: Vec<Result<(), StageError>> = Vec::with_capacity(messages.len());
    // The collections that each message hangs on.
    let mut awaited: Vec<BTreeSet<CollectionId>> = Vec::with_capacity(messages.len());
    for message in messages {
        let mut told = Arrivals::new();
        let read = match message {
            Notification::Objects(events) => {
                read_events(&events, state.artifacts.bucket(), &mut told);
                Ok(())
            }
            Notification::Check(question) => look_after(&state, &question, &mut told).await,
            Notification::Test(test) => {
                tracing::info!(event = test.event, "the bucket can reach this queue");
                Ok(())
            }
        };
        awaited.push(told.keys().copied().collect());
        results.push(read);
        for (collection_id, files) in told {
            arrivals.entry(collection_id).or_default().extend(files);
        }
    }
    for (collection_id, files) in arrivals {
        let files: Vec<Arrival> = files.into_values().collect();
        let Err(error) = receive(&state, collection_id, &files).await else {
            continue;
        };
        let (kind, chain) = (error.kind(), error.chain());
        for (result, _) in
            results.iter_mut().zip(&awaited).filter(|(_, awaits)| awaits.contains(&collection_id))
        {
            *result = Err(StageError::new(kind, chain.clone()));
        }
    }
    results
}

/// Adds the uploads that the bucket tells of. What is no upload is not ours to index: a folder
/// marker is passed over, anything else is worth a line in the log.
fn read_events(events: &S3Notification, bucket: &str, arrivals: &mut Arrivals) {
    for event in &events.records {
        let object = &event.s3.object;
        if !event.is_created() || event.s3.bucket.name != bucket {
            tracing::warn!(
                event = event.event_name,
                bucket = event.s3.bucket.name,
                "an event that is not about uploads"
            );
            continue;
        }
        let Some(key) = object.decoded_key() else {
            tracing::warn!(object.key = object.key, "an object whose key is not UTF-8");
            continue;
        };
        if key.ends_with('/') {
            continue;
        }
        let Some((collection_id, name)) = upload_name_from_key(&key) else {
            tracing::warn!(object.key = key, "an object under uploads/ that names no collection");
            continue;
        };
        let arrival = Arrival {
            name: name.to_owned(),
            object_key: key.clone(),
            size_bytes: object.size,
            etag: object.etag.as_deref().map(|etag| etag.trim_matches('"').to_owned()),
        };
        arrivals.entry(collection_id).or_default().insert(name.to_owned(), arrival);
    }
}

/// Asks S3 for uploads that nothing was heard of. Those that lie there have arrived; those whose
/// URL has run out have not and never will.
async fn look_after(
    state: &State,
    question: &CheckUploads,
    arrivals: &mut Arrivals,
) -> Result<(), StageError> {
    let expected = state.db.connection().await?.uploads().list_expected(&question.check_uploads).await?;
    for upload in expected {
        let key = ArtifactKey::Upload { collection_id: upload.collection_id, name: upload.name.clone() };
        if let Some(head) = state.artifacts.head(&key).await? {
            tracing::info!(upload.id = %upload.id, "an upload arrived unnoticed");
            let arrival = Arrival {
                name: upload.name.clone(),
                object_key: upload.object_key,
                size_bytes: i64::try_from(head.size_bytes).unwrap_or(i64::MAX),
                etag: Some(head.etag),
            };
            arrivals.entry(upload.collection_id).or_default().insert(upload.name, arrival);
        } else if upload.expires_at < Utc::now() {
            expire(state, upload.id).await?;
        }
    }
    Ok(())
}

async fn expire(state: &State, id: UploadId) -> Result<(), StageError> {
    if state.db.connection().await?.uploads().mark_expired(id).await? {
        tracing::info!(upload.id = %id, "an upload never arrived");
    }
    Ok(())
}

/// Puts the files on the work list of the collection's waiting append operation, or of a new one.
async fn receive(state: &State, collection_id: CollectionId, files: &[Arrival]) -> Result<(), StageError> {
    let started = Instant::now();
    let mut tx = state.db.begin().await?;
    let collection = tx.collections().find_any(collection_id).await?;
    let Some(collection) = collection.filter(|collection| collection.deleted_at.is_none()) else {
        tracing::warn!(
            collection.id = %collection_id,
            object.key = files.first().map(|file| file.object_key.as_str()),
            files = files.len(),
            "files for a collection that does not exist"
        );
        return Ok(());
    };
    let source = tx.collection_sources().find_or_create_upload(collection_id).await?;
    let keys: Vec<String> = files.iter().map(|file| file.object_key.clone()).collect();
    let waiting = tx.operations().lock_pending_append(source.id).await?;
    let operation_id = match waiting {
        Some(operation_id) => operation_id,
        None => {
            let announcer = tx.uploads().find_announcer(&keys).await?;
            let new = NewOperation {
                id: OperationId(uuid::Uuid::new_v4()),
                collection_id,
                user_id: announcer.unwrap_or(collection.owner_id),
                source_id: Some(source.id),
                operation_type: OperationType::Append,
                config: serde_json::json!({"source_type": "upload", "source_path": source.source_path}),
            };
            tx.operations().insert(&new).await?.id
        }
    };
    let items: Vec<NewItem> = files.iter().map(new_item).collect();
    tx.operation_items().upsert_many(operation_id, &items).await?;
    tx.uploads().mark_received(&keys, operation_id).await?;
    tx.commit().await?;
    lambda::fault::point("intake-committed");
    if waiting.is_none() {
        dispatch::dispatch(&state.db, &state.queues, &[operation_id]).await?;
    }
    tracing::info!(
        collection.id = %collection_id,
        operation.id = %operation_id,
        operation.is_new = waiting.is_none(),
        files = files.len(),
        ms = started.elapsed().as_millis(),
        "uploads received"
    );
    Ok(())
}

fn new_item(file: &Arrival) -> NewItem {
    NewItem {
        uri: format!("upload://{}", file.name),
        location: file.object_key.clone(),
        file_name: file.name.rsplit('/').next().unwrap_or(&file.name).to_owned(),
        size_bytes: file.size_bytes,
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
    fn only_files_of_collections_are_taken_each_name_once() {
        let id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f";
        let keys = [
            format!("uploads/{id}/a.txt"),
            format!("uploads/{id}/folder/"),
            format!("uploads/{id}/folder/b+c.txt"),
            format!("uploads/{id}/a.txt"),
            "uploads/stray.txt".to_owned(),
            "uploads/%FF/x".to_owned(),
        ];
        let mut arrivals = Arrivals::new();
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        read_events(&events(&keys), "staging", &mut arrivals);
        let files = arrivals.remove(&id.parse().unwrap()).unwrap();
        assert!(arrivals.is_empty());
        let told: Vec<(&str, i64)> =
            files.iter().map(|(name, file)| (name.as_str(), file.size_bytes)).collect();
        assert_eq!(told, [("a.txt", 3), ("folder/b c.txt", 2)]);
        let item = new_item(&files["folder/b c.txt"]);
        assert_eq!((item.uri.as_str(), item.file_name.as_str()), ("upload://folder/b c.txt", "b c.txt"));
        assert_eq!(item.change_hint.as_deref(), Some("e"));
    }

    #[test]
    fn another_buckets_events_are_not_ours() {
        let mut arrivals = Arrivals::new();
        let key = "uploads/6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f/a.txt";
        read_events(&events(&[key]), "somebody-elses", &mut arrivals);
        assert!(arrivals.is_empty());
    }
}
