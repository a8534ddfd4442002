//! What the listings of sources remember: checkpoints, and the pages of crawls.
//!
//! A change of a source's settings forgets it, by a trigger: with other settings, a source lists other documents.

use domain::{OperationId, SourceId};
use sqlx::PgConnection;

use crate::DbError;

/// A page that the crawl of an operation has found and not visited yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueSourcePage {
    /// Its URL.
    pub url: String,
    /// The number of links that lead to it.
    pub depth: u32,
    /// What the last visit left, if it was visited before.
    pub known: Option<SourcePageState>,
}

/// What a visit leaves of a page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourcePageState {
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    pub last_modified: Option<String>,
    /// The change hint of its document, if it is one.
    pub change_hint: Option<String>,
    /// The pages that it links to.
    pub links: Vec<String>,
}

/// Reads and changes what listings of sources remember.
#[derive(Debug)]
pub struct SourceListings<'c> {
    connection: &'c mut PgConnection,
}

impl<'c> SourceListings<'c> {
    pub(crate) fn new(connection: &'c mut PgConnection) -> Self {
        Self { connection }
    }

    /// Returns where the source's next listing starts, if it starts anywhere.
    pub async fn checkpoint(&mut self, id: SourceId) -> Result<Option<String>, DbError> {
        let row = sqlx::query_scalar!("SELECT checkpoint FROM source_checkpoints WHERE source_id = $1", id.0)
            .fetch_optional(&mut *self.connection)
            .await?;
        Ok(row.flatten())
    }

    /// Records what the complete listing of an operation leaves. It becomes the source's checkpoint when the operation
    /// ends without a failure.
    pub async fn propose_checkpoint(
        &mut self,
        id: SourceId,
        operation_id: OperationId,
        checkpoint: &str,
    ) -> Result<(), DbError> {
        sqlx::query!(
            "INSERT INTO source_checkpoints (source_id, operation_id, next_checkpoint)
            SELECT $1, id, $3 FROM operations WHERE uuid = $2
            ON CONFLICT (source_id) DO UPDATE
                SET operation_id = EXCLUDED.operation_id, next_checkpoint = EXCLUDED.next_checkpoint",
            id.0,
            operation_id.0,
            checkpoint,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Takes over what the listing of an operation left, if everything that it listed is indexed, or failed for good: that
    /// is tried again when it has changed, or by a retry.
    pub(crate) async fn record_operation_end(&mut self, operation_sequence: i64) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE source_checkpoints c
            SET operation_id = NULL, next_checkpoint = NULL, checkpoint = CASE
                WHEN o.status = 'completed' AND NOT EXISTS (
                    SELECT FROM operation_items i
                    WHERE i.operation_id = o.id AND i.state = 'failed' AND i.error_category <> 'permanent'
                )
                THEN c.next_checkpoint ELSE c.checkpoint
            END
            FROM operations o WHERE o.id = $1 AND c.operation_id = o.id AND c.source_id = o.source_id",
            operation_sequence,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Adds pages that the crawl of an operation has found, up to `limit` in all, and returns how many were left out for
    /// it. Those that it has found before keep their depth.
    pub async fn find_pages(
        &mut self,
        id: SourceId,
        operation_id: OperationId,
        found: &[(String, u32)],
        limit: usize,
    ) -> Result<u64, DbError> {
        let urls: Vec<String> = found.iter().map(|(url, _)| url.clone()).collect();
        let depths: Vec<i32> =
            found.iter().map(|(_, depth)| i32::try_from(*depth).unwrap_or(i32::MAX)).collect();
        let left_out = sqlx::query_file_scalar!(
            "queries/sources/find_pages.sql",
            id.0,
            operation_id.0,
            &urls,
            &depths,
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(u64::try_from(left_out).unwrap_or_default())
    }

    /// Returns the next pages that the crawl of an operation has found and not visited, those nearest to its start first.
    pub async fn due_pages(
        &mut self,
        id: SourceId,
        operation_id: OperationId,
        limit: usize,
    ) -> Result<Vec<DueSourcePage>, DbError> {
        let rows = sqlx::query!(
            "SELECT p.url, p.depth, p.visited_by, p.etag, p.last_modified, p.change_hint, p.links
            FROM source_pages p JOIN operations o ON o.uuid = $2
            WHERE p.source_id = $1 AND p.found_by = o.id AND p.visited_by IS DISTINCT FROM p.found_by
            ORDER BY p.depth, p.id LIMIT $3",
            id.0,
            operation_id.0,
            i64::try_from(limit).unwrap_or(i64::MAX),
        )
        .fetch_all(&mut *self.connection)
        .await?;
        let due = rows.into_iter().map(|row| DueSourcePage {
            url: row.url,
            depth: u32::try_from(row.depth).unwrap_or_default(),
            known: row.visited_by.map(|_| SourcePageState {
                etag: row.etag,
                last_modified: row.last_modified,
                change_hint: row.change_hint,
                links: row.links,
            }),
        });
        Ok(due.collect())
    }

    /// Records a visit by the crawl of an operation, and what it leaves; without that, what was known stays.
    pub async fn mark_visited(
        &mut self,
        id: SourceId,
        operation_id: OperationId,
        url: &str,
        state: Option<&SourcePageState>,
    ) -> Result<(), DbError> {
        let left = state.cloned().unwrap_or_default();
        sqlx::query!(
            "UPDATE source_pages p SET visited_by = o.id,
                etag = CASE WHEN $4 THEN $5 ELSE p.etag END,
                last_modified = CASE WHEN $4 THEN $6 ELSE p.last_modified END,
                change_hint = CASE WHEN $4 THEN $7 ELSE p.change_hint END,
                links = CASE WHEN $4 THEN $8 ELSE p.links END
            FROM operations o WHERE o.uuid = $2 AND p.source_id = $1 AND p.url = $3",
            id.0,
            operation_id.0,
            url,
            state.is_some(),
            left.etag,
            left.last_modified,
            left.change_hint,
            &left.links,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Deletes the pages that the complete crawl of an operation has not found.
    pub async fn delete_unfound(&mut self, id: SourceId, operation_id: OperationId) -> Result<(), DbError> {
        sqlx::query!(
            "DELETE FROM source_pages p USING operations o
            WHERE o.uuid = $2 AND p.source_id = $1 AND p.found_by <> o.id",
            id.0,
            operation_id.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
