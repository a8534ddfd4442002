//! Encrypted secrets that sign what webhooks are sent.

use chrono::{DateTime, Utc};
use domain::WebhookId;
use sqlx::PgConnection;

use crate::DbError;

/// An encrypted secret of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecret {
    /// ID of the row.
    pub id: i64,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The encrypted secret.
    pub ciphertext: Vec<u8>,
    /// ID of the key that decrypts it.
    pub key_id: String,
}

/// Reads and changes the secrets of webhooks.
#[derive(Debug)]
pub struct WebhookSecrets<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> WebhookSecrets<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns the secrets that sign now: the current one, then rotated ones that have not expired.
    pub async fn list_signing(&mut self, webhook_id: WebhookId) -> Result<Vec<WebhookSecret>, DbError> {
        let rows = sqlx::query!(
            "SELECT id, webhook_id, ciphertext, key_id FROM webhook_secrets
            WHERE webhook_id = $1 AND (expires_at IS NULL OR expires_at > now())
            ORDER BY expires_at IS NOT NULL, id DESC LIMIT 2",
            webhook_id.0,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let secrets = rows.into_iter().map(|row| WebhookSecret {
            id: row.id,
            webhook_id: WebhookId(row.webhook_id),
            ciphertext: row.ciphertext,
            key_id: row.key_id,
        });
        Ok(secrets.collect())
    }

    /// Makes this the current secret. The one before it signs, too, until `expires_at`; older ones are deleted.
    pub async fn rotate(
        &mut self,
        webhook_id: WebhookId,
        ciphertext: &[u8],
        key_id: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "DELETE FROM webhook_secrets WHERE webhook_id = $1 AND expires_at IS NOT NULL",
            webhook_id.0
        )
        .execute(&mut *self.connection)
        .await?;
        sqlx::query!(
            "UPDATE webhook_secrets SET expires_at = $2 WHERE webhook_id = $1",
            webhook_id.0,
            expires_at
        )
        .execute(&mut *self.connection)
        .await?;
        sqlx::query!(
            "INSERT INTO webhook_secrets (webhook_id, ciphertext, key_id) VALUES ($1, $2, $3)",
            webhook_id.0,
            ciphertext,
            key_id,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Deletes secrets that expired before this time, at most `limit`. Returns how many.
    pub async fn delete_expired(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM webhook_secrets WHERE id IN (
                SELECT id FROM webhook_secrets WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }

    /// Returns secrets that are encrypted with another key than this one, after this ID, ordered by ID.
    pub async fn list_not_under(
        &mut self,
        key_id: &str,
        after_id: i64,
        limit: i64,
    ) -> Result<Vec<WebhookSecret>, DbError> {
        let rows = sqlx::query!(
            "SELECT id, webhook_id, ciphertext, key_id FROM webhook_secrets
            WHERE key_id <> $1 AND id > $2 ORDER BY id LIMIT $3",
            key_id,
            after_id,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let secrets = rows.into_iter().map(|row| WebhookSecret {
            id: row.id,
            webhook_id: WebhookId(row.webhook_id),
            ciphertext: row.ciphertext,
            key_id: row.key_id,
        });
        Ok(secrets.collect())
    }

    /// Returns the number of secrets that are encrypted with another key than this one.
    pub async fn count_not_under(&mut self, key_id: &str) -> Result<i64, DbError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM webhook_secrets WHERE key_id <> $1"#,
            key_id,
        );
        Ok(count.fetch_one(&mut *self.connection).await?)
    }

    /// Replaces a secret's ciphertext with the same secret under another key. Returns whether it still existed.
    pub async fn reencrypt(
        &mut self,
        read: &WebhookSecret,
        ciphertext: &[u8],
        key_id: &str,
    ) -> Result<bool, DbError> {
        let updated = sqlx::query!(
            "UPDATE webhook_secrets SET ciphertext = $3, key_id = $4 WHERE id = $1 AND ciphertext = $2",
            read.id,
            read.ciphertext,
            ciphertext,
            key_id,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(updated.rows_affected() == 1)
    }
}
