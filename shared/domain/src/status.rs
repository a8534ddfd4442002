//! Closed sets of words: each is a PostgreSQL enum with the same lower-case labels.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A word that is not in the set it was read as.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{got:?} is not a {what}; allowed: {allowed}")]
pub struct ParseStatusError {
    /// What the word should have been, e.g. "operation status".
    pub what: &'static str,
    /// The word that came.
    pub got: String,
    /// The words that are allowed, separated by commas.
    pub allowed: String,
}

/// Declares an enum with its labels, `as_str`, `ALL`, `Display` and `FromStr`.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$variant_doc])* #[serde(rename = $label)] $variant,)+
        }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The label in JSON and in the database.
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
pub(crate) use words;

words!(
    /// The state of a collection, derived from its operations and documents.
    CollectionStatus, "collection status" {
        /// Created; its index operation has not finished.
        Pending = "pending",
        /// Everything in it is searchable.
        Ready = "ready",
        /// An operation is running. What was searchable before still is.
        Processing = "processing",
        /// It could not be set up.
        Error = "error",
        /// Searchable, but some documents failed.
        Degraded = "degraded",
    }
);

words!(
    /// The state of a document.
    DocumentStatus, "document status" {
        /// Registered; not searchable yet.
        Pending = "pending",
        /// Its bytes are being chunked or embedded for the first time.
        Processing = "processing",
        /// Searchable (or a duplicate of a searchable document).
        Completed = "completed",
        /// Not searchable; `error_message` says why.
        Failed = "failed",
        /// Nothing to index; `error_message` says why.
        Skipped = "skipped",
        /// The operation was cancelled before it was indexed.
        Cancelled = "cancelled",
        /// Removed; its vectors are gone.
        Deleted = "deleted",
    }
);

words!(
    /// What an operation does to its collection.
    OperationType, "operation type" {
        /// Sets the collection up in Qdrant.
        Index = "index",
        /// Adds or refreshes the documents of one source.
        Append = "append",
        /// Rebuilds the collection with other settings beside the old one.
        Reindex = "reindex",
        /// Removes a source with its documents.
        RemoveSource = "remove_source",
        /// Removes the collection with everything in it.
        Delete = "delete",
        /// Tries failed documents again.
        RetryDocuments = "retry_documents",
        /// Removes the vectors of documents that were deleted.
        RemoveDocuments = "remove_documents",
        /// Brings deleted documents back from what is staged of them.
        RestoreDocuments = "restore_documents",
        /// Writes all points again, from what is staged of the documents.
        Rebuild = "rebuild",
    }
);

words!(
    /// The state of an operation. The last three are final.
    OperationStatus, "operation status" {
        /// Waiting for the operations before it.
        Pending = "pending",
        /// The one running operation of its collection.
        Processing = "processing",
        /// Finished; some documents may have failed, see its counts.
        Completed = "completed",
        /// It could not run.
        Failed = "failed",
        /// Stopped by a user.
        Cancelled = "cancelled",
    }
);

words!(
    /// How far one document of an operation has come.
    ItemState, "item state" {
        /// Known by name only.
        Listed = "listed",
        /// Its bytes are staged and its document is registered.
        Staged = "staged",
        /// Its chunks are staged.
        Chunked = "chunked",
        /// Searchable.
        Completed = "completed",
        /// The same as at the last run.
        Unchanged = "unchanged",
        /// The same bytes as another document.
        Duplicate = "duplicate",
        /// Its document and the vectors of that are removed.
        Removed = "removed",
        /// Nothing to index; the error says why.
        Skipped = "skipped",
        /// Could not be indexed; the error says why.
        Failed = "failed",
        /// Its operation was cancelled first.
        Cancelled = "cancelled",
    }
);

words!(
    /// Who or what removed a document.
    DeletionReason, "deletion reason" {
        /// A person: it stays away when its source is read again, until it is restored or uploaded.
        User = "user",
        /// Its source was removed.
        SourceRemoved = "source_removed",
        /// Its source no longer has it.
        Missing = "missing",
    }
);

words!(
    /// Whether trying a failed document again can help.
    ErrorCategory, "error category" {
        /// A part did not answer; a retry may succeed.
        Transient = "transient",
        /// The document itself is the reason.
        Permanent = "permanent",
        /// Not known.
        Unknown = "unknown",
    }
);

words!(
    /// What has become of an announced upload.
    UploadStatus, "upload status" {
        /// The URL was given out; no bytes have come.
        Expected = "expected",
        /// The bytes came and belong to an operation.
        Received = "received",
        /// The URL ran out before any bytes came.
        Expired = "expired",
    }
);

words!(
    /// Precision of a collection's vectors.
    Quantization, "quantization" {
        /// Four bytes a dimension.
        Float32 = "float32",
        /// Two bytes a dimension.
        Float16 = "float16",
        /// One byte a dimension, by scalar quantization.
        Int8 = "int8",
    }
);

words!(
    /// The state of a run that reads a collection's sources again. All but the first are final.
    SyncRunStatus, "sync run status" {
        /// Operations of it are waiting or running.
        Running = "running",
        /// Every source was read, and none of its documents failed.
        Success = "success",
        /// Some sources or documents failed, or were cancelled.
        Partial = "partial",
        /// No source could be read.
        Failed = "failed",
        /// It was cancelled before any source was read.
        Cancelled = "cancelled",
    }
);

words!(
    /// What started a run that reads a collection's sources again.
    SyncTrigger, "sync trigger" {
        /// Its collection's schedule.
        Scheduler = "scheduler",
        /// Somebody asked for it.
        Manual = "manual",
    }
);

words!(
    /// What can be granted to a user or to an API key.
    Permission, "permission" {
        /// Search it, see its documents and operations.
        Read = "read",
        /// Add sources and documents too.
        Write = "write",
        /// Share it and change its settings too.
        Admin = "admin",
    }
);

words!(
    /// What a secret of a source is for.
    SecretType, "secret type" {
        /// The password of an account.
        Password = "password",
        /// An access token.
        Token = "token",
        /// A private SSH key.
        SshKey = "ssh_key",
        /// What the private SSH key is encrypted with.
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
        assert_eq!(error.to_string(), r#""float64" is not a quantization; allowed: float32, float16, int8"#);
    }
}
