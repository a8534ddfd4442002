//! Shows the text of a document: what the offsets of its chunks count in.

use access::Granted;
use artifacts::{ArtifactError, ArtifactReader};
use axum::Json;
use axum::extract::State as Shared;
use db::documents::{Document, DocumentArtifact};
use domain::{ArtifactKey, CollectionId, DocumentId, DocumentStatus, ErrorKind};
use frames::DocumentFormat;
use lambda::http::{ApiError, ApiPath, ApiQuery, FieldErrors};
use segmentation::{DocumentText, parsed_format};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::find::find;
use crate::State;

/// Bytes of text in a response. Encoded as JSON and for Lambda, it can be several times as long.
const MAX_TEXT_BYTES: u64 = 512 * 1024;

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
    get, path = "/api/v2/collections/{collection_id}/documents/{document_id}/text", tag = "documents",
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
    let most = start.saturating_add(MAX_TEXT_BYTES);
    let end = end.map_or(most, |end| end.unsigned_abs().min(most));
    // Release the connection before the bytes are read.
    let (document, content) = {
        let mut connection = state.db.connection().await?;
        let document = find(connection.documents(), collection_id, id).await?;
        if document.status == DocumentStatus::Deleted {
            return Err(ApiError::not_found("document", id));
        }
        (document, connection.document_artifacts().find_content(id).await?)
    };
    let content = content.ok_or_else(|| no_text(&document))?;
    let (part, has_more) = read(&state, &document, &content, Part::new(start, end)).await?;
    let end_offset = part.start + part.text.len() as u64;
    Ok(Json(TextResponse {
        document_id: id,
        text: part.text,
        start_offset: part.start,
        end_offset,
        next_offset: has_more.then_some(end_offset),
    }))
}

/// Reads the document until the part is complete. Returns the part and whether text follows.
async fn read(
    state: &State,
    document: &Document,
    content: &DocumentArtifact,
    mut part: Part,
) -> Result<(Part, bool), ApiError> {
    let (mut text, mut reader) = open(state, document, content).await?;
    let mut read = String::new();
    while let Some(buffer) = reader.next().await? {
        text.push(&buffer, &mut read)?;
        part.push(&read);
        read.clear();
        if part.is_complete {
            return Ok((part, true));
        }
    }
    text.finish(&mut read)?;
    part.push(&read);
    let has_more = part.is_complete;
    Ok((part, has_more))
}

/// Opens the document, or what its parser has read.
async fn open(
    state: &State,
    document: &Document,
    content: &DocumentArtifact,
) -> Result<(DocumentText, ArtifactReader), ApiError> {
    let mut reader = found(state.artifacts.open(&content.key()).await, document)?;
    let head = reader.peek(DocumentFormat::HEAD_BYTES).await?;
    let (file_name, media_type) = (&document.file_name, document.mime_type.as_deref());
    if parsed_format(file_name, media_type, &head).is_none() {
        return Ok((DocumentText::new(file_name, media_type), reader));
    }
    let key = ArtifactKey::Text {
        collection_id: content.collection_id,
        document_id: content.document_id,
        generation: content.generation,
    };
    let reader = found(state.artifacts.open(&key).await, document)?;
    Ok((DocumentText::of_frames(), reader))
}

fn found(
    opened: Result<ArtifactReader, ArtifactError>,
    document: &Document,
) -> Result<ArtifactReader, ApiError> {
    match opened {
        Err(ArtifactError::NotFound { .. }) => Err(no_text(document)),
        opened => Ok(opened?),
    }
}

fn no_text(document: &Document) -> ApiError {
    let reason = format!("document {} has no text: it is {}", document.id, document.status);
    ApiError::new(ErrorKind::NotFound, reason)
}

/// The part of a text between two offsets. Characters are whole: one that contains an offset is before it.
#[derive(Debug)]
struct Part {
    start: u64,
    end: u64,
    /// Bytes of the text so far.
    position: u64,
    text: String,
    /// Whether there is text after the end.
    is_complete: bool,
}

impl Part {
    fn new(start: u64, end: u64) -> Self {
        Self { start, end, position: 0, text: String::new(), is_complete: false }
    }

    /// Reads the next text.
    fn push(&mut self, text: &str) {
        let within = |offset: u64| {
            let bytes = usize::try_from(offset.saturating_sub(self.position)).unwrap_or(usize::MAX);
            text.ceil_char_boundary(bytes.min(text.len()))
        };
        let (from, until) = (within(self.start), within(self.end));
        if self.text.is_empty() && from < text.len() {
            self.start = self.start.max(self.position + from as u64);
        }
        self.text.push_str(&text[from..until]);
        self.is_complete |= until < text.len();
        self.position += text.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::Part;

    proptest! {
        #[test]
        fn parts_are_whole_characters_and_follow_one_another(
            pieces in proptest::collection::vec("[aé€😀]{0,5}", 0..6), step in 1u64..9,
        ) {
            let whole = pieces.concat();
            let mut joined = String::new();
            let mut next = Some(0);
            while let Some(start) = next {
                let mut part = Part::new(start, start + step);
                for piece in &pieces {
                    part.push(piece);
                }
                prop_assert!(part.start == start || part.text.is_empty());
                joined += &part.text;
                next = part.is_complete.then_some(part.start + part.text.len() as u64);
            }
            prop_assert_eq!(joined, whole);
        }
    }

    #[test]
    fn part_between_the_offsets_of_a_chunk() {
        let mut part = Part::new(3, 6);
        for piece in ["abé", "def", "g"] {
            part.push(piece);
        }
        // Offset 3 is inside the third character.
        assert_eq!((part.start, part.text.as_str(), part.is_complete), (4, "de", true));
    }
}
