//! Lists, shows, changes and deletes webhooks.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use db::webhooks::WebhookQuery;
use domain::{CollectionId, WebhookId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiPath, ClientInfo, ETag, IfMatch, ListQuery, Page};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::fields::{UpdateWebhookRequest, editable};
use super::find::{find, lock};
use super::response::{WebhookResponse, WebhooksResponse};
use crate::State;
use crate::audit::{self, Change};

/// Which webhooks to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListWebhooksQuery {
    /// Only webhooks of this collection.
    #[param(value_type = Option<Uuid>)]
    collection_id: Option<CollectionId>,
    /// Only enabled ones, or only disabled ones.
    enabled: Option<bool>,
}

/// List the caller's webhooks
///
/// Oldest first. Secrets are not shown.
#[utoipa::path(
    get, path = "/api/v2/webhooks", operation_id = "listWebhooks", tag = "webhooks", params(ListWebhooksQuery, Page),
    responses((status = 200, body = WebhooksResponse)),
)]
pub(crate) async fn list(
    Shared(state): Shared<State>,
    caller: Caller,
    ListQuery { page: paging, filters, errors }: ListQuery<Page, ListWebhooksQuery>,
) -> Result<Json<WebhooksResponse>, ApiError> {
    errors.finish()?;
    let query = WebhookQuery {
        user_id: caller.principal.user_id,
        collection_id: filters.collection_id,
        enabled: filters.enabled,
        limit: paging.per_page,
        offset: paging.offset(),
    };
    let page = state.db.connection().await?.webhooks().list(&query).await?;
    Ok(Json(WebhooksResponse {
        webhooks: page.items.into_iter().map(WebhookResponse::from).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Show a webhook
///
/// Also says how its latest deliveries went, and why it was disabled, if it was.
#[utoipa::path(
    get, path = "/api/v2/webhooks/{webhook_id}", operation_id = "getWebhook", tag = "webhooks", params(("webhook_id" = Uuid, Path)),
    responses((
        status = 200, body = WebhookResponse,
        headers(("ETag" = String, description = "Version of the webhook, for `If-Match`.")),
    )),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    caller: Caller,
    ApiPath(id): ApiPath<WebhookId>,
) -> Result<(ETag, Json<WebhookResponse>), ApiError> {
    let webhook = find(&mut state.db.connection().await?, caller.principal.user_id, id).await?;
    Ok((ETag::of(&editable(&webhook))?, Json(webhook.into())))
}

/// Change, disable or enable a webhook
///
/// Requires the scope `admin`, of a key that is not limited to some collections. Disabling cancels what is still to be sent.
#[utoipa::path(
    patch, path = "/api/v2/webhooks/{webhook_id}", operation_id = "updateWebhook", tag = "webhooks", params(("webhook_id" = Uuid, Path)),
    request_body = UpdateWebhookRequest,
    responses((
        status = 200, body = WebhookResponse,
        headers(("ETag" = String, description = "Version of the webhook, for `If-Match`.")),
    )),
)]
pub(crate) async fn update(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    if_match: IfMatch,
    ApiPath(id): ApiPath<WebhookId>,
    ApiJson(request): ApiJson<UpdateWebhookRequest>,
) -> Result<(ETag, Json<WebhookResponse>), ApiError> {
    let user_id = caller.principal.user_id;
    let mut tx = state.db.begin().await?;
    let before = lock(&mut tx, user_id, id).await?;
    // Before the version: what is wrong with the request stays wrong.
    let mut after = request.apply_to(&before, &state.egress).await?;
    if_match.check(&ETag::of(&editable(&before))?)?;
    if after != before {
        tx.webhooks().update(&after).await?;
        if !after.enabled {
            tx.webhook_deliveries().cancel_pending(id, "the webhook was disabled").await?;
        }
        let mut details = audit::difference(&editable(&before), &editable(&after));
        details["webhook_id"] = json!(id);
        audit::record(&mut tx, &client, Change::of_accounts("webhook_changed", caller.actor(), details))
            .await?;
        after = lock(&mut tx, user_id, id).await?;
    }
    tx.commit().await?;
    Ok((ETag::of(&editable(&after))?, Json(after.into())))
}

/// Delete a webhook
///
/// Requires the scope `admin`, of a key that is not limited to some collections. Its deliveries are deleted with it.
#[utoipa::path(
    delete, path = "/api/v2/webhooks/{webhook_id}", operation_id = "deleteWebhook", tag = "webhooks", params(("webhook_id" = Uuid, Path)),
    responses((status = 204, description = "The webhook was deleted.")),
)]
pub(crate) async fn delete(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(id): ApiPath<WebhookId>,
) -> Result<StatusCode, ApiError> {
    let user_id = caller.principal.user_id;
    let mut tx = state.db.begin().await?;
    let webhook = lock(&mut tx, user_id, id).await?;
    tx.webhooks().delete(user_id, id).await?;
    let details = json!({ "webhook_id": id, "before": editable(&webhook) });
    audit::record(&mut tx, &client, Change::of_accounts("webhook_deleted", caller.actor(), details)).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
