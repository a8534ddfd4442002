//! Statuses and other closed sets of labels. Each is a PostgreSQL enum with the same lower-case labels.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A label that is not in the set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown {what}; {allowed} allowed, got {got:?}")]
pub struct ParseStatusError {
    /// The kind of label, for example "operation status".
    pub what: &'static str,
    /// The label received.
    pub got: String,
    /// The allowed labels, separated by commas.
    pub allowed: String,
}

/// Declares an enum with its labels, `as_str`, `ALL`, `Display` and `FromStr`.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $label)] $variant,)+
        }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the label in JSON and in the database.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $label,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = ParseStatusError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($label => Ok(Self::$variant),)+
                    _ => Err(ParseStatusError {
                        what: $what,
                        got: text.to_owned(),
                        allowed: [$($label,)+].join(", "),
                    }),
                }
            }
        }
    };
}
pub(crate) use labels;

labels!(
    /// Status of a collection, derived from its operations and documents.
    CollectionStatus, "collection status" {
        /// Created; its index operation has not completed.
        Pending = "pending",
        /// All its documents are searchable.
        Ready = "ready",
        /// An operation is running. Documents that were searchable before still are.
        Processing = "processing",
        /// Its index could not be created.
        Error = "error",
        /// Searchable, but some documents failed.
        Degraded = "degraded",
    }
);

labels!(
    /// Status of a document.
    DocumentStatus, "document status" {
        /// Registered, not searchable yet.
        Pending = "pending",
        /// Being chunked or embedded for the first time.
        Processing = "processing",
        /// Searchable.
        Completed = "completed",
        /// Not searchable; the reason is in `error_message`.
        Failed = "failed",
        /// No content to index; the reason is in `error_message`.
        Skipped = "skipped",
        /// Its operation was cancelled before it was indexed.
        Cancelled = "cancelled",
        /// Soft-deleted; its points are deleted.
        Deleted = "deleted",
    }
);

labels!(
    /// What an operation does to its collection.
    OperationType, "operation type" {
        /// Creates the collection's index.
        Index = "index",
        /// Adds or updates the documents of one source.
        Append = "append",
        /// Builds a new index with other settings beside the current one, then swaps them.
        Reindex = "reindex",
        /// Removes a source and its documents.
        RemoveSource = "remove_source",
        /// Purges the collection.
        Delete = "delete",
        /// Retries failed documents.
        RetryDocuments = "retry_documents",
        /// Deletes the points of soft-deleted documents.
        RemoveDocuments = "remove_documents",
        /// Restores soft-deleted documents from their staged bytes.
        RestoreDocuments = "restore_documents",
        /// Writes all points again from the staged vectors.
        Rebuild = "rebuild",
        /// Makes the points, staged objects and counters agree with the documents again.
        Repair = "repair",
    }
);

labels!(
    /// Status of an operation. The last three are final.
    OperationStatus, "operation status" {
        /// Waiting for the operations before it.
        Pending = "pending",
        /// Running; at most one operation per collection.
        Processing = "processing",
        /// Completed; some documents may have failed, see its counts.
        Completed = "completed",
        /// It could not run or continue.
        Failed = "failed",
        /// Cancelled by a user.
        Cancelled = "cancelled",
    }
);

labels!(
    /// State of an item of an operation's work list.
    ItemState, "item state" {
        /// Listed: only the entry of the source is known.
        Listed = "listed",
        /// Its bytes are staged and its document is registered.
        Staged = "staged",
        /// Its chunks are staged.
        Chunked = "chunked",
        /// Its new version is searchable.
        Completed = "completed",
        /// Unchanged since it was indexed.
        Unchanged = "unchanged",
        /// Same bytes as another document. Earlier versions ended items so; such documents are indexed now.
        Duplicate = "duplicate",
        /// Its document and the document's points are deleted.
        Removed = "removed",
        /// No content to index; the error says why.
        Skipped = "skipped",
        /// It could not be indexed; the error says why.
        Failed = "failed",
        /// Its operation was cancelled before.
        Cancelled = "cancelled",
    }
);

labels!(
    /// Why a document was deleted.
    DeletionReason, "deletion reason" {
        /// By a user: it is not added again by its source, until it is restored or uploaded.
        User = "user",
        /// Its source was removed.
        SourceRemoved = "source_removed",
        /// Its source no longer lists it, or the document that contained it no longer does.
        Missing = "missing",
        /// The document that contains it was deleted.
        Container = "container",
    }
);

