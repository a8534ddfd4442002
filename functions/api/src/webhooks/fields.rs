//! Request types of webhooks, and the validation of their fields.

use access::Caller;
use db::Tx;
use db::webhooks::Webhook;
use domain::{AccessLevel, CollectionId, WebhookEvent};
use egress::{Egress, EgressError, Url};
use lambda::http::{ApiError, FieldErrors};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::openapi::words;

const MAX_URL_CHARS: usize = 2000;
const MAX_DESCRIPTION_CHARS: usize = 1000;

/// A webhook to create.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "url": "https://hooks.example.org/semantik", "events": ["operation.completed", "operation.failed"]
}))]
pub(crate) struct CreateWebhookRequest {
    /// The URL that requests are sent to, `https` or `http`, at most 2000 characters. It must be reachable from the
    /// installation, and not lead into internal networks.
    #[schema(max_length = 2000)]
    pub url: String,
    /// The events to be notified of, each once.
    #[schema(value_type = Vec<words::SubscribedEvent>, min_items = 1)]
    pub events: Vec<WebhookEvent>,
    /// A collection that the caller administers, whose events it is notified of; default all collections that the caller owns,
    /// also later ones.
    #[schema(value_type = Option<Uuid>)]
    pub collection_id: Option<CollectionId>,
    /// A note, at most 1000 characters; default empty.
    #[schema(max_length = 1000)]
    pub description: Option<String>,
    /// Whether requests are sent; default `true`.
    pub enabled: Option<bool>,
}

/// Changes of a webhook. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "enabled": true }))]
pub(crate) struct UpdateWebhookRequest {
    /// The URL that requests are sent to.
    #[schema(max_length = 2000)]
    url: Option<String>,
    /// The events to be notified of, each once. Replaces the previous ones.
    #[schema(value_type = Option<Vec<words::SubscribedEvent>>, min_items = 1)]
    events: Option<Vec<WebhookEvent>>,
    /// A note, at most 1000 characters.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// Whether requests are sent. Events that happen while it is `false` are not sent later.
    enabled: Option<bool>,
}

/// How to rotate a secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({ "overlap_seconds": 86400 }))]
pub(crate) struct RotateSecretRequest {
    /// For how long requests are signed with the previous secret, too, 0 to 604800 (seven days); default 86400 (one day).
    #[schema(minimum = 0, maximum = 604_800)]
    pub overlap_seconds: Option<i64>,
}

impl UpdateWebhookRequest {
    /// Returns the webhook with these changes applied.
    ///
    /// # Errors
    /// Returns `Invalid` with all invalid fields.
    pub(super) async fn apply_to(self, before: &Webhook, egress: &Egress) -> Result<Webhook, ApiError> {
        let mut errors = FieldErrors::default();
        let mut after = before.clone();
        if let Some(url) = self.url {
            check_url(&mut errors, egress, &url).await;
            after.url = url;
        }
        if let Some(events) = self.events {
            check_events(&mut errors, &events);
            after.events = events;
        }
        if let Some(description) = self.description {
            check_description(&mut errors, &description);
            after.description = description;
        }
        after.enabled = self.enabled.unwrap_or(after.enabled);
        errors.finish()?;
        Ok(after)
    }
}

impl CreateWebhookRequest {
    /// Checks the fields.
    ///
    /// # Errors
    /// Returns `Invalid` with all invalid fields, including a collection that the caller does not administer.
    pub(super) async fn check(&self, tx: &mut Tx, caller: &Caller, egress: &Egress) -> Result<(), ApiError> {
        let mut errors = FieldErrors::default();
        check_url(&mut errors, egress, &self.url).await;
        check_events(&mut errors, &self.events);
        check_description(&mut errors, self.description.as_deref().unwrap_or_default());
        if let Some(id) = self.collection_id {
            let found = tx.collections().find_accessible(id, &caller.principal).await?;
            match found.map(|found| found.access) {
                None => errors
                    .add("collection_id", format!("no collection {id}, or you do not have access to it")),
                Some(access) if access < AccessLevel::Admin => errors.add(
                    "collection_id",
                    format!("insufficient access; admin access required, got {}", access.phrase()),
                ),
                Some(_) => {}
            }
        }
        errors.finish()
    }
}

/// Checks that requests can be sent to a URL now. A name that does not resolve is accepted: its server may come later.
async fn check_url(errors: &mut FieldErrors, egress: &Egress, url: &str) {
    const FIELD: &str = "url";
    errors.length(FIELD, url, 1..=MAX_URL_CHARS);
    errors.no_nul(FIELD, url);
    if !errors.is_empty() {
        return;
    }
    if Url::parse(url).is_ok_and(|url| !url.username().is_empty() || url.password().is_some()) {
        errors.add(
            FIELD,
            "contains a user name or password; a URL without them is allowed, since requests are signed",
        );
        return;
    }
    match egress.check(url).await {
        Ok(()) | Err(EgressError::Unresolved { .. } | EgressError::TimedOut { .. }) => {}
        Err(error) => errors.add(FIELD, error.to_string()),
    }
}

fn check_events(errors: &mut FieldErrors, events: &[WebhookEvent]) {
    let offered: Vec<WebhookEvent> = WebhookEvent::subscribable().collect();
    errors.count("events", events.len(), 1..=offered.len());
    for (index, event) in events.iter().enumerate() {
        let field = format!("events[{index}]");
        if events[..index].contains(event) {
            errors.add(field, format!("duplicate of an earlier entry; each event once allowed, got {event}"));
        } else if !offered.contains(event) {
            errors.add(field, format!("sent by POST …/test only; any other event is allowed, got {event}"));
        }
    }
}

fn check_description(errors: &mut FieldErrors, description: &str) {
    errors.length("description", description, 0..=MAX_DESCRIPTION_CHARS);
    errors.no_nul("description", description);
}

/// Returns the fields that can be changed, named as in requests: for the `ETag` and the audit log.
pub(super) fn editable(webhook: &Webhook) -> Value {
    json!({
        "url": webhook.url,
        "events": webhook.events,
        "description": webhook.description,
        "enabled": webhook.enabled,
    })
}
