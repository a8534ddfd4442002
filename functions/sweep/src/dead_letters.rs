//! Messages that a stage could not handle at any delivery: what they asked for has failed.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use chrono::Utc;
use db::operations::{ItemFailure, ItemWork, StagedItem, StagingOutcome};
use db::uploads::NewUpload;
use dispatch::FailedDocument;
use domain::{
    ChunkDocument, EmbedBatch, ErrorCategory, ItemId, ItemState, OperationId, OperationType, ScanMessage,
    UploadId, document_id, upload_name_from_key,
};
use lambda::StageError;
use queue::S3Notification;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::State;

/// Items that are asked after at a time.
const PAGE: i64 = 500;

/// What was given up. The order matters: each kind is told by fields that those after it lack.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum DeadLetter {
    Scan(ScanMessage),
    Embed(EmbedBatch),
    Chunk(ChunkDocument),
    /// Files that lie in the bucket.
    Objects(S3Notification),
    /// A question after uploads, which is asked again, or a message of another version of this
    /// program.
    Other(Value),
}

/// Records the failures. Returns the records that must come again, in the form that SQS reads.
pub(crate) async fn take_dead_letters(state: &State, event: SqsEvent) -> Vec<Value> {
    let mut failures = Vec::new();
    for record in event.records {
        if let Err(error) = take(state, &record).await {
            tracing::error!(
                message.id = record.message_id,
                error = error.chain(),
                "a dead letter could not be recorded"
            );
            failures.push(json!({"itemIdentifier": record.message_id}));
        }
    }
    failures
}

async fn take(state: &State, record: &SqsMessage) -> Result<(), StageError> {
    let body = record.body.as_deref().unwrap_or_default();
    let given_up =
        serde_json::from_str(body).unwrap_or_else(|_| DeadLetter::Other(Value::String(body.to_owned())));
    tracing::warn!(
        message.id = record.message_id,
        queue = record.event_source_arn,
        kind = given_up.stage(),
        "a message was given up"
    );
    match given_up {
        DeadLetter::Scan(ScanMessage::RunOperation { operation_id }) => {
            fail_operation(state, operation_id).await
        }
        DeadLetter::Scan(ScanMessage::StageItems { operation_id, item_ids }) => {
            fail_items(state, operation_id, &item_ids, |work| work.state == ItemState::Listed, "read").await
        }
        DeadLetter::Chunk(message) => {
            let is_meant = |work: &ItemWork| work.state == ItemState::Staged;
            fail_items(state, message.operation_id, &[message.item_id], is_meant, "chunked").await
        }
        DeadLetter::Embed(message) => {
            let is_meant = |work: &ItemWork| {
                work.state == ItemState::Chunked && work.missing_batches.contains(&message.batch)
            };
            fail_items(state, message.operation_id, &[message.item_id], is_meant, "embedded").await
        }
        DeadLetter::Objects(events) => expect_again(state, &events).await,
        DeadLetter::Other(body) => {
            tracing::error!(
                body = clip(&body.to_string()),
                "a message that asks for nothing we know was given up"
            );
            Ok(())
        }
    }
}

impl DeadLetter {
    fn stage(&self) -> &'static str {
        match self {
            Self::Scan(_) => "scan",
            Self::Chunk(_) => "chunk",
            Self::Objects(_) => "intake",
            Self::Embed(_) => "embed",
            Self::Other(_) => "other",
        }
    }
}

/// Makes uploads of files that the bucket told of in vain: what is expected is asked after until
/// somebody has looked for it.
async fn expect_again(state: &State, events: &S3Notification) -> Result<(), StageError> {
    let mut tx = state.db.begin().await?;
    let mut expected = Vec::new();
    for event in events.records.iter().filter(|event| event.is_created()) {
        let object = &event.s3.object;
        let Some(object_key) = object.decoded_key() else { continue };
        let Some((collection_id, name)) = upload_name_from_key(&object_key) else { continue };
        let collection = tx.collections().find_any(collection_id).await?;
        let Some(collection) = collection.filter(|collection| collection.deleted_at.is_none()) else {
            continue;
        };
        expected.push(NewUpload {
            id: UploadId(Uuid::now_v7()),
            collection_id,
            user_id: collection.owner_id,
            name: name.to_owned(),
            object_key: object_key.clone(),
            size_bytes: object.size,
            content_type: "application/octet-stream".to_owned(),
            sha256: None,
            metadata: None,
            // Its bytes lie there: nobody will put them.
            expires_at: Utc::now(),
        });
    }
    tx.uploads().insert_many(&expected).await?;
    tx.commit().await?;
    Ok(())
}

