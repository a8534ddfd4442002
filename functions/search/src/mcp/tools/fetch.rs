//! `fetch`: the text of a document.

use db::documents::{Document, DocumentArtifact};
use document_text::TextPart;
use domain::{DocumentId, DocumentStatus, LinkedDocument, point_id};
use lambda::http::{ApiError, FieldErrors};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, arguments};
use crate::mcp::description::without_nulls;
use crate::mcp::result_id::ResultId;

/// The default number of bytes of text: some 12,000 tokens, which assistants accept as one result.
const DEFAULT_BYTES: u64 = 48 * 1024;
/// The largest number of them.
const MAX_BYTES: u64 = 128 * 1024;

#[derive(Debug, Deserialize)]
struct FetchArguments {
    id: String,
    #[serde(default)]
    start_offset: Option<u64>,
    #[serde(default)]
    max_bytes: Option<u64>,
}

impl Call<'_> {
    pub(super) async fn fetch(&self, given: Value) -> Result<Value, ApiError> {
        let given: FetchArguments = arguments(given)?;
        let mut errors = FieldErrors::default();
        let bytes = errors.range("max_bytes", given.max_bytes.unwrap_or(DEFAULT_BYTES), 1..=MAX_BYTES);
        errors.finish()?;
        let id = ResultId::parse(&given.id)?;
        let (document, content) = self.document(id.document_id).await?;
        let start = match given.start_offset {
            Some(start) => start,
            None => self.start(&document, id.chunk_index, bytes).await?,
        };
        let end = start.saturating_add(bytes);
        let part =
            document_text::read(&self.state.artifacts, &document, content.as_ref(), start, end).await?;
        let TextPart { text, start_offset, end_offset, next_offset } = part;
        let rest = next_offset.map(|next| {
            format!(
                "The document goes on; call fetch with the same id and start_offset {next} for the next part."
            )
        });
        Ok(json!({
            "id": given.id.trim(),
            "title": title(&document),
            "text": text,
            "url": url(&document, &self.api_url),
            "metadata": without_nulls(json!({
                "document_id": document.id,
                "collection_id": document.collection_id,
                "file_name": document.file_name,
                "file_path": document.file_path,
                "mime_type": document.mime_type,
                "start_offset": start_offset,
                "end_offset": end_offset,
                "next_offset": next_offset,
                "rest": rest,
                "created_at": document.created_at,
                "updated_at": document.updated_at,
                "attributes": document.metadata,
            })),
        }))
    }

    /// Returns a document that the caller may read, and what is staged of it.
    ///
    /// # Errors
    /// Returns `NotFound` if there is none in the view.
    pub(super) async fn document(
        &self,
        id: DocumentId,
    ) -> Result<(Document, Option<DocumentArtifact>), ApiError> {
        let no_document = || ApiError::not_found("document", id);
        let mut connection = self.state.db.connection().await?;
        let document = connection.documents().find(id).await?;
        let document = document.filter(|document| document.status != DocumentStatus::Deleted);
        let document = document.ok_or_else(no_document)?;
        // Not even whether the document exists is told to who may not read its collection.
        let found = self.view.find(&mut connection, document.collection_id).await;
        found.map_err(
            |error| if error.kind() == domain::ErrorKind::NotFound { no_document() } else { error },
        )?;
        let content = connection.document_artifacts().find_content(id).await?;
        Ok((document, content))
    }

    /// Returns where the text starts: at the beginning, unless the chunk would not be part of it then; in that case
    /// there is some text before the chunk.
    async fn start(
        &self,
        document: &Document,
        chunk_index: Option<u32>,
        bytes: u64,
    ) -> Result<u64, ApiError> {
        let Some(index) = chunk_index else {
            return Ok(0);
        };
        let collection = {
            let mut connection = self.state.db.connection().await?;
            self.view.find(&mut connection, document.collection_id).await?.collection
        };
        let point = point_id(document.id, document.generation, index);
        let found = self.state.vectors.find_chunks(&collection.vector_store_name, &[point]).await?;
        let chunk = found.first().ok_or_else(|| {
            ApiError::not_found("passage; it may be of an earlier version of the document", index)
        })?;
        let (start, end) = (chunk.payload.metadata.start_offset, chunk.payload.metadata.end_offset);
        Ok(if end <= bytes { 0 } else { start.saturating_sub(bytes / 4) })
    }
}

/// The title of a document: that of its source, else its file name.
pub(super) fn title(document: &Document) -> &str {
    let title = document.title.as_deref().filter(|title| !title.trim().is_empty());
    title.unwrap_or(&document.file_name)
}

/// The URL at which people open a document.
pub(super) fn url(document: &Document, api_url: &str) -> String {
    let linked = LinkedDocument {
        collection_id: document.collection_id,
        document_id: document.id,
        url: document.url.as_deref(),
        mime_type: document.mime_type.as_deref(),
    };
    linked.url(api_url, None)
}
