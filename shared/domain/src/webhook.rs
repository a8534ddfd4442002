//! Webhooks: the events that accounts are notified of, and the states of deliveries.

use serde::{Deserialize, Serialize};

use crate::ParseStatusError;
use crate::status::labels;

labels!(
    /// An event that webhooks are notified of.
    WebhookEvent, "event" {
        /// An operation ended; some of its documents may have failed.
        OperationCompleted = "operation.completed",
        /// An operation could not run or continue.
        OperationFailed = "operation.failed",
        /// An operation that ended could not index a document.
        DocumentFailed = "document.failed",
        /// An operation with failed documents left its collection degraded.
        CollectionDegraded = "collection.degraded",
        /// A source could not be listed or read.
        SourceFailed = "source.failed",
        /// A check found that a collection is not what its rows say.
        IntegrityMismatch = "integrity.mismatch",
        /// A test, sent on request only; nobody subscribes to it.
        Ping = "ping",
    }
);

labels!(
    /// State of a delivery. All but the first are final, until it is sent again on request.
    WebhookDeliveryState, "delivery state" {
        /// Will be attempted, for the first time or again.
        Pending = "pending",
        /// The receiver accepted it.
        Delivered = "delivered",
        /// No attempt succeeded within a day.
        Failed = "failed",
        /// The webhook was disabled, or its owner lost access, before it was delivered.
        Cancelled = "cancelled",
    }
);

impl WebhookEvent {
    /// Returns the events that webhooks can subscribe to.
    pub fn subscribable() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|event| *event != Self::Ping)
    }
}