async fn fail_operation(state: &State, operation_id: OperationId) -> Result<(), StageError> {
    let mut tx = state.db.begin().await?;
    let reason = reason("run");
    let finished = tx.operations().mark_failed(operation_id, &reason, ErrorCategory::Unknown).await?;
    tx.commit().await?;
    if let Some(finished) = finished {
        dispatch::start_next(&state.db, &state.queues, finished.collection_id).await?;
        if finished.operation_type == OperationType::Rebuild {
            // What it has written in Qdrant is scan's to take back.
            state.queues.send_scan(&[ScanMessage::RunOperation { operation_id }]).await?;
        }
    }
    let mut after = ItemId(0);
    loop {
        let mut connection = state.db.connection().await?;
        let page = connection.operation_items().list_abandoned(operation_id, after, PAGE).await?;
        drop(connection);
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        let ids: Vec<ItemId> = page.iter().map(|item| item.id).collect();
        delete_orphaned_points(state, operation_id, &ids).await?;
    }
}

/// Asks embed after items that have ended: it deletes what it has written of them.
async fn delete_orphaned_points(
    state: &State,
    operation_id: OperationId,
    ids: &[ItemId],
) -> Result<(), StageError> {
    let message = |id: &ItemId| EmbedBatch { operation_id, item_id: *id, batch: 0 };
    state.queues.send_embed(&ids.iter().map(message).collect::<Vec<_>>()).await?;
    Ok(())
}

/// Fails those of the items that are still where the message found them: others got further by
/// another message.
async fn fail_items(
    state: &State,
    operation_id: OperationId,
    ids: &[ItemId],
    is_meant: impl Fn(&ItemWork) -> bool,
    step: &str,
) -> Result<(), StageError> {
    let works = state.db.connection().await?.operation_items().find_work(ids).await?;
    let reason = reason(step);
    let mut begun = Vec::new();
    for work in works.iter().filter(|work| is_meant(work)) {
        let mut tx = state.db.begin().await?;
        if work.state == ItemState::Listed && !work.is_reindex {
            // Its document may not be known yet: it becomes one that failed.
            let outcome = StagingOutcome::Failed { reason: reason.clone(), category: ErrorCategory::Unknown };
            tx.operation_items().mark_staged(&never_staged(work, &outcome)).await?;
        } else {
            let failure = ItemFailure::Failed { reason: reason.clone(), category: ErrorCategory::Unknown };
            tx.operation_items().mark_failed(work.item_id, &failure).await?;
        }
        tx.commit().await?;
        if work.state == ItemState::Chunked {
            begun.push(work.item_id);
        }
        dispatch::log_failed(FailedDocument {
            stage: "sweep",
            operation_id,
            item_id: work.item_id,
            document_id: Some(document_id(work.collection_id, &work.uri)),
            reason: &reason,
        });
    }
    delete_orphaned_points(state, operation_id, &begun).await?;
    dispatch::end_operation(&state.db, &state.queues, operation_id).await?;
    Ok(())
}

fn never_staged<'a>(work: &'a ItemWork, outcome: &'a StagingOutcome) -> StagedItem<'a> {
    StagedItem {
        item_id: work.item_id,
        collection_id: work.collection_id,
        source_id: work.source_id,
        document_id: document_id(work.collection_id, &work.uri),
        content_hash: None,
        size_bytes: work.size_bytes,
        mime_type: work.mime_type.as_deref(),
        change_hint: None,
        outcome,
    }
}

fn reason(step: &str) -> String {
    format!("gave up: it could not be {step} at any of several tries; try it again later")
}

/// A foreign body may be anything: enough of it to recognise it.
fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(200)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(body: &str) -> &'static str {
        serde_json::from_str::<DeadLetter>(body).unwrap().stage()
    }

    #[test]
    fn every_message_is_told_by_its_fields() {
        let operation_id: OperationId = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap();
        let run = serde_json::to_string(&ScanMessage::RunOperation { operation_id }).unwrap();
        let items =
            serde_json::to_string(&ScanMessage::StageItems { operation_id, item_ids: vec![ItemId(7)] })
                .unwrap();
        let chunk = serde_json::to_string(&ChunkDocument { operation_id, item_id: ItemId(7) }).unwrap();
        let embed =
            serde_json::to_string(&EmbedBatch { operation_id, item_id: ItemId(7), batch: 0 }).unwrap();
        assert_eq!(
            [stage(&run), stage(&items), stage(&chunk), stage(&embed)],
            ["scan", "scan", "chunk", "embed"]
        );
        assert_eq!(stage(r#"{"Records": []}"#), "intake");
        assert_eq!(stage(r#"{"Records": "none"}"#), "other");
    }

    #[test]
    fn the_recorded_dead_letter_is_a_chunk_message() {
        let event: SqsEvent =
            serde_json::from_str(include_str!("../../../events/sweep-dead-letter.json")).unwrap();
        assert_eq!(stage(event.records[0].body.as_deref().unwrap()), "chunk");
    }
}
