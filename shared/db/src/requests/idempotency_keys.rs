//! Responses by idempotency key.

use chrono::{DateTime, Utc};
use domain::UserId;
use serde_json::Value;
use sqlx::PgConnection;

use crate::DbError;

/// A request with an idempotency key.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    /// The caller's user. Keys of different users are independent.
    pub user_id: UserId,
    /// The idempotency key.
    pub key: &'a str,
    /// HTTP method of the request.
    pub method: &'a str,
    /// Path and query of the request.
    pub path: &'a str,
    /// Hash of the request body.
    pub request_hash: &'a [u8; 32],
}

/// An idempotency key that was used before.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredKey {
    /// HTTP method of its request.
    pub method: String,
    /// Path and query of its request.
    pub path: String,
    /// The response to its request.
    pub response: StoredResponse,
    request_hash: Vec<u8>,
}

/// The stored response to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum StoredResponse {
    /// A response that can be repeated.
    Repeatable {
        /// HTTP status.
        status: u16,
        /// Response body.
        body: Value,
    },
    /// A response that is shown once only, such as a new secret.
    Unrepeatable {
        /// Why it cannot be repeated, and what to do.
        reason: String,
    },
}

impl StoredKey {
    /// Returns whether the request is the one that the key was first used for.
    pub fn is_same(&self, new: &NewKey<'_>) -> bool {
        self.method == new.method && self.path == new.path && self.request_hash == new.request_hash
    }
}

/// Stores responses by idempotency key.
#[derive(Debug)]
pub struct IdempotencyKeys<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> IdempotencyKeys<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Claims a key for this transaction; returns false if it was used before. Waits for a concurrent
    /// transaction that has claimed the key, and gets the key if that one rolls back.
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

    /// Returns the response stored under a key.
    pub async fn find(&mut self, user_id: UserId, key: &str) -> Result<Option<StoredKey>, DbError> {
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
        let response = match (row.unrepeatable_reason, row.response_status, row.response_body) {
            (Some(reason), _, _) => StoredResponse::Unrepeatable { reason },
            (None, Some(status), Some(body)) => {
                let status = u16::try_from(status).map_err(|_| inconsistent(status.to_string()))?;
                StoredResponse::Repeatable { status, body }
            }
            // Committed without a response, which IdempotentTx never does.
            (None, status, _) => return Err(inconsistent(format!("{status:?}"))),
        };
        Ok(Some(StoredKey { method: row.method, path: row.path, response, request_hash: row.request_hash }))
    }

    /// Stores the response for repeated requests.
    pub async fn store_response(
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

    /// Stores why the response cannot be repeated.
    pub async fn store_unrepeatable(
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

    /// Deletes keys that were used before this time, at most `limit`. Returns how many.
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
