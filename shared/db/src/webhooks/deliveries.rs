//! The log of deliveries: what webhooks were told, and how that went.

use chrono::{DateTime, Utc};
use domain::{CollectionId, WebhookDeliveryId, WebhookDeliveryState, WebhookEvent, WebhookId};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{DbError, Page};

/// A delivery of an event to a webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct WebhookDelivery {
    /// The `webhook-id` of its attempts.
    pub id: WebhookDeliveryId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The collection that the event is about.
    pub collection_id: Option<CollectionId>,
    /// The event.
    pub event: WebhookEvent,
    /// The body of the request.
    pub payload: Value,
    /// Whether it was delivered.
    pub state: WebhookDeliveryState,
    /// Attempts that have begun.
    pub attempts: i32,
    /// When the next attempt is due.
    pub next_attempt_at: DateTime<Utc>,
    /// When the last attempt began.
    pub last_attempt_at: Option<DateTime<Utc>>,
    /// The HTTP status that the receiver answered last.
    pub last_status: Option<i32>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// When the receiver accepted it.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When the event happened.
    pub created_at: DateTime<Utc>,
}

/// A delivery to insert that no event caused.
#[derive(Debug, Clone, Copy)]
pub struct NewDelivery<'a> {
    /// ID of the delivery.
    pub id: WebhookDeliveryId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The event.
    pub event: WebhookEvent,
    /// The body of the request.
    pub payload: &'a Value,
}

/// Filters and paging of a list of deliveries.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryQuery {
    /// Only deliveries to this webhook.
    pub webhook_id: WebhookId,
    /// Only deliveries in this state.
    pub state: Option<WebhookDeliveryState>,
    /// Only deliveries of this event.
    pub event: Option<WebhookEvent>,
    /// Maximum number of deliveries to return.
    pub limit: i64,
    /// Number of deliveries to skip.
    pub offset: i64,
}

/// Reads and changes deliveries.
#[derive(Debug)]
pub struct WebhookDeliveries<'c> {
    pub(super) connection: &'c mut PgConnection,
}

impl<'c> WebhookDeliveries<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Inserts a delivery. It is due at once.
    pub async fn insert(&mut self, new: &NewDelivery<'_>) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO webhook_deliveries (id, webhook_id, event_type, payload) VALUES ($1, $2, $3, $4)",
            new.id.0,
            new.webhook_id.0,
            new.event.as_str(),
            new.payload,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns the webhook's delivery with this ID.
    pub async fn find(
        &mut self,
        webhook_id: WebhookId,
        id: WebhookDeliveryId,
    ) -> Result<Option<WebhookDelivery>, DbError> {
        let row = sqlx::query_as!(
            DeliveryRow,
            r#"SELECT id, webhook_id, collection_id, event_type, payload, state::text AS "state!", attempts,
                next_attempt_at, last_attempt_at, last_status, last_error, delivered_at, created_at
            FROM webhook_deliveries WHERE id = $1 AND webhook_id = $2"#,
            id.0,
            webhook_id.0,
        );
        row.fetch_optional(&mut *self.connection).await?.map(WebhookDelivery::try_from).transpose()
    }

    /// Returns the deliveries that match the query, newest first.
    pub async fn list(&mut self, query: &DeliveryQuery) -> Result<Page<WebhookDelivery>, DbError> {
        let (state, event) =
            (query.state.map(WebhookDeliveryState::as_str), query.event.map(WebhookEvent::as_str));
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "total!" FROM webhook_deliveries
            WHERE webhook_id = $1 AND ($2::text IS NULL OR state = $2::text::webhook_delivery_state)
                AND ($3::text IS NULL OR event_type = $3)"#,
            query.webhook_id.0,
            state,
            event,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        let rows = sqlx::query_as!(
            DeliveryRow,
            r#"SELECT id, webhook_id, collection_id, event_type, payload, state::text AS "state!", attempts,
                next_attempt_at, last_attempt_at, last_status, last_error, delivered_at, created_at
            FROM webhook_deliveries
            WHERE webhook_id = $1 AND ($2::text IS NULL OR state = $2::text::webhook_delivery_state)
                AND ($3::text IS NULL OR event_type = $3)
            ORDER BY created_at DESC, id LIMIT $4 OFFSET $5"#,
            query.webhook_id.0,
            state,
            event,
            query.limit,
            query.offset,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(Page { items: rows.into_iter().map(WebhookDelivery::try_from).collect::<Result<_, _>>()?, total })
    }

    /// Makes a delivery that has ended due again, with the same ID. Returns whether it had ended.
    pub async fn reopen(&mut self, id: WebhookDeliveryId) -> Result<bool, DbError> {
        let done = sqlx::query!(
            "UPDATE webhook_deliveries
            SET state = 'pending', next_attempt_at = now(), delivered_at = NULL
            WHERE id = $1 AND state <> 'pending'",
            id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Cancels what is still to be sent to a webhook.
    pub async fn cancel_pending(&mut self, webhook_id: WebhookId, reason: &str) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE webhook_deliveries SET state = 'cancelled', last_error = $2
            WHERE webhook_id = $1 AND state = 'pending'",
            webhook_id.0,
            reason,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Deletes deliveries that were created before this time, at most `limit`. Returns how many.
    pub async fn delete_older(&mut self, before: DateTime<Utc>, limit: i64) -> Result<u64, DbError> {
        let done = sqlx::query!(
            "DELETE FROM webhook_deliveries WHERE id IN (
                SELECT id FROM webhook_deliveries WHERE created_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
            )",
            before,
            limit,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(done.rows_affected())
    }
}

struct DeliveryRow {
    id: Uuid,
    webhook_id: Uuid,
    collection_id: Option<Uuid>,
    event_type: String,
    payload: Value,
    state: String,
    attempts: i32,
    next_attempt_at: DateTime<Utc>,
    last_attempt_at: Option<DateTime<Utc>>,
    last_status: Option<i32>,
    last_error: Option<String>,
    delivered_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<DeliveryRow> for WebhookDelivery {
    type Error = DbError;

    fn try_from(row: DeliveryRow) -> Result<Self, DbError> {
        Ok(Self {
            id: WebhookDeliveryId(row.id),
            webhook_id: WebhookId(row.webhook_id),
            collection_id: row.collection_id.map(CollectionId),
            event: DbError::parse_label("webhook_deliveries", "event_type", &row.event_type)?,
            payload: row.payload,
            state: DbError::parse_label("webhook_deliveries", "state", &row.state)?,
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at,
            last_attempt_at: row.last_attempt_at,
            last_status: row.last_status,
            last_error: row.last_error,
            delivered_at: row.delivered_at,
            created_at: row.created_at,
        })
    }
}
