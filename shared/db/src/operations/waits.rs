//! What open operations wait for.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{OperationId, TransientError, WaitingFor};
use uuid::Uuid;

use super::operation::Operations;
use crate::DbError;

/// What an open operation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// What it is.
    pub waiting_for: WaitingFor,
    /// The last error after which it is tried again; `None` while another operation runs.
    pub error: Option<TransientError>,
    /// When it is tried again.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

impl Operations<'_> {
    /// Records that a message of the operation failed and is delivered again after `delay`. Replaces what was recorded
    /// before; does nothing if the operation has ended.
    pub async fn record_wait(
        &mut self,
        id: OperationId,
        waiting_for: WaitingFor,
        error: TransientError,
        delay: Duration,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO operation_waits (operation_id, waiting_for, error, next_attempt_at)
            SELECT id, $2, $3, now() + make_interval(secs => $4)
            FROM operations WHERE uuid = $1 AND status IN ('pending', 'processing')
            ON CONFLICT (operation_id) DO UPDATE SET
                waiting_for = excluded.waiting_for, error = excluded.error, failed_at = now(),
                next_attempt_at = excluded.next_attempt_at",
            id.0,
            waiting_for.as_str(),
            error.as_str(),
            delay.as_secs_f64(),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns what each of the operations waits for; those that do not wait are missing.
    pub async fn waits_of(&mut self, ids: &[OperationId]) -> Result<HashMap<OperationId, Wait>, DbError> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
        let rows = sqlx::query_file!("queries/operations/find_waits.sql", &ids)
            .fetch_all(&mut *self.connection)
            .await?;
        let waits = rows.into_iter().map(|row| {
            let wait = Wait {
                waiting_for: DbError::parse_label("operation_waits", "waiting_for", &row.waiting_for)?,
                error: DbError::parse_optional_label("operation_waits", "error", row.error.as_deref())?,
                next_attempt_at: row.next_attempt_at,
            };
            Ok((OperationId(row.uuid), wait))
        });
        waits.collect()
    }
}

#[cfg(test)]
mod tests;
