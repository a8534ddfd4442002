//! One request to a webhook.

use std::time::Duration;

use auth::sign;
use chrono::Utc;
use db::webhooks::Attempt;
use egress::{Method, Redirects, StatusCode};
use lambda::StageError;

use crate::State;

/// How long a receiver may take.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The outcome of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The receiver accepted the delivery.
    Accepted(StatusCode),
    /// The receiver says that it is gone for good.
    Gone,
    /// Neither; another attempt may succeed.
    Failed { status: Option<StatusCode>, reason: String, retry_after: Option<Duration> },
}

/// Signs the delivery and sends it.
///
/// # Errors
/// Returns an error if the secrets cannot be read; a failed request is an outcome.
pub(crate) async fn send(state: &State, attempt: &Attempt) -> Result<Outcome, StageError> {
    let id = attempt.id.to_string();
    let timestamp = Utc::now().timestamp();
    let body = serde_json::to_vec(&attempt.payload).map_err(StageError::permanent)?;
    let signature = match signature(state, attempt, &id, timestamp, &body).await {
        Ok(signature) => signature,
        Err(error) if error.is_retryable() => return Err(error),
        Err(error) => return Ok(failed(error.reason())),
    };
    let request = state
        .egress
        .request(Method::POST, &attempt.url)
        .redirects(Redirects::Return)
        .timeout(TIMEOUT)
        .idle_timeout(TIMEOUT)
        .header("content-type", "application/json")
        .header("webhook-id", &id)
        .header("webhook-timestamp", timestamp.to_string())
        .header("webhook-signature", signature)
        .body(body);
    let response = match request.send().await {
        // The body is not read: a receiver has nothing to say but its status.
        Ok(response) => response,
        Err(error) => return Ok(failed(error.to_string())),
    };
    let status = response.status();
    Ok(match status {
        _ if status.is_success() => Outcome::Accepted(status),
        StatusCode::GONE => Outcome::Gone,
        _ => Outcome::Failed {
            status: Some(status),
            reason: reason(status),
            retry_after: response.retry_after(),
        },
    })
}

fn failed(reason: String) -> Outcome {
    Outcome::Failed { status: None, reason, retry_after: None }
}

fn reason(status: StatusCode) -> String {
    if status.is_redirection() {
        return format!(
            "the receiver answered {status}; redirects are not followed, so set the URL that it names"
        );
    }
    format!("the receiver answered {status}; a status from 200 to 299 is expected")
}

async fn signature(
    state: &State,
    attempt: &Attempt,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Result<String, StageError> {
    let sealed = state.db.connection().await?.webhook_secrets().list_signing(attempt.webhook_id).await?;
    let mut secrets = Vec::with_capacity(sealed.len());
    for secret in sealed {
        secrets.push(state.secrets.decrypt(attempt.webhook_id, &secret.key_id, &secret.ciphertext).await?);
    }
    sign(&secrets, id, timestamp, body).map_err(StageError::permanent)
}
