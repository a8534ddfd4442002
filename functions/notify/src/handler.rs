//! Makes one attempt of a delivery and records its outcome.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use db::audit::AuditEntry;
use db::webhooks::Attempt;
use domain::{AccessLevel, Actor, AttemptDelivery, WebhookId};
use lambda::StageError;
use lambda::metric::{self, Metric};
use lambda::sqs::Delivery;
use serde_json::json;

use crate::State;
use crate::attempt::{Outcome, send};
use crate::schedule::delay_after;

/// After this, an attempt whose process died is made again: longer than the function may take.
const LEASE: Duration = Duration::from_secs(300);

/// SQS delays a message by this much at most. Sweep sends those that are due later.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// A webhook that has failed for this long is disabled.
const DISABLED_AFTER: TimeDelta = TimeDelta::days(3);

/// Makes the attempt that a message is about, unless it was made before.
///
/// # Errors
/// Returns a retryable error if the message must be delivered again.
pub async fn handle(state: Arc<State>, message: AttemptDelivery, _: Delivery) -> Result<(), StageError> {
    let started = Instant::now();
    let mut connection = state.db.connection().await?;
    let mut deliveries = connection.webhook_deliveries();
    let begun = deliveries.begin_attempt(message.delivery_id, message.attempts, LEASE).await?;
    let Some(attempt) = begun else {
        deliveries.cancel_if_disabled(message.delivery_id).await?;
        tracing::info!(delivery.id = %message.delivery_id, outcome = "done before", "delivery handled");
        return Ok(());
    };
    drop(connection);
    let outcome = match lost_access(&state, &attempt).await? {
        Some(reason) => {
            stop(&state, &attempt, reason).await?;
            "cancelled"
        }
        None => match send(&state, &attempt).await {
            Ok(outcome) => record(&state, &attempt, outcome).await?,
            Err(error) => {
                // The attempt is counted, so the message would do nothing: the next attempt follows soon.
                tracing::warn!(delivery.id = %attempt.id, error = error.chain(), "the request could not be signed");
                fail(&state, &attempt, None, "the request could not be signed", Some(LEASE)).await?;
                "not signed"
            }
        },
    };
    tracing::info!(
        delivery.id = %attempt.id,
        webhook.id = %attempt.webhook_id,
        event = %attempt.event,
        attempt = attempt.number,
        outcome,
        ms = started.elapsed().as_millis(),
        "delivery handled"
    );
    Ok(())
}

/// Returns why the webhook's owner may not be notified of the event any more.
async fn lost_access(state: &State, attempt: &Attempt) -> Result<Option<&'static str>, StageError> {
    let mut connection = state.db.connection().await?;
    let Some(collection_id) = attempt.collection_id else {
        let owner = connection.users().find(attempt.user_id).await?;
        let is_active = owner.is_some_and(|user| user.is_active);
        return Ok((!is_active).then_some("the account of the webhook is deactivated"));
    };
    let access = connection.collections().access_of(collection_id, Actor::user(attempt.user_id)).await?;
    Ok(match access {
        Some(AccessLevel::Owner) => None,
        Some(AccessLevel::Admin) if attempt.is_of_collection => None,
        _ => Some("the owner of the webhook has no admin access to the collection any more"),
    })
}

/// Ends the delivery. A webhook of a collection that its owner lost access to is disabled; one of an account goes on with
/// other collections.
async fn stop(state: &State, attempt: &Attempt, reason: &'static str) -> Result<(), StageError> {
    if attempt.is_of_collection {
        return disable(state, attempt.webhook_id, reason).await;
    }
    state.db.connection().await?.webhook_deliveries().cancel(attempt.id, reason).await?;
    Ok(())
}

/// Records the outcome. Returns it for the log.
async fn record(state: &State, attempt: &Attempt, outcome: Outcome) -> Result<&'static str, StageError> {
    match outcome {
        Outcome::Accepted(status) => {
            let mut connection = state.db.connection().await?;
            connection.webhook_deliveries().record_success(attempt.id, status.as_u16()).await?;
            Ok("delivered")
        }
        Outcome::Gone => {
            let reason = "the receiver answered 410 Gone; enable the webhook again when it is back";
            let mut connection = state.db.connection().await?;
            connection.webhook_deliveries().record_failure(attempt.id, Some(410), reason, None).await?;
            drop(connection);
            metric::add(Metric::DeliveriesFailed, 1);
            disable(state, attempt.webhook_id, reason).await?;
            Ok("gone")
        }
        Outcome::Failed { status, reason, retry_after } => {
            let next = delay_after(attempt.number, attempt.id, retry_after, state.retry_factor);
            fail(state, attempt, status.map(|status| status.as_u16()), &reason, next).await?;
            Ok("failed")
        }
    }
}

