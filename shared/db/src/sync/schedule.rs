//! When the sources of a collection are read again by themselves. Its mode and interval are among its
//! details; whoever sets those plans the next run, see `collection_details`.

use chrono::{DateTime, Utc};
use domain::{CollectionId, UserId};

use crate::DbError;
use crate::collections::Collections;

/// A collection whose time has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueCollection {
    /// Its id.
    pub id: CollectionId,
    /// Its name.
    pub name: String,
    /// Whose its operations will be.
    pub owner_id: UserId,
    /// When it runs after this time.
    pub next_run_at: DateTime<Utc>,
}

impl Collections<'_> {
    /// Starts no further runs of a continuous collection by itself; one that is running goes on.
    /// Returns since when it is paused; nothing where the collection is not continuous or gone.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Goes on with the schedule: a run whose time has come meanwhile is started next. Returns
    /// when that is; nothing where the collection is not continuous or gone.
    ///
    /// # Errors
    /// When the database does not answer.
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

    /// Takes the collection that is due for longest, and plans its next run. No other caller gets
    /// the same one; start its run in the same transaction. A collection that is being read already
    /// is not due before that has ended.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn take_due(&mut self) -> Result<Option<DueCollection>, DbError> {
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
