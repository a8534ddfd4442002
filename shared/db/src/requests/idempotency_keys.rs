//! Answers that were given, by the key that the client chose for its request.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde_json::Value;
use sqlx::PgConnection;

use crate::DbError;

/// The request that comes with a key.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// Who sends it: keys of different users never meet.
    pub user_id: UserId,
    /// The key.
    pub key: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// Its path and query.
    pub path: &'a str,
    /// A hash of its body.
    pub request_hash: &'a [u8; 32],
}

/// A key that came before.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownKey {
    /// Its request's method.
    pub method: String,
    /// Its request's path and query.
    pub path: String,
    /// What was answered.
    pub answer: KnownAnswer,
    request_hash: Vec<u8>,
}

/// What was answered to a request with a key.
#[derive(Debug, Clone, PartialEq)]
pub enum KnownAnswer {
    /// This.
    Kept {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Value,
    },
    /// Something that is shown once.
    Unrepeatable {
        /// Why, and what to do.
        reason: String,
    },
}

impl KnownKey {
    /// Whether the key came with the same request.
    pub fn is_same(&self, new: &NewKey<'_>) -> bool {
        self.method == new.method && self.path == new.path && self.request_hash == new.request_hash
    }
}

/// Keeps answers by key.
#[derive(Debug)]
pub struct IdempotencyKeys<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> IdempotencyKeys<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Claims a key for this transaction; false if it was used before. Waits for a transaction that
    /// holds the key now: if that one fails, the key is free again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn insert(&mut self, new: &NewKey<'_>) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "INSERT INTO idempotency_keys (user_id, key, method, path, request_hash)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (user_id, key) DO NOTHING",
            new.user_id.0,
            new.key,
            new.method,
            new.path,
            new.request_hash.as_slice(),
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// What was answered under a key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(&mut self, user_id: UserId, key: &str) -> Result<Option<KnownKey>, DbError> {
        let row = sqlx::query!(
            "SELECT method, path, request_hash, response_status, response_body, unrepeatable_reason
            FROM idempotency_keys WHERE user_id = $1 AND key = $2",
            user_id.0,
            key,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let answer = match (row.unrepeatable_reason, row.response_status, row.response_body) {
            (Some(reason), _, _) => KnownAnswer::Unrepeatable { reason },
            (None, Some(status), Some(body)) => {
                let status = u16::try_from(status).map_err(|_| inconsistent(status.to_string()))?;
                KnownAnswer::Kept { status, body }
            }
            // Committed without an answer: IdempotentTx never does that.
            (None, status, _) => return Err(inconsistent(format!("{status:?}"))),
        };
        Ok(Some(KnownKey { method: row.method, path: row.path, answer, request_hash: row.request_hash }))
    }

    /// Keeps the answer that repetitions get.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_answer(
        &mut self,
        user_id: UserId,
        key: &str,
        status: u16,
        body: &Value,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE idempotency_keys SET response_status = $3, response_body = $4
            WHERE user_id = $1 AND key = $2",
            user_id.0,
            key,
            i32::from(status),
            body,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Keeps why the answer cannot be repeated.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_reason(
        &mut self,
        user_id: UserId,
        key: &str,
        status: u16,
        reason: &str,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE idempotency_keys SET response_status = $3, unrepeatable_reason = $4
            WHERE user_id = $1 AND key = $2",
            user_id.0,
            key,
            i32::from(status),
            reason,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Forgets keys that came before this moment, `limit` at most. Returns how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_older(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM idempotency_keys WHERE (user_id, key) IN (
                SELECT user_id, key FROM idempotency_keys WHERE created_at < $1 LIMIT $2
                FOR UPDATE SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }
}

fn inconsistent(value: String) -> DbError {
    DbError::Inconsistent { table: "idempotency_keys", column: "response_status", value }
}
