//! Attempts to deliver.
//!
//! A message is about one attempt of a delivery, by the number of those before it. Beginning the attempt counts it, so
//! that a message that SQS delivers twice, or that sweep sends again, has no effect.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{CollectionId, UserId, WebhookDeliveryId, WebhookEvent, WebhookId};
use serde_json::Value;

use super::deliveries::WebhookDeliveries;
use crate::DbError;

/// A delivery whose message is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueDelivery {
    /// The delivery.
    pub id: WebhookDeliveryId,
    /// Its webhook.
    pub webhook_id: WebhookId,
    /// Attempts that have begun.
    pub attempts: i32,
}

/// An attempt that has begun: what to send, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The delivery.
    pub id: WebhookDeliveryId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The number of this attempt, from 1.
    pub number: i32,
    /// The event.
    pub event: WebhookEvent,
    /// The body.
    pub payload: Value,
    /// The collection that the event is about.
    pub collection_id: Option<CollectionId>,
    /// The account that the webhook belongs to.
    pub user_id: UserId,
    /// Whether the webhook is for one collection, not for all that the account owns.
    pub is_of_collection: bool,
    /// Where to send it.
    pub url: String,
}

/// The state of a webhook after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailedAttempt {
    /// When the first of the attempts failed that have failed in a row.
    pub failing_since: DateTime<Utc>,
}

impl WebhookDeliveries<'_> {
    /// Returns deliveries that are due, those first that have been due longest, and makes each due again after `resend`, in
    /// case its message is lost. Of concurrent callers, each gets others.
    pub async fn claim_due(&mut self, resend: Duration, limit: i64) -> Result<Vec<DueDelivery>, DbError> {
        let rows = sqlx::query!(
            "UPDATE webhook_deliveries SET next_attempt_at = now() + make_interval(secs => $1)
            WHERE id IN (
                SELECT id FROM webhook_deliveries
                WHERE state = 'pending' AND next_attempt_at <= now()
                ORDER BY next_attempt_at LIMIT $2
                FOR UPDATE SKIP LOCKED
            )
            RETURNING id, webhook_id, attempts",
            resend.as_secs_f64(),
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let due = rows.into_iter().map(|row| DueDelivery {
            id: WebhookDeliveryId(row.id),
            webhook_id: WebhookId(row.webhook_id),
            attempts: row.attempts,
        });
        Ok(due.collect())
    }

    /// Begins the attempt that follows this many others, and makes the delivery due again after `lease`, in case that the
    /// process dies. Returns `None` if it was begun before, or nothing is to be sent any more.
    pub async fn begin_attempt(
        &mut self,
        id: WebhookDeliveryId,
        attempts: u32,
        lease: Duration,
    ) -> Result<Option<Attempt>, DbError> {
        let row = sqlx::query!(
            r#"UPDATE webhook_deliveries d
            SET attempts = d.attempts + 1, last_attempt_at = now(),
                next_attempt_at = now() + make_interval(secs => $3)
            FROM webhooks w
            WHERE d.id = $1 AND d.attempts = $2 AND d.state = 'pending' AND w.id = d.webhook_id AND w.enabled
            RETURNING d.webhook_id, d.attempts, d.event_type, d.payload, d.collection_id, w.user_id, w.url,
                w.collection_id IS NOT NULL AS "is_of_collection!""#,
            id.0,
            i32::try_from(attempts).unwrap_or(i32::MAX),
            lease.as_secs_f64(),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(Attempt {
            id,
            webhook_id: WebhookId(row.webhook_id),
            number: row.attempts,
            event: DbError::parse_label("webhook_deliveries", "event_type", &row.event_type)?,
            payload: row.payload,
            collection_id: row.collection_id.map(CollectionId),
            user_id: UserId(row.user_id),
            is_of_collection: row.is_of_collection,
            url: row.url,
        }))
    }

    /// Records that the receiver accepted a delivery.
    pub async fn record_success(&mut self, id: WebhookDeliveryId, status: u16) -> Result<(), DbError> {
        sqlx::query!(
            "WITH delivered AS (
                UPDATE webhook_deliveries
                SET state = 'delivered', delivered_at = now(), last_status = $2, last_error = NULL
                WHERE id = $1
                RETURNING webhook_id
            )
            UPDATE webhooks w SET failures = 0, failing_since = NULL, last_delivered_at = now()
            FROM delivered WHERE w.id = delivered.webhook_id",
            id.0,
            i32::from(status),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Records a failed attempt. The delivery is due again after `next`, or has failed. Returns `None` if the webhook is gone.
    pub async fn record_failure(
        &mut self,
        id: WebhookDeliveryId,
        status: Option<u16>,
        error: &str,
        next: Option<Duration>,
    ) -> Result<Option<FailedAttempt>, DbError> {
        let failing_since = sqlx::query_scalar!(
            r#"WITH failed AS (
                UPDATE webhook_deliveries
                SET last_status = $2, last_error = $3,
                    -- One that was cancelled meanwhile stays so.
                    state = CASE WHEN state = 'pending' AND $4::float8 IS NULL THEN 'failed' ELSE state END,
                    next_attempt_at = coalesce(now() + make_interval(secs => $4), next_attempt_at)
                WHERE id = $1
                RETURNING webhook_id
            )
            UPDATE webhooks w SET failures = w.failures + 1, failing_since = coalesce(w.failing_since, now())
            FROM failed WHERE w.id = failed.webhook_id
            RETURNING w.failing_since AS "failing_since!""#,
            id.0,
            status.map(i32::from),
            error,
            next.map(|next| next.as_secs_f64()),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(failing_since.map(|failing_since| FailedAttempt { failing_since }))
    }

    /// Ends a delivery whose webhook is disabled: the event happened while it was being disabled.
    pub async fn cancel_if_disabled(&mut self, id: WebhookDeliveryId) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE webhook_deliveries d SET state = 'cancelled', last_error = 'the webhook is disabled'
            FROM webhooks w
            WHERE d.id = $1 AND d.state = 'pending' AND w.id = d.webhook_id AND NOT w.enabled",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Ends a delivery that must not be sent any more.
    pub async fn cancel(&mut self, id: WebhookDeliveryId, reason: &str) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE webhook_deliveries SET state = 'cancelled', last_error = $2
            WHERE id = $1 AND state = 'pending'",
            id.0,
            reason,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}
