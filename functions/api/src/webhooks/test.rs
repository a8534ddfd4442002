//! Sends a test to a webhook.

use access::{Begun, Caller, Idempotency};
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::Utc;
use db::webhooks::{NewDelivery, Webhook};
use domain::{ErrorKind, WebhookDeliveryId, WebhookEvent, WebhookId};
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ClientInfo};
use serde_json::json;
use uuid::Uuid;

use super::find::lock;
use super::response::WebhookTestResponse;
use crate::State;
use crate::audit::{self, Change};

/// Send a test to a webhook
///
/// Requires the scope `admin`, of a key that is not limited to some collections. Sends the event `ping`, as any other: with a
/// signature, retries and an entry in the list of deliveries, which has the outcome.
#[utoipa::path(
    post, path = "/api/v2/webhooks/{webhook_id}/test", operation_id = "testWebhook", tag = "webhooks", params(("webhook_id" = Uuid, Path)),
    responses((status = 202, body = WebhookTestResponse)),
)]
pub(crate) async fn send_test(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiPath(id): ApiPath<WebhookId>,
) -> Result<Response, ApiError> {
    let user_id = caller.principal.user_id;
    let mut tx = match idempotency.begin(&state.db, user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    require_enabled(&lock(&mut tx, user_id, id).await?)?;
    let event = WebhookEvent::Ping;
    let payload = json!({ "type": event, "timestamp": Utc::now(), "data": { "webhook_id": id } });
    let new = NewDelivery { id: WebhookDeliveryId(Uuid::new_v4()), webhook_id: id, event, payload: &payload };
    tx.webhook_deliveries().insert(&new).await?;
    let details = json!({ "webhook_id": id, "delivery_id": new.id });
    audit::record(&mut tx, &client, Change::of_accounts("webhook_tested", caller.actor(), details)).await?;
    dispatch::arm_sweep(&state.queues).await;
    let response = tx.commit(StatusCode::ACCEPTED, &WebhookTestResponse { delivery_id: new.id }).await?;
    dispatch::send_deliveries_or_leave(&state.db, &state.queues).await;
    Ok(response)
}

/// Rejects a disabled webhook.
pub(super) fn require_enabled(webhook: &Webhook) -> Result<(), ApiError> {
    if webhook.enabled {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Conflict,
        format!("the webhook is disabled; enable it with PATCH /api/v2/webhooks/{}", webhook.id),
    ))
}
