//! IDs as newtypes, so that a document ID cannot be passed as a collection ID.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Declares a newtype over `$inner` that serializes and prints as its inner value.
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
    /// A user account; a sequence number of the database.
    UserId(i64)
);
id!(
    /// A user session: a sign-in, its family of refresh tokens, and the access tokens created with them.
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
    /// A permission on a collection.
    PermissionId(i64)
);
id!(
    /// A source of a collection.
    SourceId(i64)
);
id!(
    /// A document: the UUIDv5 of its collection and URI, see [`crate::document_id`].
    DocumentId(Uuid)
);
id!(
    /// An operation, as clients and messages identify it.
    OperationId(Uuid)
);
id!(
    /// A sync run of a collection.
    SyncRunId(i64)
);
id!(
    /// An item of an operation's work list.
    ItemId(i64)
);
id!(
    /// An announced upload.
    UploadId(Uuid)
);

id!(
    /// A push run.
    PushRunId(Uuid)
);

id!(
    /// A grant of a place on the server's side.
    SourceGrantId(Uuid)
);

id!(
    /// An offer to transfer a collection.
    OwnershipOfferId(Uuid)
);

id!(
    /// An MCP profile.
    McpProfileId(Uuid)
);

id!(
    /// A webhook.
    WebhookId(Uuid)
);

id!(
    /// A delivery of an event to a webhook: the `webhook-id` of its attempts.
    WebhookDeliveryId(Uuid)
);
