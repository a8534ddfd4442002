//! Queue messages. Their names are imperative, after the stage that receives them. They carry IDs, never
//! document content.

use serde::{Deserialize, Serialize};

use crate::{ItemId, OperationId, UploadId, WebhookDeliveryId, WebhookId};

/// Messages of the scan function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum ScanMessage {
    /// Claim the operation if it is the next one of its collection, or resume it.
    RunOperation {
        /// The operation to run.
        operation_id: OperationId,
    },
    /// Read the bytes of these listed items, register their documents and stage the bytes.
    StageItems {
        /// The operation that the items belong to.
        operation_id: OperationId,
        /// At most 25 items of that operation.
        item_ids: Vec<ItemId>,
    },
}

/// Chunk one staged document and stage the chunks; if it needs a parser, extract its text first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkDocument {
    /// The operation of the item.
    pub operation_id: OperationId,
    /// The document's item.
    pub item_id: ItemId,
}

/// Embed one batch of staged chunks and write its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedBatch {
    /// The operation of the item.
    pub operation_id: OperationId,
    /// The document's item.
    pub item_id: ItemId,
    /// Index of the chunk batch, from 0.
    pub batch: u32,
    /// Whether an earlier message of this batch left some of its vectors, because its invocation had no time for the
    /// others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_begun: bool,
}

impl EmbedBatch {
    /// Creates the first message of a batch.
    pub const fn new(operation_id: OperationId, item_id: ItemId, batch: u32) -> Self {
        Self { operation_id, item_id, batch, is_begun: false }
    }

    /// How many batches of a document are in the queue at a time: enough for several functions, and few enough that a
    /// large document does not keep them from all others. Each is followed by that with this distance.
    pub const AT_A_TIME: u32 = 32;

    /// Returns which of the missing batches to send first: the others follow those.
    pub fn first(missing: &[u32]) -> Vec<u32> {
        let mut first: Vec<u32> = Vec::new();
        for batch in missing {
            if !first.iter().any(|before| before % Self::AT_A_TIME == batch % Self::AT_A_TIME) {
                first.push(*batch);
            }
        }
        first
    }

    /// Returns the message that follows this one when its batch is done; `None` if none of the missing ones does.
    pub fn next(self, missing: &[u32]) -> Option<Self> {
        let follows =
            |other: &&u32| **other > self.batch && (**other - self.batch).is_multiple_of(Self::AT_A_TIME);
        let batch = missing.iter().filter(follows).min()?;
        Some(Self::new(self.operation_id, self.item_id, *batch))
    }
}

/// Check what became of these uploads: the S3 event of an upload can be lost, a client may never upload, its
/// permission may have ended, and the object may be left over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckUploads {
    /// At most 25 announced uploads.
    pub check_uploads: Vec<UploadId>,
}

/// Look at these objects of the staging bucket, whose S3 events could not be handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckObjects {
    /// Keys of announced files and drops.
    pub check_objects: Vec<String>,
}

/// Make an attempt to deliver an event to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptDelivery {
    /// The delivery.
    pub delivery_id: WebhookDeliveryId,
    /// Its webhook.
    pub webhook_id: WebhookId,
    /// The number of attempts before this one: a message about an attempt that was made has no effect.
    pub attempts: u32,
}

/// Run the steps of sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSweep {
    /// Not before this time, in seconds since 1970.
    pub sweep_at: i64,
}

/// A message of the pipeline.
pub trait WorkMessage {
    /// Returns the operation that the message is about, if there is one already.
    fn operation_id(&self) -> Option<OperationId>;
}

impl WorkMessage for ScanMessage {
    fn operation_id(&self) -> Option<OperationId> {
        match self {
            Self::RunOperation { operation_id } | Self::StageItems { operation_id, .. } => {
                Some(*operation_id)
            }
        }
    }
}

impl WorkMessage for ChunkDocument {
    fn operation_id(&self) -> Option<OperationId> {
        Some(self.operation_id)
    }
}

impl WorkMessage for EmbedBatch {
    fn operation_id(&self) -> Option<OperationId> {
        Some(self.operation_id)
    }
}

impl WorkMessage for AttemptDelivery {
    fn operation_id(&self) -> Option<OperationId> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scan_messages_are_tagged_by_task() {
        let message = ScanMessage::StageItems {
            operation_id: "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap(),
            item_ids: vec![ItemId(7), ItemId(8)],
        };
        let json = serde_json::to_string(&message).unwrap();
        insta::assert_snapshot!(json, @r#"{"task":"stage_items","operation_id":"6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f","item_ids":[7,8]}"#);
        assert_eq!(serde_json::from_str::<ScanMessage>(&json).unwrap(), message);
    }

    #[test]
    fn every_batch_of_a_large_document_is_sent_once_and_few_at_a_time() {
        let operation_id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap();
        let mut missing: Vec<u32> = (0..100).filter(|batch| *batch != 5 && *batch != 37).collect();
        let mut sent = EmbedBatch::first(&missing);
        assert_eq!(sent.len(), 32);
        assert!(sent.contains(&69), "5 and 37 are done");
        let mut done = Vec::new();
        while let Some(batch) = sent.pop() {
            missing.retain(|other| *other != batch);
            done.push(batch);
            let next = EmbedBatch::new(operation_id, ItemId(1), batch).next(&missing);
            sent.extend(next.map(|message| message.batch));
            assert!(sent.len() <= 32);
        }
        done.sort_unstable();
        assert_eq!((done.len(), missing.len()), (98, 0));
        assert!(done.windows(2).all(|pair| pair[0] < pair[1]), "each once");
    }

    #[test]
    fn only_messages_of_begun_batches_say_so() {
        let operation_id = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f".parse().unwrap();
        let first = EmbedBatch::new(operation_id, ItemId(7), 2);
        let json = serde_json::to_string(&first).unwrap();
        insta::assert_snapshot!(json, @r#"{"operation_id":"6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f","item_id":7,"batch":2}"#);
        let begun = EmbedBatch { is_begun: true, ..first };
        for message in [first, begun] {
            let json = serde_json::to_string(&message).unwrap();
            assert_eq!(serde_json::from_str::<EmbedBatch>(&json).unwrap(), message);
        }
    }
}