/// Records a failed attempt and has the next one made, unless the webhook has failed for too long.
async fn fail(
    state: &State,
    attempt: &Attempt,
    status: Option<u16>,
    reason: &str,
    next: Option<Duration>,
) -> Result<(), StageError> {
    if let Some(next) = next {
        arm_sweep(state, next).await;
    }
    let mut connection = state.db.connection().await?;
    let failed = connection.webhook_deliveries().record_failure(attempt.id, status, reason, next).await?;
    drop(connection);
    tracing::warn!(
        delivery.id = %attempt.id,
        webhook.id = %attempt.webhook_id,
        attempt = attempt.number,
        reason,
        retry_secs = next.map(|next| next.as_secs()),
        "attempt failed"
    );
    let Some(next) = next else {
        metric::add(Metric::DeliveriesFailed, 1);
        return disable_if_failing(state, attempt, failed.map(|failed| failed.failing_since), reason).await;
    };
    disable_if_failing(state, attempt, failed.map(|failed| failed.failing_since), reason).await?;
    send_next(state, attempt, next).await;
    Ok(())
}

async fn disable_if_failing(
    state: &State,
    attempt: &Attempt,
    failing_since: Option<DateTime<Utc>>,
    reason: &str,
) -> Result<(), StageError> {
    let Some(since) = failing_since.filter(|since| *since < Utc::now() - DISABLED_AFTER) else {
        return Ok(());
    };
    let reason = format!(
        "no delivery succeeded since {}, in {} days; the last error: {reason}",
        since.format("%Y-%m-%d %H:%MZ"),
        DISABLED_AFTER.num_days()
    );
    disable(state, attempt.webhook_id, &reason).await
}

/// Arms sweep for when the next attempt is due: it sends the message if nobody else has.
async fn arm_sweep(state: &State, next: Duration) {
    if let Err(error) = state.queues.arm_sweep(next).await {
        tracing::warn!(
            error = lambda::error_chain(&error),
            "sweep could not be armed; it makes the next attempt within an hour of its time"
        );
    }
}

/// Sends the message of the next attempt, if SQS can delay it that long.
async fn send_next(state: &State, attempt: &Attempt, next: Duration) {
    if next > LONGEST_DELAY {
        return;
    }
    let message = AttemptDelivery {
        delivery_id: attempt.id,
        webhook_id: attempt.webhook_id,
        attempts: attempt.number.unsigned_abs(),
    };
    // SQS delays by whole seconds.
    let delay = Duration::from_secs(next.as_secs() + 1).min(LONGEST_DELAY);
    if let Err(error) = state.queues.send_notify(delay, &[message]).await {
        tracing::warn!(
            delivery.id = %attempt.id,
            error = lambda::error_chain(&error),
            "the next attempt could not be sent; sweep sends it"
        );
    }
}

/// Disables a webhook, cancels what is still to be sent to it, and writes that to the audit log.
async fn disable(state: &State, id: WebhookId, reason: &str) -> Result<(), StageError> {
    let mut tx = state.db.begin().await?;
    if let Some(disabled) = tx.webhooks().disable(id, reason).await? {
        tx.webhook_deliveries().cancel_pending(id, reason).await?;
        let entry = AuditEntry {
            collection_id: disabled.collection_id,
            collection_name: disabled.collection_name.as_deref(),
            operation_id: None,
            actor: None,
            action: "webhook_disabled",
            details: &json!({ "webhook_id": id, "reason": reason }),
            ip_address: None,
            user_agent: None,
            request_id: None,
        };
        tx.audit_log().insert(&entry).await?;
        tracing::warn!(webhook.id = %id, reason, "webhook disabled");
    }
    tx.commit().await?;
    Ok(())
}
