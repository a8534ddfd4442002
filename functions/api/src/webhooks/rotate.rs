//! Rotates the secret of a webhook.

use access::{Begun, Caller, Idempotency};
use auth::WebhookSecret;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{TimeDelta, Utc};
use domain::WebhookId;
use http::StatusCode;
use lambda::http::{ApiError, ApiOptionalJson, ApiPath, ClientInfo, FieldErrors};
use secrecy::ExposeSecret;
use serde_json::json;

use super::fields::RotateSecretRequest;
use super::find::lock;
use super::response::WebhookSecretResponse;
use crate::State;
use crate::audit::{self, Change};

const DEFAULT_OVERLAP_SECONDS: i64 = 86_400;

/// Rotate the secret of a webhook
///
/// Requires the scope `admin`, of a key that is not limited to some collections. The response contains the new secret,
/// which cannot be shown again. Until the overlap ends, requests have two signatures: of the new secret and of the one before.
#[utoipa::path(
    post, path = "/api/v2/webhooks/{webhook_id}/rotate-secret", operation_id = "rotateWebhookSecret", tag = "webhooks",
    params(("webhook_id" = Uuid, Path)), request_body = Option<RotateSecretRequest>,
    responses((status = 201, body = WebhookSecretResponse)),
)]
pub(crate) async fn rotate_secret(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiPath(id): ApiPath<WebhookId>,
    ApiOptionalJson(request): ApiOptionalJson<RotateSecretRequest>,
) -> Result<Response, ApiError> {
    let user_id = caller.principal.user_id;
    let mut errors = FieldErrors::default();
    let overlap = request.overlap_seconds.unwrap_or(DEFAULT_OVERLAP_SECONDS);
    errors.range("overlap_seconds", overlap, 0..=604_800);
    errors.finish()?;
    let mut tx = match idempotency.begin(&state.db, user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let webhook = lock(&mut tx, user_id, id).await?;
    let secret = WebhookSecret::generate();
    let sealed = state.secrets.newest().await?.seal(id, secret.text())?;
    let expires_at = Utc::now() + TimeDelta::seconds(overlap);
    tx.webhook_secrets().rotate(id, &sealed.ciphertext, &sealed.key_id, expires_at).await?;
    let details = json!({ "webhook_id": id, "previous_secret_expires_at": expires_at });
    let change = Change::of_accounts("webhook_secret_rotated", caller.actor(), details);
    audit::record(&mut tx, &client, change).await?;
    let body =
        WebhookSecretResponse { webhook: webhook.into(), secret: secret.text().expose_secret().to_owned() };
    tx.commit_unrepeatable(StatusCode::CREATED, &body, &secret_not_repeated(id)).await
}

pub(super) fn secret_not_repeated(id: WebhookId) -> String {
    format!(
        "the response to this request contained the secret of webhook {id}, which is shown only once; if it was lost, \
         replace it with POST /api/v2/webhooks/{id}/rotate-secret"
    )
}
