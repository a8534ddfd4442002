//! Repairs of rows.

use domain::{CollectionId, DocumentId, Generation, OperationId};
use uuid::Uuid;

use super::document::Documents;
use super::searchable::SearchableDocument;
use crate::DbError;

/// A document that must be indexed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequeuedDocument {
    /// The document.
    pub id: DocumentId,
    /// The generation whose staged bytes are indexed; `None` if its source is read.
    pub copy_generation: Option<Generation>,
}

impl Documents<'_> {
    /// Puts documents on the operation's work list, to be indexed again whether or not their bytes have
    /// changed. Until then they stay searchable as they are.
    pub async fn requeue(
        &mut self,
        operation_id: OperationId,
        documents: &[RequeuedDocument],
    ) -> Result<(), DbError> {
        let ids: Vec<Uuid> = documents.iter().map(|document| document.id.0).collect();
        let generations: Vec<Option<i32>> = documents
            .iter()
            .map(|document| document.copy_generation.map(|generation| generation.0))
            .collect();
        sqlx::query_file!(
            "queries/documents/requeue_documents.sql",
            operation_id.0,
            &ids,
            &generations as &[Option<i32>],
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Gives a document that failed or was skipped a reason, if it has none.
    pub async fn explain(&mut self, id: DocumentId, reason: &str) -> Result<(), DbError> {
        sqlx::query!(
            "UPDATE documents SET error_message = $2, updated_at = now()
            WHERE id = $1 AND status IN ('failed', 'skipped') AND error_message IS NULL",
            id.0,
            reason,
        )
        .execute(&mut *self.connection)
        .await?;
        Ok(())
    }

    /// Returns a document if it has points.
    pub async fn find_searchable(
        &mut self,
        collection_id: CollectionId,
        id: DocumentId,
    ) -> Result<Option<SearchableDocument>, DbError> {
        let before = id.0.as_u128().checked_sub(1).map(|before| DocumentId(Uuid::from_u128(before)));
        let found = self.list_searchable(collection_id, before, 1).await?;
        Ok(found.into_iter().find(|document| document.id == id))
    }
}
