//! Creates a webhook.

use access::{Begun, Caller, Idempotency};
use auth::WebhookSecret;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::Utc;
use db::webhooks::NewWebhook;
use domain::{ErrorKind, WebhookId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ClientInfo};
use secrecy::ExposeSecret;
use serde_json::json;
use uuid::Uuid;

use super::fields::{CreateWebhookRequest, editable};
use super::find::lock;
use super::response::WebhookSecretResponse;
use super::rotate::secret_not_repeated;
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_user;

/// The maximum number of webhooks of an account.
const MAX_WEBHOOKS: i64 = 20;

/// Create a webhook
///
/// Requires the scope `admin`, of a key that is not limited to some collections, and admin access to the collection. The
/// response contains the secret, which cannot be shown again. An account can have up to 20 webhooks. Requests follow
/// Standard Webhooks; see docs/webhooks.md.
#[utoipa::path(
    post, path = "/api/v2/webhooks", operation_id = "createWebhook", tag = "webhooks", request_body = CreateWebhookRequest,
    responses((status = 201, body = WebhookSecretResponse)),
)]
pub(crate) async fn create(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiJson(request): ApiJson<CreateWebhookRequest>,
) -> Result<Response, ApiError> {
    let user_id = caller.principal.user_id;
    let mut tx = match idempotency.begin(&state.db, user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    request.check(&mut tx, &caller, &state.egress).await?;
    lock_user(&mut tx, user_id).await?;
    let count = tx.webhooks().count(user_id).await?;
    if count >= MAX_WEBHOOKS {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            format!(
                "you have {count} webhooks; the maximum is {MAX_WEBHOOKS}, so delete one that is not needed"
            ),
        ));
    }
    let id = WebhookId(Uuid::new_v4());
    let secret = WebhookSecret::generate();
    let sealed = state.secrets.newest().await?.seal(id, secret.text())?;
    let new = NewWebhook {
        id,
        user_id,
        collection_id: request.collection_id,
        url: &request.url,
        description: request.description.as_deref().unwrap_or_default(),
        events: &request.events,
        enabled: request.enabled.unwrap_or(true),
    };
    tx.webhooks().insert(&new).await?;
    tx.webhook_secrets().rotate(id, &sealed.ciphertext, &sealed.key_id, Utc::now()).await?;
    let webhook = lock(&mut tx, user_id, id).await?;
    let mut details = json!({ "webhook_id": id, "after": editable(&webhook) });
    details["collection_id"] = json!(webhook.collection_id);
    audit::record(&mut tx, &client, Change::of_accounts("webhook_created", caller.actor(), details)).await?;
    let body =
        WebhookSecretResponse { webhook: webhook.into(), secret: secret.text().expose_secret().to_owned() };
    tx.commit_unrepeatable(StatusCode::CREATED, &body, &secret_not_repeated(id)).await
}
