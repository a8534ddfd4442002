//! Dead letters: messages that used up their deliveries. The items they are about fail.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use db::operations::{ItemFailure, ItemWork, StagedItem, StagingOutcome};
use dispatch::FailedDocument;
use domain::{
    AttemptDelivery, CheckObjects, ChunkDocument, EmbedBatch, ErrorCategory, ItemId, ItemState, OperationId,
    OperationType, ScanMessage, document_id,
};
use lambda::StageError;
use lambda::metric::{self, Metric};
use queue::S3Notification;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::State;

/// Items whose points are deleted together.
const PAGE: i64 = 500;

/// Objects in one message.
const KEYS: usize = 25;

/// A dead letter. The order of the variants matters: each is recognised by fields that later ones lack.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum DeadLetter {
    Scan(ScanMessage),
    Embed(EmbedBatch),
    Chunk(ChunkDocument),
    /// An attempt to deliver to a webhook.
    Notify(AttemptDelivery),
    /// Events about objects in the staging bucket.
    Objects(S3Notification),
    /// A request to look at such objects.
    Look(CheckObjects),
    /// A request to check uploads, which sweep repeats, or a message of another version.
    Other(Value),
}

/// Records the failures that the dead letters mean. Returns the batch item failures: the records to be
/// delivered again.
pub(crate) async fn record_dead_letters(state: &State, event: SqsEvent) -> Vec<Value> {
    let mut failures = Vec::new();
    for record in event.records {
        if let Err(error) = record_dead_letter(state, &record).await {
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

async fn record_dead_letter(state: &State, record: &SqsMessage) -> Result<(), StageError> {
    let body = record.body.as_deref().unwrap_or_default();
    let letter =
        serde_json::from_str(body).unwrap_or_else(|_| DeadLetter::Other(Value::String(body.to_owned())));
    let stage = record.event_source_arn.as_deref().and_then(stage_of_queue).unwrap_or(letter.stage());
    tracing::warn!(
        message.id = record.message_id,
        queue = record.event_source_arn,
        stage,
        "received a dead letter"
    );
    record_failure(state, letter).await?;
    // Not before: until then, the dead-letter queue delivers it again.
    metric::add_of(Metric::DeadLetters, &[stage], 1);
    Ok(())
}

async fn record_failure(state: &State, letter: DeadLetter) -> Result<(), StageError> {
    match letter {
        DeadLetter::Scan(ScanMessage::RunOperation { operation_id }) => {
            fail_operation(state, operation_id).await
        }
        DeadLetter::Scan(ScanMessage::StageItems { operation_id, item_ids }) => {
            fail_items(state, operation_id, &item_ids, |work| work.state == ItemState::Listed, "read").await
        }
        DeadLetter::Chunk(message) => {
            let is_affected = |work: &ItemWork| work.state == ItemState::Staged;
            fail_items(state, message.operation_id, &[message.item_id], is_affected, "chunked").await
        }
        DeadLetter::Embed(message) => {
            let is_affected = |work: &ItemWork| {
                work.state == ItemState::Chunked && work.missing_batches.contains(&message.batch)
            };
            fail_items(state, message.operation_id, &[message.item_id], is_affected, "embedded").await
        }
        // Its attempt has not begun, or its end was not recorded: the next one is due by its row.
        DeadLetter::Notify(message) => {
            tracing::warn!(delivery.id = %message.delivery_id, "an attempt to deliver was not made or not recorded");
            Ok(())
        }
        DeadLetter::Objects(events) => {
            let keys = events.records.iter().filter_map(|event| event.s3.object.decoded_key());
            look_again(state, keys.collect()).await
        }
        DeadLetter::Look(request) => look_again(state, request.check_objects).await,
        DeadLetter::Other(body) => {
            tracing::error!(body = clip(&body.to_string()), "dropped a dead letter of an unknown kind");
            Ok(())
        }
    }
}

/// Returns the stage whose dead-letter queue this is; CloudFormation names queues after their resources. The messages
/// alone do not tell those of chunk, extract and recognize apart.
fn stage_of_queue(arn: &str) -> Option<&'static str> {
    let queues = [
        ("IntakeDeadLetter", "intake"),
        ("ScanDeadLetter", "scan"),
        ("ExtractDeadLetter", "extract"),
        ("RecognizeDeadLetter", "recognize"),
        ("ChunkDeadLetter", "chunk"),
        ("EmbedDeadLetter", "embed"),
        ("NotifyDeadLetter", "notify"),
    ];
    queues.into_iter().find(|(queue, _)| arn.contains(queue)).map(|(_, stage)| stage)
}

impl DeadLetter {
    fn stage(&self) -> &'static str {
        match self {
            Self::Scan(_) => "scan",
            Self::Chunk(_) => "chunk",
            Self::Objects(_) | Self::Look(_) => "intake",
            Self::Embed(_) => "embed",
            Self::Notify(_) => "notify",
            Self::Other(_) => "other",
        }
    }
}

/// Has intake look at the objects again: what is in the bucket matters, not what the lost events said.
async fn look_again(state: &State, keys: Vec<String>) -> Result<(), StageError> {
    let request = |keys: &[String]| CheckObjects { check_objects: keys.to_vec() };
    state.queues.send_objects(&keys.chunks(KEYS).map(request).collect::<Vec<_>>()).await?;
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
            // Scan deletes the index that the rebuild has written.
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

/// Sends messages about items that have ended to embed, which then deletes the points it wrote for them.
async fn delete_orphaned_points(
    state: &State,
    operation_id: OperationId,
    ids: &[ItemId],
) -> Result<(), StageError> {
    let message = |id: &ItemId| EmbedBatch::new(operation_id, *id, 0);
    state.queues.send_embed(&ids.iter().map(message).collect::<Vec<_>>()).await?;
    Ok(())
}

/// Fails those of the items that are still in the state that the message was about. The others have
/// progressed by another message.
async fn fail_items(
    state: &State,
    operation_id: OperationId,
    ids: &[ItemId],
    is_affected: impl Fn(&ItemWork) -> bool,
    step: &str,
) -> Result<(), StageError> {
    let works = state.db.connection().await?.operation_items().find_work(ids).await?;
    let mut partly_embedded = Vec::new();
    for work in works.iter().filter(|work| is_affected(work)) {
        let (reason, category) = match &work.last_error {
            Some(cause) => (reason_with_cause(step, cause), ErrorCategory::Transient),
            None => (reason(step), ErrorCategory::Unknown),
        };
        let mut tx = state.db.begin().await?;
        if work.state == ItemState::Listed && !work.is_reindex {
            // Its document may not exist yet: it is created as a failed one.
            let outcome = StagingOutcome::Failed { reason: reason.clone(), category };
            tx.operation_items().mark_staged(&unstaged(work, &outcome)).await?;
        } else {
            let failure = ItemFailure::Failed { reason: reason.clone(), category };
            tx.operation_items().mark_failed(work.item_id, &failure).await?;
        }
        tx.commit().await?;
        if work.state == ItemState::Chunked {
            partly_embedded.push(work.item_id);
        }
        dispatch::log_failed(FailedDocument {
            stage: "sweep",
            operation_id,
            item_id: work.item_id,
            document_id: Some(document_id(work.collection_id, &work.uri)),
            reason: &reason,
            category,
        });
    }
    delete_orphaned_points(state, operation_id, &partly_embedded).await?;
    dispatch::end_operation(&state.db, &state.queues, operation_id).await?;
    Ok(())
}

fn unstaged<'a>(work: &'a ItemWork, outcome: &'a StagingOutcome) -> StagedItem<'a> {
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
    format!("failed repeatedly: it could not be {step} in several attempts; retry it later")
}

fn reason_with_cause(step: &str, cause: &str) -> String {
    format!("failed repeatedly: it could not be {step} in several attempts, because {cause}; retry it later")
}

/// Enough of an unknown body to recognise it in a log.
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
    fn every_message_is_recognised_by_its_fields() {
        let operation_id: OperationId = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap();
        let run = serde_json::to_string(&ScanMessage::RunOperation { operation_id }).unwrap();
        let items =
            serde_json::to_string(&ScanMessage::StageItems { operation_id, item_ids: vec![ItemId(7)] })
                .unwrap();
        let chunk = serde_json::to_string(&ChunkDocument { operation_id, item_id: ItemId(7) }).unwrap();
        let embed = serde_json::to_string(&EmbedBatch::new(operation_id, ItemId(7), 0)).unwrap();
        assert_eq!(
            [stage(&run), stage(&items), stage(&chunk), stage(&embed)],
            ["scan", "scan", "chunk", "embed"]
        );
        assert_eq!(stage(r#"{"Records": []}"#), "intake");
        assert_eq!(stage(r#"{"check_objects": ["uploads/x/a.txt"]}"#), "intake");
        assert_eq!(stage(r#"{"Records": "none"}"#), "other");
    }

    #[test]
    fn the_recorded_dead_letter_is_a_chunk_message() {
        let event: SqsEvent =
            serde_json::from_str(include_str!("../../../events/sweep-dead-letter.json")).unwrap();
        let record = &event.records[0];
        assert_eq!(stage(record.body.as_deref().unwrap()), "chunk");
        assert_eq!(record.event_source_arn.as_deref().and_then(stage_of_queue), Some("chunk"));
    }
}
