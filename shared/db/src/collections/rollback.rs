//! Rollback of a reindex, while the index that it replaced still exists.

use domain::CollectionId;

use super::collection::Collections;
use crate::DbError;

/// The outcome of a rollback. Roll the transaction back unless it is `Done`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rollback {
    /// The collection uses its previous index again.
    Done {
        /// The Qdrant collection that is its index now.
        vector_store_name: String,
        /// The one that was its index until now.
        replaced: String,
    },
    /// There is no previous index, or it is being dropped.
    NothingKept,
    /// An operation is running, or another reindex is pending.
    Busy,
    /// This many documents have changed since the reindex.
    Changed(i64),
}

impl Collections<'_> {
    /// Restores the index that the last reindex replaced, with its settings. The current index is dropped
    /// soon.
    ///
    /// Runs several statements: call it in a transaction, and roll that back unless the outcome is
    /// [`Rollback::Done`].
    pub async fn roll_back(&mut self, id: CollectionId) -> Result<Rollback, DbError> {
        // Locked from here on: claims of operations wait, and one that was faster is visible.
        let answers = sqlx::query_scalar!(
            "SELECT vector_store_name FROM collections WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
            id.0,
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let kept = sqlx::query!(
            r#"SELECT r.name, r.operation_id AS "operation_id!", r.replaced_by AS "replaced_by!"
            FROM retired_vector_stores r
            WHERE r.collection_id = $1 AND r.replaced_by = $2 AND r.dropped_at IS NULL
                AND r.operation_id IS NOT NULL
            FOR UPDATE"#,
            id.0,
            answers.as_deref(),
        )
        .fetch_optional(&mut *self.connection)
        .await?;
        let Some(kept) = kept else {
            return Ok(Rollback::NothingKept);
        };
        sqlx::query_file!("queries/operations/swap_documents.sql", kept.operation_id, true)
            .execute(&mut *self.connection)
            .await?;
        let is_busy = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                SELECT FROM operations
                WHERE collection_id = $1
                    AND (status = 'processing' OR (status = 'pending' AND type = 'reindex'))
            ) AS "is_busy!""#,
            id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        if is_busy {
            return Ok(Rollback::Busy);
        }
        // Indexed, restored or purged since the reindex.
        let changed = sqlx::query_scalar!(
            r#"SELECT count(*) AS "changed!" FROM documents d
            LEFT JOIN operation_items i ON i.document_id = d.id AND i.operation_id = $2
                AND i.state = 'completed'
            WHERE d.collection_id = $1 AND d.status <> 'deleted'
                AND CASE WHEN i.id IS NULL THEN d.chunk_count > 0
                    ELSE d.generation <> i.base_generation END"#,
            id.0,
            kept.operation_id,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        if changed > 0 {
            return Ok(Rollback::Changed(changed));
        }
        sqlx::query_file!("queries/collections/roll_back_index.sql", id.0, kept.name)
            .execute(&mut *self.connection)
            .await?;
        Ok(Rollback::Done { vector_store_name: kept.name, replaced: kept.replaced_by })
    }
}

#[cfg(test)]
mod tests;
