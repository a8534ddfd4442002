//! The sync schedule of continuous collections. Mode and interval are details of a collection; changing
//! them reschedules the next run, see `collections::CollectionDetails`.

use chrono::{DateTime, Utc};
use domain::{CollectionId, UserId};

use crate::DbError;
use crate::collections::Collections;

/// A collection whose sync run is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueCollection {
    /// ID of the collection.
    pub id: CollectionId,
    /// Name of the collection.
    pub name: String,
    /// Its owner, whom the operations will belong to.
    pub owner_id: UserId,
    /// When the run after this one is due.
    pub next_run_at: DateTime<Utc>,
}

impl Collections<'_> {
    /// Pauses the schedule of a continuous collection; a running sync run continues. Returns since when it
    /// is paused, `None` if the collection is not continuous or is deleted.
    pub async fn pause_sync(&mut self, id: CollectionId) -> Result<Option<DateTime<Utc>>, DbError> {
        let paused_at = sqlx::query_scalar!(
            r#"UPDATE collections
            SET sync_paused_at = coalesce(sync_paused_at, now()), updated_at = now()
            WHERE id = $1 AND sync_mode = 'continuous' AND deleted_at IS NULL
            RETURNING sync_paused_at AS "sync_paused_at!""#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(paused_at)
    }

    /// Resumes the schedule; a run that became due meanwhile starts next. Returns when the next run is due,
    /// `None` if the collection is not continuous or is deleted.
    pub async fn resume_sync(&mut self, id: CollectionId) -> Result<Option<DateTime<Utc>>, DbError> {
        let next_run_at = sqlx::query_scalar!(
            r#"UPDATE collections
            SET sync_paused_at = NULL, sync_next_run_at = greatest(sync_next_run_at, now()),
                updated_at = now()
            WHERE id = $1 AND sync_mode = 'continuous' AND deleted_at IS NULL
            RETURNING sync_next_run_at AS "sync_next_run_at!""#,
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(next_run_at)
    }

    /// Claims the collection that has been due longest, and schedules its next run. No other caller gets
    /// the same one; start its run in the same transaction. A collection with a running sync run is not
    /// due.
    pub async fn claim_due(&mut self) -> Result<Option<DueCollection>, DbError> {
        let row = sqlx::query!(
            r#"UPDATE collections
            SET sync_next_run_at = now() + make_interval(mins => sync_interval_minutes)
            WHERE id = (
                SELECT c.id FROM collections c
                WHERE c.sync_mode = 'continuous' AND c.sync_paused_at IS NULL
                    AND c.sync_next_run_at <= now() AND c.deleted_at IS NULL
                    AND c.sync_interval_minutes IS NOT NULL
                    AND NOT EXISTS (
                        SELECT FROM collection_sync_runs r
                        WHERE r.collection_id = c.id AND r.status = 'running'
                    )
                ORDER BY c.sync_next_run_at
                LIMIT 1
                FOR NO KEY UPDATE OF c SKIP LOCKED
            )
            RETURNING id, name, owner_id, sync_next_run_at AS "next_run_at!""#,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        Ok(row.map(|row| DueCollection {
            id: CollectionId(row.id),
            name: row.name,
            owner_id: UserId(row.owner_id),
            next_run_at: row.next_run_at,
        }))
    }
}
