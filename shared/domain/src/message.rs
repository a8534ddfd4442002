//! Queue messages. Imperative, named for the stage that receives them; they carry ids, never
//! documents.

use serde::{Deserialize, Serialize};

use crate::{ItemId, OperationId, UploadId};

/// What the scan function is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum ScanMessage {
    /// Start the operation if it is its collection's turn, or go on where it stopped.
    RunOperation {
        /// The operation to run.
        operation_id: OperationId,
    },
    /// Read the bytes of these listed items, register their documents, stage them.
    StageItems {
        /// The operation that listed them.
        operation_id: OperationId,
        /// At most 25 items of that operation.
        item_ids: Vec<ItemId>,
    },
}

/// Turn one staged document into staged chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkDocument {
    /// The operation that staged it.
    pub operation_id: OperationId,
    /// Its entry in the operation's work list.
    pub item_id: ItemId,
}

/// Embed one batch of staged chunks and write its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbedBatch {
    /// The operation that chunked the document.
    pub operation_id: OperationId,
    /// The document's entry in the operation's work list.
    pub item_id: ItemId,
    /// Which of the document's chunk batches, from 0.
    pub batch: u32,
}

/// Look whether these uploads have arrived: what the bucket says of an upload may get lost, or the
/// upload may never have been made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckUploads {
    /// At most 25 announced uploads.
    pub check_uploads: Vec<UploadId>,
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
}
