//! When collections were checked for integrity.

use std::time::Duration;

use domain::CollectionId;
use sqlx::PgConnection;

use crate::DbError;
use crate::webhooks::{IntegrityMismatch, WebhookDeliveries};

/// A collection whose check is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncheckedCollection {
    /// The collection.
    pub id: CollectionId,
    /// Its name.
    pub name: String,
    /// The Qdrant collection that searches use.
    pub vector_store_name: String,
}

/// Records checks of collections.
#[derive(Debug)]
pub struct IntegrityChecks<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> IntegrityChecks<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns collections that were not checked for this long and in which no operation is open, those that
    /// waited longest first.
    pub async fn list_due(&mut self, age: Duration, limit: i64) -> Result<Vec<UncheckedCollection>, DbError> {
        let rows = sqlx::query!(
            "SELECT c.id, c.name, c.vector_store_name
            FROM collections c
            LEFT JOIN integrity_checks k ON k.collection_id = c.id
            WHERE c.deleted_at IS NULL
                AND coalesce(k.checked_at, c.created_at) < now() - make_interval(secs => $1)
                AND NOT EXISTS (
                    SELECT FROM operations o
                    WHERE o.collection_id = c.id AND o.status IN ('pending', 'processing')
                )
            ORDER BY coalesce(k.checked_at, c.created_at)
            LIMIT $2",
            age.as_secs_f64(),
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let due = rows.into_iter().map(|row| UncheckedCollection {
            id: CollectionId(row.id),
            name: row.name,
            vector_store_name: row.vector_store_name,
        });
        Ok(due.collect())
    }

    /// Records a check of this many documents, unless the collection was deleted meanwhile. Webhooks are notified of
    /// mismatches: call it in a transaction.
    pub async fn record(
        &mut self,
        collection_id: CollectionId,
        documents: i64,
        mismatches: i64,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO integrity_checks (collection_id, documents, mismatches)
            SELECT id, $2, $3 FROM collections WHERE id = $1
            ON CONFLICT (collection_id) DO UPDATE
            SET checked_at = now(), documents = EXCLUDED.documents, mismatches = EXCLUDED.mismatches",
            collection_id.0,
            documents,
            mismatches,
        )
        .execute(&mut *self.connection)
        .await?;
        if mismatches > 0 {
            let found = IntegrityMismatch { collection_id, documents, mismatches };
            WebhookDeliveries::new(self.connection).record_mismatch(found).await?;
        }
        Ok(())
    }
}
