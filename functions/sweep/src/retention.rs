//! Deletes rows whose retention period is over, a bounded number at a time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use db::{Connection, DbError};
use lambda::StageError;
use lambda::event::Invocation;
use serde::Serialize;

use crate::State;

/// Rows that one statement deletes, so that it holds its locks briefly.
const BATCH: i64 = 1000;
/// Batches of one kind in one invocation at most; the next one continues.
const MAX_BATCHES: u64 = 20;
/// With less time left than this, no further batch is deleted.
const RESERVE: Duration = Duration::from_secs(10);

/// How long a repeated request gets the response of the first.
const IDEMPOTENCY_KEYS: TimeDelta = TimeDelta::hours(24);
/// How long used and expired tokens are kept, so that their reuse is detected.
const REFRESH_TOKENS: TimeDelta = TimeDelta::days(30);
/// How long failed sign-ins are kept; lockouts are much shorter.
const LOGIN_ATTEMPTS: TimeDelta = TimeDelta::days(1);
/// How long a push run may be open.
const OPEN_PUSH_RUNS: TimeDelta = TimeDelta::days(7);
/// How long deliveries to webhooks can be looked up and sent again.
const DELIVERIES: TimeDelta = TimeDelta::days(30);
/// How long operations, uploads, sync runs and push runs can be looked up; the audit log is never deleted.
const HISTORY: TimeDelta = TimeDelta::days(90);

/// Rows with a retention period.
#[derive(Debug, Clone, Copy)]
enum Kind {
    IdempotencyKeys,
    RefreshTokens,
    LoginAttempts,
    RateLimitBuckets,
    Uploads,
    OperationItems,
    Operations,
    SyncRuns,
    PushRuns,
    WebhookDeliveries,
    WebhookSecrets,
}

/// How many rows of each kind were deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Removed {
    idempotency_keys: u64,
    refresh_tokens: u64,
    login_attempts: u64,
    request_throttles: u64,
    uploads: u64,
    operation_items: u64,
    operations: u64,
    sync_runs: u64,
    push_runs: u64,
    webhook_deliveries: u64,
    webhook_secrets: u64,
}

impl Removed {
    pub(crate) const fn total(&self) -> u64 {
        self.idempotency_keys
            + self.refresh_tokens
            + self.login_attempts
            + self.request_throttles
            + self.uploads
            + self.operation_items
            + self.operations
            + self.sync_runs
            + self.push_runs
            + self.webhook_deliveries
            + self.webhook_secrets
    }
}

/// Deletes the rows whose retention period is over.
pub(crate) async fn retain(
    state: &State,
    invocation: &Invocation,
    removed: &mut Removed,
) -> Result<(), StageError> {
    let now = Utc::now();
    let mut connection = state.db.connection().await?;
    for (kind, count) in [
        (Kind::IdempotencyKeys, &mut removed.idempotency_keys),
        (Kind::RefreshTokens, &mut removed.refresh_tokens),
        (Kind::LoginAttempts, &mut removed.login_attempts),
        (Kind::RateLimitBuckets, &mut removed.request_throttles),
        (Kind::Uploads, &mut removed.uploads),
        // Before their operations, which are deleted once they have no items.
        (Kind::OperationItems, &mut removed.operation_items),
        (Kind::Operations, &mut removed.operations),
        (Kind::SyncRuns, &mut removed.sync_runs),
        (Kind::PushRuns, &mut removed.push_runs),
        (Kind::WebhookDeliveries, &mut removed.webhook_deliveries),
        (Kind::WebhookSecrets, &mut removed.webhook_secrets),
    ] {
        for _ in 0..MAX_BATCHES {
            if invocation.remaining() < RESERVE {
                return Ok(());
            }
            let done = kind.remove(&mut connection, now).await?;
            *count += done;
            if done < BATCH.unsigned_abs() {
                break;
            }
        }
    }
    Ok(())
}

impl Kind {
    /// Deletes a batch. Returns the number of rows.
    async fn remove(self, connection: &mut Connection, now: DateTime<Utc>) -> Result<u64, DbError> {
        match self {
            Self::IdempotencyKeys => {
                connection.idempotency_keys().delete_older(now - IDEMPOTENCY_KEYS, BATCH).await
            }
            Self::RefreshTokens => {
                connection.refresh_tokens().delete_expired(now - REFRESH_TOKENS, BATCH).await
            }
            Self::LoginAttempts => {
                connection.login_attempts().delete_older(now - LOGIN_ATTEMPTS, BATCH).await
            }
            Self::RateLimitBuckets => connection.rate_limits().delete_drained(BATCH).await,
            Self::Uploads => connection.uploads().delete_settled(now - HISTORY, BATCH).await,
            Self::OperationItems => connection.operation_items().delete_of_ended(now - HISTORY, BATCH).await,
            Self::Operations => connection.operations().delete_ended(now - HISTORY, BATCH).await,
            Self::SyncRuns => connection.sync_runs().delete_ended(now - HISTORY, BATCH).await,
            Self::PushRuns => {
                connection.push_runs().expire(now - OPEN_PUSH_RUNS, BATCH).await?;
                connection.push_runs().delete_ended(now - HISTORY, BATCH).await
            }
            Self::WebhookDeliveries => {
                connection.webhook_deliveries().delete_older(now - DELIVERIES, BATCH).await
            }
            Self::WebhookSecrets => connection.webhook_secrets().delete_expired(now, BATCH).await,
        }
    }
}
