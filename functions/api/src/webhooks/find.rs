//! The caller's webhook.

use db::webhooks::Webhook;
use db::{Connection, Tx};
use domain::{UserId, WebhookId};
use lambda::http::ApiError;

/// Returns the user's webhook.
///
/// # Errors
/// Returns `NotFound` if the user has none with this ID.
pub(super) async fn find(
    connection: &mut Connection,
    user_id: UserId,
    id: WebhookId,
) -> Result<Webhook, ApiError> {
    let webhook = connection.webhooks().find(user_id, id).await?;
    webhook.ok_or_else(|| ApiError::not_found("webhook", id))
}

/// Locks the user's webhook until the transaction ends and returns it. Errors as for [`find`].
pub(super) async fn lock(tx: &mut Tx, user_id: UserId, id: WebhookId) -> Result<Webhook, ApiError> {
    let webhook = tx.webhooks().lock(user_id, id).await?;
    webhook.ok_or_else(|| ApiError::not_found("webhook", id))
}
