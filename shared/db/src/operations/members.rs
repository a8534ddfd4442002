//! Files inside documents: members of archives, mails of mailboxes, attachments. The extraction of the document that
//! contains them, the container, adds them to its operation's work list.
//!
//! They are listed until the container is read to its end, then staged like any other item. While they are added the
//! container's item is staged, so the operation cannot end. If the container's item ends before it is read, what is
//! listed is removed from the work list.

use domain::{DocumentId, ItemId, OperationId, to_nfc};

use super::items::OperationItems;
use crate::DbError;

/// A file that was found inside a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMember {
    /// URI of its document.
    pub uri: String,
    /// Its name: that of the container, `!/` and its path inside it.
    pub file_name: String,
    /// Its path within the source, built the same way.
    pub file_path: String,
    /// Media type, if the container declares one.
    pub mime_type: Option<String>,
}

/// What became of a file that was found inside a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberEntry {
    /// It is on the work list, now or since an earlier attempt.
    Added(ItemId),
    /// Its document is on the work list on its own account: it is being retried, restored or repaired.
    Taken,
    /// The container's item is no longer staged: it has ended, or its operation has.
    Closed,
}

/// The files that were found in an outermost document and in the documents inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemberTotals {
    /// Their number.
    pub files: u64,
    /// Bytes of those that are staged.
    pub bytes: u64,
}

impl OperationItems<'_> {
    /// Adds a file that was found in the document of a staged item. Safe to repeat.
    pub async fn insert_member(
        &mut self,
        container: ItemId,
        member: &NewMember,
    ) -> Result<MemberEntry, DbError> {
        let row = sqlx::query_file!(
            "queries/operations/insert_member.sql",
            container.0,
            member.uri,
            to_nfc(&member.file_name),
            to_nfc(&member.file_path),
            member.mime_type,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(match (row.is_open, row.id) {
            (false, _) => MemberEntry::Closed,
            (true, None) => MemberEntry::Taken,
            (true, Some(id)) => MemberEntry::Added(ItemId(id)),
        })
    }

    /// Adds the documents that earlier versions of the item's document contained, to be removed, with all that is in
    /// them. Call it when all files of this version are on the work list. Returns the items that are listed.
    pub async fn insert_missing_members(&mut self, container: ItemId) -> Result<Vec<ItemId>, DbError> {
        let ids = sqlx::query_file_scalar!("queries/operations/insert_missing_members.sql", container.0)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(ids.into_iter().map(ItemId).collect())
    }

    /// Counts the files that the operation has found in this outermost document, without those that are directly in
    /// `container_id`.
    pub async fn count_members(
        &mut self,
        operation_id: OperationId,
        outermost_id: DocumentId,
        container_id: DocumentId,
    ) -> Result<MemberTotals, DbError> {
        let row = sqlx::query!(
            r#"SELECT count(*) AS "files!", coalesce(sum(size_bytes), 0)::bigint AS "bytes!"
            FROM operation_items
            WHERE outermost_id = $2 AND container_id <> $3
                AND operation_id = (SELECT id FROM operations WHERE uuid = $1)"#,
            operation_id.0,
            outermost_id.0,
            container_id.0,
        )
        .fetch_one(&mut *self.connection)
        .await?;
        Ok(MemberTotals { files: row.files.unsigned_abs(), bytes: row.bytes.unsigned_abs() })
    }

    /// Removes files from the work list that are listed, because they turned out to be damaged. Returns those of the
    /// items that are gone from it, now or before.
    pub async fn discard_members(&mut self, ids: &[ItemId]) -> Result<Vec<ItemId>, DbError> {
        let wanted: Vec<i64> = ids.iter().map(|id| id.0).collect();
        sqlx::query!(
            "DELETE FROM operation_items
            WHERE id = ANY ($1) AND state = 'listed' AND container_id IS NOT NULL AND NOT is_removal",
            &wanted,
        )
        .execute(&mut *self.connection)
        .await?;
        let left = sqlx::query_scalar!("SELECT id FROM operation_items WHERE id = ANY ($1)", &wanted)
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(ids.iter().copied().filter(|id| !left.contains(&id.0)).collect())
    }

    /// Removes the listed files of a container whose item has ended. A statement of its own after the one that ended
    /// the item: a file that was added while that waited is visible only now.
    pub(super) async fn discard_members_of(&mut self, container: ItemId) -> Result<(), DbError> {
        sqlx::query!(
            "DELETE FROM operation_items m USING operation_items i
            WHERE i.id = $1 AND m.operation_id = i.operation_id AND m.container_id = i.document_id
                AND m.state = 'listed' AND NOT m.is_removal",
            container.0,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
