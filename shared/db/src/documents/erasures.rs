//! Erasure: which staged objects of a document are no longer needed.
//!
//! Triggers queue a document in the transaction that makes one of its generations unreferenced; the view
//! `kept_generations` is the only definition of what is referenced. The caller deletes the objects, then calls
//! [`Erasures::finish`]; until then the document stays queued, so an interrupted erasure is repeated.

use chrono::{DateTime, Utc};
use domain::{CollectionId, DocumentId, Generation};
use sqlx::PgConnection;

use crate::DbError;

/// A document that is queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueErasure {
    /// The document.
    pub document_id: DocumentId,
    /// Its entries in the queue. Entries that are added later are not among them.
    entries: Vec<i64>,
}

/// What of a document can be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasurePlan {
    /// The document's collection.
    pub collection_id: CollectionId,
    /// The document.
    pub document_id: DocumentId,
    /// Generations after this one are not the plan's concern: they may be handed out meanwhile.
    pub newest: Generation,
    /// Generations that are needed.
    pub kept: Vec<Generation>,
    /// When one of them is no longer needed by itself: the index that a rollback would return to is dropped.
    pub kept_until: Option<DateTime<Utc>>,
    /// Set if the document is to be purged.
    pub purge: Option<Purge>,
}

/// What a purge erases besides the staged objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Whether an operation still reads or writes the document.
    pub is_in_use: bool,
    /// Where the document may have come from: object keys if it was uploaded.
    pub locations: Vec<String>,
    /// The Qdrant collections that may have points of it.
    pub indexes: Vec<String>,
}

impl ErasurePlan {
    /// Returns whether the objects of this generation are to be deleted.
    pub fn erases(&self, generation: Generation) -> bool {
        generation <= self.newest && !self.kept.contains(&generation)
    }
}

/// Reads and empties the queue of erasures.
#[derive(Debug)]
pub struct Erasures<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> Erasures<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns whether objects may be erased until the transaction ends. They may not while a backup runs, which holds
    /// the lock exclusively: it copies the objects after the rows that refer to them (`scripts/semantik/database.py`).
    pub async fn try_begin(&mut self) -> Result<bool, DbError> {
        let may_erase =
            sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock_shared(20261130000504) AS "may_erase!""#)
                .fetch_one(&mut *self.connection)
                .await?;
        Ok(may_erase)
    }

    /// Returns documents whose erasure is due, from at most `limit` entries, those that have waited longest first.
    pub async fn list_due(&mut self, limit: i64) -> Result<Vec<DueErasure>, DbError> {
        let rows = sqlx::query!(
            r#"SELECT document_id, array_agg(id) AS "entries!"
            FROM (SELECT * FROM erasures WHERE due_at <= now() ORDER BY due_at, id LIMIT $1) AS due
            GROUP BY document_id
            ORDER BY min(due_at)"#,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let due = rows
            .into_iter()
            .map(|row| DueErasure { document_id: DocumentId(row.document_id), entries: row.entries });
        Ok(due.collect())
    }

    /// Returns what of the document can be erased; `None` if the document is gone, or its collection is deleted,
    /// which erases everything of it.
    pub async fn plan(&mut self, id: DocumentId) -> Result<Option<ErasurePlan>, DbError> {
        let row = sqlx::query_file!("queries/documents/erasure_plan.sql", id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.map(|row| {
            // An operation that copies or reuses a generation of another document holds up that one's purge.
            let is_in_use = row.is_in_use || !row.kept.is_empty();
            ErasurePlan {
                collection_id: CollectionId(row.collection_id),
                document_id: id,
                newest: Generation(row.newest),
                kept: row.kept.into_iter().map(Generation).collect(),
                kept_until: row.kept_until,
                purge: row.is_purge.then_some(Purge {
                    is_in_use,
                    locations: row.locations,
                    indexes: row.indexes,
                }),
            }
        }))
    }

    /// Records that the objects of the plan's generations are deleted: their bytes no longer count.
    pub async fn record(&mut self, plan: &ErasurePlan) -> Result<(), DbError> {
        let kept: Vec<i32> = plan.kept.iter().map(|generation| generation.0).collect();
        sqlx::query!(
            "DELETE FROM document_artifacts WHERE document_id = $1 AND generation <= $2 AND generation <> ALL ($3)",
            plan.document_id.0,
            plan.newest.0,
            &kept,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Turns a document whose objects and points are erased into a tombstone: removes its name, metadata and
    /// messages from every table and appends `document_purged` to the audit log. Lock the collection before. Returns
    /// whether it did; it does not if the document is a tombstone already, or has come back meanwhile.
    pub async fn redact(&mut self, plan: &ErasurePlan) -> Result<bool, DbError> {
        let is_purged = sqlx::query_file_scalar!(
            "queries/documents/redact_document.sql",
            plan.document_id.0,
            plan.newest.0
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(is_purged)
    }

    /// Removes the document's entries from the queue.
    pub async fn finish(&mut self, due: &DueErasure) -> Result<(), DbError> {
        sqlx::query!("DELETE FROM erasures WHERE id = ANY ($1)", &due.entries)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Makes the document due again at `due_at`, or in a minute if that is later.
    pub async fn postpone(&mut self, due: &DueErasure, due_at: DateTime<Utc>) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE erasures SET due_at = greatest($2, now() + interval '1 minute') WHERE id = ANY ($1)",
            &due.entries,
            due_at,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
