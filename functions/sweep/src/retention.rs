//! Removes what nobody needs any more, a bounded number of rows at a time.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use db::{Connection, DbError};
use lambda::StageError;
use lambda::event::Invocation;
use serde::Serialize;

use crate::State;

/// Rows that one statement removes, so that none of them holds locks for long.
const BATCH: i64 = 1000;
/// The most batches of one kind in one run; the next run goes on.
const MOST_BATCHES: u64 = 20;
/// With less time than this left, no further batch is begun.
const RESERVE: Duration = Duration::from_secs(10);

/// Repetitions of a request get its answer for as long as this.
const IDEMPOTENCY_KEYS: TimeDelta = TimeDelta::hours(24);
/// Spent and expired tokens stay this long, so that their reuse is noticed.
const REFRESH_TOKENS: TimeDelta = TimeDelta::days(30);
/// A failed sign-in matters for much less than this.
const LOGIN_ATTEMPTS: TimeDelta = TimeDelta::days(1);
/// What happened can be looked up for this long; the audit log keeps it for good.
const HISTORY: TimeDelta = TimeDelta::days(90);

/// What is kept for some time only.
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
}

/// How many rows of each kind were removed.
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
    }
}

/// Removes what has served its time.
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
        // Before their operations, which go when they have none left.
        (Kind::OperationItems, &mut removed.operation_items),
        (Kind::Operations, &mut removed.operations),
        (Kind::SyncRuns, &mut removed.sync_runs),
    ] {
        for _ in 0..MOST_BATCHES {
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
    /// Removes a batch. Returns how many rows it was.
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
        }
    }
}
