//! The documents of a page, with their points and staged objects.

use std::collections::{BTreeMap, BTreeSet};

use db::documents::RecordedDocument;
use domain::DocumentId;

use crate::cursor::Cursor;
use crate::error::IntegrityError;
use crate::facts::{DocumentFacts, Points};
use crate::read::{MAX_DOCUMENTS, POINTS_PER_CALL, Page, Reader};
use crate::staged::list_staged;

/// A page ends before the document that would exceed this number of chunks.
const MAX_CHUNKS: u64 = 20_000;

impl Reader<'_> {
    pub(crate) async fn read_documents(
        &self,
        mut page: Page,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Page, IntegrityError> {
        let was_busy = self.is_busy().await?;
        let limit = limit.clamp(1, MAX_DOCUMENTS);
        let rows = self.list_rows(after, None, limit).await?;
        let is_end = rows.len() < limit;
        let count = rows.len();
        let mut rows = within_chunk_limit(rows);
        let until = if is_end && rows.len() == count { None } else { rows.last().map(|row| row.id) };
        let (staged, until) = list_staged(self.stores.artifacts, self.collection.id, after, until).await?;
        rows.retain(|row| until.is_none_or(|until| row.id <= until));
        let points = self.points_of(&rows).await?;
        let again = self.list_rows(after, rows.last().map(|row| row.id), rows.len()).await?;
        let is_busy = was_busy || self.is_busy().await?;

        let read: BTreeSet<DocumentId> = rows.iter().map(|row| row.id).collect();
        let stable = stable(rows, again);
        let objects_of: BTreeSet<DocumentId> =
            staged.keys.iter().filter_map(|key| key.document_id()).collect();
        let unknown: Vec<DocumentId> = objects_of.difference(&read).copied().collect();
        // An operation that is staging a new document writes its object before its row.
        let without_row: BTreeSet<DocumentId> =
            if is_busy { BTreeSet::new() } else { self.without_row(&unknown).await? };
        page.checked.documents = read.len();
        page.checked.points = points.values().map(BTreeSet::len).sum();
        page.checked.objects = staged.keys.len() + staged.unknown.len();
        page.checked.in_progress = read.len() - stable.len() + (unknown.len() - without_row.len());

        let is_compared = |id: &DocumentId| stable.contains_key(id) || without_row.contains(id);
        page.facts.points = points.into_iter().filter(|((id, _), _)| is_compared(id)).collect();
        page.facts.objects = staged
            .keys
            .into_iter()
            .filter(|key| key.document_id().is_some_and(|id| is_compared(&id)))
            .collect();
        page.facts.unknown_keys = staged.unknown;
        page.facts.documents = stable.into_values().map(DocumentFacts::from).collect();
        page.next = Some(until.map_or(Cursor::Uploads(None), |until| Cursor::Documents(Some(until))));
        Ok(page)
    }

    async fn list_rows(
        &self,
        after: Option<DocumentId>,
        until: Option<DocumentId>,
        limit: usize,
    ) -> Result<Vec<RecordedDocument>, IntegrityError> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut connection = self.stores.db.connection().await?;
        Ok(connection.documents().list_recorded(self.collection.id, after, until, limit).await?)
    }

    /// Returns the points that the index has of these documents.
    async fn points_of(&self, rows: &[RecordedDocument]) -> Result<Points, IntegrityError> {
        let ids: Vec<DocumentId> = rows.iter().map(|row| row.id).collect();
        let mut points = Points::new();
        if ids.is_empty() {
            return Ok(points);
        }
        let (vectors, name) = (self.stores.vectors, self.collection.vector_store_name);
        let mut from = None;
        loop {
            let (found, next) = vectors.list_points(name, Some(&ids), from, POINTS_PER_CALL).await?;
            for point in found {
                points.entry((point.document_id, point.generation)).or_default().insert(point.id);
            }
            if next.is_none() {
                return Ok(points);
            }
            from = next;
        }
    }

    /// Returns those of the documents that have no row.
    pub(crate) async fn without_row(
        &self,
        ids: &[DocumentId],
    ) -> Result<BTreeSet<DocumentId>, IntegrityError> {
        let mut connection = self.stores.db.connection().await?;
        let existing = connection.documents().find_rows(self.collection.id, ids).await?;
        Ok(ids.iter().filter(|id| !existing.contains(id)).copied().collect())
    }
}

/// Returns the first rows, with [`MAX_CHUNKS`] chunks at most; at least one.
fn within_chunk_limit(rows: Vec<RecordedDocument>) -> Vec<RecordedDocument> {
    let mut chunks = 0;
    let fits = |row: &RecordedDocument| {
        let is_first = chunks == 0;
        chunks += u64::from(row.chunk_count);
        is_first || chunks <= MAX_CHUNKS
    };
    rows.into_iter().take_while(fits).collect()
}

/// Returns the rows that were the same both times and on which no operation is working. Erasure goes on meanwhile: what
/// it had still to do at either time may have been there.
fn stable(
    rows: Vec<RecordedDocument>,
    again: Vec<RecordedDocument>,
) -> BTreeMap<DocumentId, RecordedDocument> {
    let again: BTreeMap<DocumentId, RecordedDocument> = again.into_iter().map(|row| (row.id, row)).collect();
    let stable = rows.into_iter().filter_map(|row| {
        let again = again.get(&row.id)?;
        let row = RecordedDocument { is_erasing: row.is_erasing || again.is_erasing, ..row };
        let is_same =
            RecordedDocument { kept: row.kept.clone(), is_erasing: row.is_erasing, ..again.clone() } == row;
        (is_same && !row.is_in_progress).then_some((row.id, row))
    });
    stable.collect()
}

impl From<RecordedDocument> for DocumentFacts {
    fn from(row: RecordedDocument) -> Self {
        Self {
            id: row.id,
            status: row.status,
            has_reason: row.has_reason,
            is_duplicate: row.is_duplicate,
            generation: row.generation,
            chunk_count: row.chunk_count,
            content_generation: row.content_generation,
            last_generation: row.last_generation,
            kept: row.kept.into_iter().collect(),
            is_erasing: row.is_erasing,
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::{DocumentStatus, Generation};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn rows_that_change_are_left_out_unless_only_erasure_goes_on() {
        let row = RecordedDocument {
            id: DocumentId(Uuid::from_u128(1)),
            status: DocumentStatus::Completed,
            has_reason: false,
            is_duplicate: false,
            generation: Generation(2),
            chunk_count: 3,
            content_generation: Some(Generation(2)),
            last_generation: Generation(2),
            kept: vec![Generation(1), Generation(2)],
            is_erasing: true,
            is_in_progress: false,
        };
        let erased = RecordedDocument { kept: vec![Generation(2)], is_erasing: false, ..row.clone() };
        for (before, after) in [(&row, &erased), (&erased, &row)] {
            let stable = stable(vec![before.clone()], vec![after.clone()]);
            assert!(stable[&row.id].is_erasing, "{stable:?}");
        }
        let indexed = RecordedDocument { generation: Generation(3), ..row.clone() };
        let busy = RecordedDocument { is_in_progress: true, ..row.clone() };
        for (before, after) in [(&row, vec![indexed]), (&row, Vec::new()), (&busy, vec![busy.clone()])] {
            assert!(stable(vec![before.clone()], after).is_empty());
        }
    }
}
