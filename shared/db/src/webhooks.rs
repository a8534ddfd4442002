//! Webhooks, their secrets, and the outbox of deliveries.

mod attempts;
mod deliveries;
mod events;
mod secrets;
mod webhook;

pub use attempts::{Attempt, DueDelivery, FailedAttempt};
pub use deliveries::{DeliveryQuery, NewDelivery, WebhookDeliveries, WebhookDelivery};
pub use events::IntegrityMismatch;
pub use secrets::{WebhookSecret, WebhookSecrets};
pub use webhook::{DisabledWebhook, NewWebhook, Webhook, WebhookQuery, Webhooks};
