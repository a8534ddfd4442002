//! Webhooks of accounts.

use chrono::{DateTime, Utc};
use domain::{CollectionId, UserId, WebhookEvent, WebhookId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// A webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// ID of the webhook.
    pub id: WebhookId,
    /// The account that it belongs to.
    pub user_id: UserId,
    /// The collection whose events it is notified of; `None` for all collections that the account owns.
    pub collection_id: Option<CollectionId>,
    /// Where events are sent.
    pub url: String,
    /// A note of its owner.
    pub description: String,
    /// The events that it is notified of.
    pub events: Vec<WebhookEvent>,
    /// Whether events are sent.
    pub enabled: bool,
    /// Why it was disabled, unless a user did so.
    pub disabled_reason: Option<String>,
    /// Failed attempts since the last successful one.
    pub failures: i32,
    /// When the first of them was made.
    pub failing_since: Option<DateTime<Utc>>,
    /// When an attempt succeeded last.
    pub last_delivered_at: Option<DateTime<Utc>>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When its settings were last changed.
    pub updated_at: DateTime<Utc>,
}

/// A webhook to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewWebhook<'a> {
    /// ID of the webhook.
    pub id: WebhookId,
    /// The account that it belongs to.
    pub user_id: UserId,
    /// The collection whose events it is notified of.
    pub collection_id: Option<CollectionId>,
    /// Where events are sent.
    pub url: &'a str,
    /// A note of its owner.
    pub description: &'a str,
    /// The events that it is notified of.
    pub events: &'a [WebhookEvent],
    /// Whether events are sent.
    pub enabled: bool,
}

/// What is recorded of a webhook that was disabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisabledWebhook {
    /// The collection whose events it was notified of.
    pub collection_id: Option<CollectionId>,
    /// Its name.
    pub collection_name: Option<String>,
}

/// Filters and paging of a list of webhooks.
#[derive(Debug, Clone, Copy)]
pub struct WebhookQuery {
    /// Only webhooks of this account.
    pub user_id: UserId,
    /// Only webhooks of this collection.
    pub collection_id: Option<CollectionId>,
    /// Only enabled ones, or only disabled ones.
    pub enabled: Option<bool>,
    /// Maximum number of webhooks to return.
    pub limit: i64,
    /// Number of webhooks to skip.
    pub offset: i64,
}

/// Reads and changes webhooks.
#[derive(Debug)]
pub struct Webhooks<'c> {
    pub(super) connection: &'c mut PgConnection,
}

