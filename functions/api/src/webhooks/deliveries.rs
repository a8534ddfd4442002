//! The deliveries of a webhook.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use db::webhooks::DeliveryQuery;
use domain::{ErrorKind, WebhookDeliveryId, WebhookId};
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ClientInfo, ListQuery, Page};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::find::{find, lock};
use super::response::{WebhookDeliveriesResponse, WebhookDeliveryResponse};
use super::test::require_enabled;
use crate::State;
use crate::audit::{self, Change};

/// Which deliveries to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListDeliveriesQuery {
    /// Only deliveries in this state: `pending`, `delivered`, `failed` or `cancelled`.
    #[param(example = "failed")]
    state: Option<String>,
    /// Only deliveries of this event.
    #[param(example = "operation.completed")]
    event: Option<String>,
}

/// List the deliveries of a webhook
///
/// Deliveries are kept for 30 days.
#[utoipa::path(
    get, path = "/api/v2/webhooks/{webhook_id}/deliveries", operation_id = "listWebhookDeliveries", tag = "webhooks",
    params(("webhook_id" = Uuid, Path), ListDeliveriesQuery, Page),
    responses((status = 200, body = WebhookDeliveriesResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiPath(id): ApiPath<WebhookId>,
    ListQuery { page: paging, filters, mut errors }: ListQuery<Page, ListDeliveriesQuery>,
) -> Result<Json<WebhookDeliveriesResponse>, ApiError> {
    let query = DeliveryQuery {
        webhook_id: id,
        state: filters.state.and_then(|state| errors.keyword("state", &state)),
        event: filters.event.and_then(|event| errors.keyword("event", &event)),
        limit: paging.per_page,
        offset: paging.offset(),
    };
    errors.finish()?;
    let mut connection = state.db.connection().await?;
    find(&mut connection, caller.principal.user_id, id).await?;
    let page = connection.webhook_deliveries().list(&query).await?;
    Ok(Json(WebhookDeliveriesResponse {
        deliveries: page.items.into_iter().map(WebhookDeliveryResponse::from).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Send a delivery again
///
/// Requires the scope `admin`, of a key that is not limited to some collections. Sends a delivery that has ended once more,
/// with the same `webhook-id`, also if it was delivered.
#[utoipa::path(
    post, path = "/api/v2/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", operation_id = "redeliverWebhookDelivery", tag = "webhooks",
    params(("webhook_id" = Uuid, Path), ("delivery_id" = Uuid, Path)),
    responses((status = 202, body = WebhookDeliveryResponse)),
)]
pub(crate) async fn redeliver(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath((id, delivery_id)): ApiPath<(WebhookId, WebhookDeliveryId)>,
) -> Result<(StatusCode, Json<WebhookDeliveryResponse>), ApiError> {
    let mut tx = state.db.begin().await?;
    let webhook = lock(&mut tx, caller.principal.user_id, id).await?;
    if tx.webhook_deliveries().find(id, delivery_id).await?.is_none() {
        return Err(ApiError::not_found("delivery", delivery_id));
    }
    require_enabled(&webhook)?;
    if !tx.webhook_deliveries().reopen(delivery_id).await? {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            "the delivery is still being attempted; wait until it has been delivered or has failed",
        ));
    }
    let details = json!({ "webhook_id": id, "delivery_id": delivery_id });
    audit::record(&mut tx, &client, Change::of_accounts("webhook_redelivered", caller.actor(), details))
        .await?;
    let Some(delivery) = tx.webhook_deliveries().find(id, delivery_id).await? else {
        return Err(ApiError::not_found("delivery", delivery_id));
    };
    dispatch::arm_sweep(&state.queues).await;
    tx.commit().await?;
    dispatch::send_deliveries_or_leave(&state.db, &state.queues).await;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}