labels!(
    /// Whether a retry of a failed document can help.
    ErrorCategory, "error category" {
        /// A dependency was not available; a retry may succeed.
        Transient = "transient",
        /// The document itself is the cause.
        Permanent = "permanent",
        /// Not known.
        Unknown = "unknown",
    }
);

labels!(
    /// What an open operation waits for.
    WaitingFor, "wait" {
        /// The end of an older operation of the collection.
        AnotherOperation = "another_operation",
        /// Qdrant.
        VectorDatabase = "vector_database",
        /// The staging bucket.
        StagingBucket = "staging_bucket",
        /// SQS.
        Queue = "queue",
        /// The embedding model.
        Embedding = "embedding",
        /// The server that the source is read from.
        Source = "source",
        /// Another attempt, after an error of another kind.
        Retry = "retry",
    }
);

labels!(
    /// The category of an error after which work is tried again.
    TransientError, "transient error" {
        /// Something did not answer, or answered that it cannot work.
        Unavailable = "unavailable",
        /// A rate limit was exceeded.
        Throttled = "throttled",
        /// An unexpected error; the operator finds its cause in the logs.
        Internal = "internal",
    }
);

labels!(
    /// Status of an announced upload.
    UploadStatus, "upload status" {
        /// The presigned URL was issued; the file has not arrived.
        Expected = "expected",
        /// The file arrived and belongs to an operation.
        Received = "received",
        /// The presigned URL expired before the file arrived.
        Expired = "expired",
        /// The file was not accepted and is deleted; the reason is in `reason`.
        Refused = "refused",
        /// Withdrawn before the file arrived.
        Withdrawn = "withdrawn",
    }
);

labels!(
    /// Status of a push run.
    PushRunStatus, "push run status" {
        /// Documents can be named.
        Open = "open",
        /// The client ended it: what was not named is gone.
        Ended = "ended",
        /// Another run of the source replaced it; it had no effect.
        Replaced = "replaced",
        /// It was not ended in time; it had no effect.
        Expired = "expired",
    }
);

labels!(
    /// What happens to documents that are gone from their source. The default comes first.
    OnMissing, "value of on_missing" {
        /// They are removed, and can be restored.
        Remove = "remove",
        /// They stay searchable and are marked as stale.
        Keep = "keep",
    }
);

impl OnMissing {
    /// The setting's name in the configuration of a source.
    pub const FIELD: &'static str = "on_missing";
}

labels!(
    /// Precision of a collection's stored vectors.
    Quantization, "quantization" {
        /// 4 bytes per dimension.
        Float32 = "float32",
        /// 2 bytes per dimension.
        Float16 = "float16",
        /// 1 byte per dimension, by scalar quantization.
        Int8 = "int8",
    }
);

labels!(
    /// Status of a sync run. All but the first are final.
    SyncRunStatus, "sync run status" {
        /// Some of its operations are pending or running.
        Running = "running",
        /// Every source was read, and no document failed.
        Success = "success",
        /// Some sources or documents failed or were cancelled.
        Partial = "partial",
        /// No source could be read.
        Failed = "failed",
        /// Cancelled before any source was read.
        Cancelled = "cancelled",
    }
);

labels!(
    /// What started a sync run.
    SyncTrigger, "sync trigger" {
        /// The collection's schedule.
        Scheduler = "scheduler",
        /// A user.
        Manual = "manual",
    }
);

labels!(
    /// What can be granted to a user or an API key.
    Permission, "permission" {
        /// Search the collection, list its documents and operations.
        Read = "read",
        /// Also add sources and documents.
        Write = "write",
        /// Also manage permissions and settings.
        Admin = "admin",
    }
);

labels!(
    /// Type of a source's secret.
    SecretType, "secret type" {
        /// A password.
        Password = "password",
        /// An access token.
        Token = "token",
        /// A private SSH key.
        SshKey = "ssh_key",
        /// The passphrase of the private SSH key.
        SshPassphrase = "ssh_passphrase",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_read_back_as_themselves() {
        for status in ItemState::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
    }

    #[test]
    fn unknown_word_names_what_is_allowed() {
        let error = "float64".parse::<Quantization>().unwrap_err();
        assert_eq!(
            error.to_string(),
            r#"unknown quantization; float32, float16, int8 allowed, got "float64""#
        );
    }
}