impl<'c> Webhooks<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Inserts a webhook.
    pub async fn insert(&mut self, new: &NewWebhook<'_>) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO webhooks (id, user_id, collection_id, url, description, events, enabled)
            VALUES ($1, $2, $3, $4, $5, $6, $7)",
            new.id.0,
            new.user_id.0,
            new.collection_id.map(|id| id.0),
            new.url,
            new.description,
            &labels(new.events),
            new.enabled,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns the number of an account's webhooks.
    pub async fn count(&mut self, user_id: UserId) -> Result<i64, DbError> {
        let count =
            sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM webhooks WHERE user_id = $1"#, user_id.0);
        Ok(count.fetch_one(&mut *self.connection).await?)
    }

    /// Returns the account's webhook with this ID.
    pub async fn find(&mut self, user_id: UserId, id: WebhookId) -> Result<Option<Webhook>, DbError> {
        let rows = sqlx::query_as!(
            WebhookRow,
            "SELECT id, user_id, collection_id, url, description, events, enabled, disabled_reason, failures,
                failing_since, last_delivered_at, created_at, updated_at
            FROM webhooks WHERE id = $1 AND user_id = $2",
            id.0,
            user_id.0,
        );
        rows.fetch_optional(&mut *self.connection).await?.map(Webhook::try_from).transpose()
    }

    /// Locks the account's webhook until the transaction ends and returns it.
    pub async fn lock(&mut self, user_id: UserId, id: WebhookId) -> Result<Option<Webhook>, DbError> {
        sqlx::query!("SELECT id FROM webhooks WHERE id = $1 AND user_id = $2 FOR UPDATE", id.0, user_id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        self.find(user_id, id).await
    }

    /// Returns the webhooks that match the query, oldest first.
    pub async fn list(&mut self, query: &WebhookQuery) -> Result<Page<Webhook>, DbError> {
        let collection_id = query.collection_id.map(|id| id.0);
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM webhooks
            WHERE user_id = $1 AND ($2::uuid IS NULL OR collection_id = $2)
                AND ($3::boolean IS NULL OR enabled = $3)"#,
            query.user_id.0,
            collection_id,
            query.enabled,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_as!(
            WebhookRow,
            "SELECT id, user_id, collection_id, url, description, events, enabled, disabled_reason, failures,
                failing_since, last_delivered_at, created_at, updated_at
            FROM webhooks
            WHERE user_id = $1 AND ($2::uuid IS NULL OR collection_id = $2)
                AND ($3::boolean IS NULL OR enabled = $3)
            ORDER BY created_at, id LIMIT $4 OFFSET $5",
            query.user_id.0,
            collection_id,
            query.enabled,
            query.limit,
            query.offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(Page { items: rows.into_iter().map(Webhook::try_from).collect::<Result<_, _>>()?, total })
    }

    /// Stores the settings that the owner edits. A webhook that is enabled again starts without failures.
    pub async fn update(&mut self, webhook: &Webhook) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE webhooks
            SET url = $2, description = $3, events = $4, enabled = $5, updated_at = now(),
                disabled_reason = CASE WHEN NOT $5 THEN disabled_reason END,
                failures = CASE WHEN enabled OR NOT $5 THEN failures ELSE 0 END,
                failing_since = CASE WHEN enabled OR NOT $5 THEN failing_since END
            WHERE id = $1",
            webhook.id.0,
            webhook.url,
            webhook.description,
            &labels(&webhook.events),
            webhook.enabled,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Disables a webhook for this reason. Returns `None` if it was not enabled; call
    /// [`super::WebhookDeliveries::cancel_pending`] in the same transaction.
    pub async fn disable(&mut self, id: WebhookId, reason: &str) -> Result<Option<DisabledWebhook>, DbError> {
        let row = sqlx::query!(
            r#"UPDATE webhooks w SET enabled = FALSE, disabled_reason = $2, updated_at = now()
            WHERE id = $1 AND enabled
            RETURNING collection_id,
                (SELECT name FROM collections c WHERE c.id = w.collection_id) AS collection_name"#,
            id.0,
            reason,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.map(|row| DisabledWebhook {
            collection_id: row.collection_id.map(CollectionId),
            collection_name: row.collection_name,
        }))
    }

    /// Deletes the account's webhook, with its deliveries. Returns whether it existed.
    pub async fn delete(&mut self, user_id: UserId, id: WebhookId) -> Result<bool, DbError> {
        let done = sqlx::query!("DELETE FROM webhooks WHERE id = $1 AND user_id = $2", id.0, user_id.0)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn labels(events: &[WebhookEvent]) -> Vec<String> {
    events.iter().map(ToString::to_string).collect()
}

struct WebhookRow {
    id: Uuid,
    user_id: i64,
    collection_id: Option<Uuid>,
    url: String,
    description: String,
    events: Vec<String>,
    enabled: bool,
    disabled_reason: Option<String>,
    failures: i32,
    failing_since: Option<DateTime<Utc>>,
    last_delivered_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<WebhookRow> for Webhook {
    type Error = DbError;

    fn try_from(row: WebhookRow) -> Result<Self, DbError> {
        let events = row.events.iter().map(|event| DbError::parse_label("webhooks", "events", event));
        Ok(Self {
            id: WebhookId(row.id),
            user_id: UserId(row.user_id),
            collection_id: row.collection_id.map(CollectionId),
            events: events.collect::<Result<_, _>>()?,
            url: row.url,
            description: row.description,
            enabled: row.enabled,
            disabled_reason: row.disabled_reason,
            failures: row.failures,
            failing_since: row.failing_since,
            last_delivered_at: row.last_delivered_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
