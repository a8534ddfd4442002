//! Identifiers as newtypes, so that a document's id never passes for a collection's.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Declares a newtype over `$inner` that serialises and prints as its inner value.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl std::str::FromStr for $name {
            type Err = <$inner as std::str::FromStr>::Err;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }
    };
}

id!(
    /// A user account: the database's own sequence number.
    UserId(i64)
);
id!(
    /// A log-in and what came of it: a family of refresh tokens, and the access tokens made with it.
    SessionId(Uuid)
);
id!(
    /// An API key.
    ApiKeyId(Uuid)
);
id!(
    /// A collection.
    CollectionId(Uuid)
);
id!(
    /// What somebody may do with a collection that is not theirs.
    PermissionId(i64)
);
id!(
    /// A source of documents within a collection.
    SourceId(i64)
);
id!(
    /// A document: the UUIDv5 of its collection and URI, see [`crate::document_id`].
    DocumentId(Uuid)
);
id!(
    /// An operation, as clients and messages name it.
    OperationId(Uuid)
);
id!(
    /// A run that reads a collection's sources again.
    SyncRunId(i64)
);
id!(
    /// One entry of an operation's work list.
    ItemId(i64)
);
id!(
    /// An announced upload.
    UploadId(Uuid)
);

id!(
    /// A profile for AI assistants.
    McpProfileId(Uuid)
);
