//! Response types of webhooks.

use chrono::{DateTime, Utc};
use db::webhooks::{Webhook, WebhookDelivery};
use domain::{CollectionId, WebhookDeliveryId, WebhookDeliveryState, WebhookEvent, WebhookId};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::openapi::words;

/// A webhook: a URL that is notified of events by signed POST requests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookResponse {
    /// Identifies the webhook.
    #[schema(value_type = Uuid)]
    id: WebhookId,
    /// The collection whose events it is notified of; `null` for all collections that the caller owns.
    #[schema(value_type = Option<Uuid>)]
    collection_id: Option<CollectionId>,
    /// The URL that requests are sent to.
    url: String,
    /// A note.
    description: String,
    /// The events that it is notified of.
    #[schema(value_type = Vec<words::SubscribedEvent>)]
    events: Vec<WebhookEvent>,
    /// Whether requests are sent.
    enabled: bool,
    /// Why it was disabled automatically; `null` if it was not.
    disabled_reason: Option<String>,
    /// Number of failed attempts since the last successful one.
    failures: i32,
    /// When the first of these attempts was made. After three days, the webhook is disabled.
    failing_since: Option<DateTime<Utc>>,
    /// When an attempt succeeded last.
    last_delivered_at: Option<DateTime<Utc>>,
    /// When the webhook was created.
    created_at: DateTime<Utc>,
    /// When its settings were last changed.
    updated_at: DateTime<Utc>,
}

impl From<Webhook> for WebhookResponse {
    fn from(webhook: Webhook) -> Self {
        Self {
            id: webhook.id,
            collection_id: webhook.collection_id,
            url: webhook.url,
            description: webhook.description,
            events: webhook.events,
            enabled: webhook.enabled,
            disabled_reason: webhook.disabled_reason,
            failures: webhook.failures,
            failing_since: webhook.failing_since,
            last_delivered_at: webhook.last_delivered_at,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
        }
    }
}

/// A webhook with its secret, which cannot be shown again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookSecretResponse {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookResponse,
    /// The secret that signs requests: `whsec_` and base64, as libraries of Standard Webhooks take it.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub secret: String,
}

/// A page of webhooks, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhooksResponse {
    /// The webhooks of this page.
    pub webhooks: Vec<WebhookResponse>,
    /// Number of matching webhooks on all pages.
    pub total: i64,
    /// Page number, starting at 1.
    pub page: i64,
    /// Webhooks per page.
    pub per_page: i64,
}

/// A delivery of an event to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDeliveryResponse {
    /// Identifies the delivery: the header `webhook-id` of all its attempts.
    #[schema(value_type = Uuid)]
    id: WebhookDeliveryId,
    /// The event.
    #[schema(value_type = words::WebhookEvent)]
    event: WebhookEvent,
    /// The body that is sent: `type`, `timestamp` and `data`.
    #[schema(value_type = Object)]
    payload: Value,
    /// Whether it was delivered.
    #[schema(value_type = words::WebhookDeliveryState)]
    state: WebhookDeliveryState,
    /// Number of attempts.
    attempts: i32,
    /// When the next attempt is due; `null` if there is none.
    next_attempt_at: Option<DateTime<Utc>>,
    /// When the last attempt was made.
    last_attempt_at: Option<DateTime<Utc>>,
    /// The HTTP status that the receiver answered last.
    last_status: Option<i32>,
    /// Why the last attempt failed.
    last_error: Option<String>,
    /// When the receiver accepted it.
    delivered_at: Option<DateTime<Utc>>,
    /// When the event happened.
    created_at: DateTime<Utc>,
}

impl From<WebhookDelivery> for WebhookDeliveryResponse {
    fn from(delivery: WebhookDelivery) -> Self {
        let is_pending = delivery.state == WebhookDeliveryState::Pending;
        Self {
            id: delivery.id,
            event: delivery.event,
            payload: delivery.payload,
            state: delivery.state,
            attempts: delivery.attempts,
            next_attempt_at: is_pending.then_some(delivery.next_attempt_at),
            last_attempt_at: delivery.last_attempt_at,
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            delivered_at: delivery.delivered_at,
            created_at: delivery.created_at,
        }
    }
}

/// A page of deliveries, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookDeliveriesResponse {
    /// The deliveries of this page.
    pub deliveries: Vec<WebhookDeliveryResponse>,
    /// Number of matching deliveries on all pages.
    pub total: i64,
    /// Page number, starting at 1.
    pub page: i64,
    /// Deliveries per page.
    pub per_page: i64,
}

/// The delivery that was started.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WebhookTestResponse {
    /// Identifies the delivery: the header `webhook-id`.
    #[schema(value_type = Uuid)]
    pub delivery_id: WebhookDeliveryId,
}
