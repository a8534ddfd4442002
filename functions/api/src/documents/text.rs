//! Shows the text of a document: what the offsets of its chunks count in.

use access::Granted;
use axum::Json;
use axum::extract::State as Shared;
use document_text::{MAX_TEXT_BYTES, TextPart};
use domain::{CollectionId, DocumentId, DocumentStatus};
use lambda::http::{ApiError, ApiPath, ApiQuery, FieldErrors};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find::find;
use crate::State;

/// Which part of the text.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct TextQuery {
    /// Where to start, in bytes of UTF-8, such as a chunk's `start_offset`.
    #[param(minimum = 0, default = 0)]
    start_offset: Option<i64>,
    /// Where to end, exclusive, such as a chunk's `end_offset`; at most 524,288 bytes after the start.
    #[param(minimum = 0)]
    end_offset: Option<i64>,
}

/// A part of a document's text.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TextResponse {
    /// The document.
    #[schema(value_type = Uuid)]
    document_id: DocumentId,
    /// The text from `start_offset` to `end_offset`.
    text: String,
    /// Where it starts in the document's text, in bytes of UTF-8.
    start_offset: u64,
    /// Where it ends, exclusive.
    end_offset: u64,
    /// Where the next part starts; null at the end of the document.
    next_offset: Option<u64>,
}

/// Show a document's text
///
/// The text that was extracted from the document, decoded and without markup: offsets of chunks count in it, not in
/// the bytes of `/content`. At most 512 KiB at once; continue with `next_offset` as `start_offset`.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/documents/{document_id}/text", operation_id = "getDocumentText", tag = "documents",
    params(("collection_id" = Uuid, Path), ("document_id" = Uuid, Path), TextQuery),
    responses((status = 200, body = TextResponse)),
)]
pub(crate) async fn text(
    Shared(state): Shared<State>,
    Granted(_found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, DocumentId)>,
    ApiQuery(query): ApiQuery<TextQuery>,
) -> Result<Json<TextResponse>, ApiError> {
    let mut errors = FieldErrors::default();
    let start = errors.range("start_offset", query.start_offset.unwrap_or(0), 0..=i64::MAX);
    let end = query.end_offset.map(|end| errors.range("end_offset", end, start..=i64::MAX));
    errors.finish()?;
    let start = start.unsigned_abs();
    let end = end.map_or(start.saturating_add(MAX_TEXT_BYTES), i64::unsigned_abs);
    // Release the connection before the bytes are read.
    let (document, content) = {
        let mut connection = state.db.connection().await?;
        let document = find(connection.documents(), collection_id, id).await?;
        if document.status == DocumentStatus::Deleted {
            return Err(ApiError::not_found("document", id));
        }
        (document, connection.document_artifacts().find_content(id).await?)
    };
    let part = document_text::read(&state.artifacts, &document, content.as_ref(), start, end).await?;
    let TextPart { text, start_offset, end_offset, next_offset } = part;
    Ok(Json(TextResponse { document_id: id, text, start_offset, end_offset, next_offset }))
}
