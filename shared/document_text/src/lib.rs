//! Reads the text of a document: what the offsets of its chunks count in.
//!
//! The text is read from the staged bytes, or from what a parser has made of them. Several functions do so.

mod part;

use artifacts::{ArtifactError, ArtifactReader, ArtifactStore};
use db::documents::{Document, DocumentArtifact};
use domain::{ArtifactKey, ErrorKind};
use frames::DocumentFormat;
use lambda::http::ApiError;
use segmentation::{DocumentText, parsed_format};

use part::Part;

/// The most bytes of text that are read at once. Encoded as JSON and for Lambda, it can be several times as long.
pub const MAX_TEXT_BYTES: u64 = 512 * 1024;

/// A part of a document's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPart {
    /// The text.
    pub text: String,
    /// Where it starts in the document's text, in bytes of UTF-8.
    pub start_offset: u64,
    /// Where it ends, exclusive.
    pub end_offset: u64,
    /// Where the next part starts; `None` at the end of the document.
    pub next_offset: Option<u64>,
}

/// Reads the text of a document from `start` to `end`, at most [`MAX_TEXT_BYTES`]. `content` is what is staged of it.
///
/// # Errors
/// Returns `NotFound` if the document has no text.
pub async fn read(
    artifacts: &ArtifactStore,
    document: &Document,
    content: Option<&DocumentArtifact>,
    start: u64,
    end: u64,
) -> Result<TextPart, ApiError> {
    let content = content.ok_or_else(|| no_text(document))?;
    let part = Part::new(start, end.min(start.saturating_add(MAX_TEXT_BYTES)));
    let (part, has_more) = read_part(artifacts, document, content, part).await?;
    let end_offset = part.start + part.text.len() as u64;
    let next_offset = has_more.then_some(end_offset);
    Ok(TextPart { text: part.text, start_offset: part.start, end_offset, next_offset })
}

/// Reads the document until the part is complete. Returns the part and whether text follows.
async fn read_part(
    artifacts: &ArtifactStore,
    document: &Document,
    content: &DocumentArtifact,
    mut part: Part,
) -> Result<(Part, bool), ApiError> {
    let (mut text, mut reader) = open(artifacts, document, content).await?;
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
    artifacts: &ArtifactStore,
    document: &Document,
    content: &DocumentArtifact,
) -> Result<(DocumentText, ArtifactReader), ApiError> {
    let mut reader = found(artifacts.open(&content.key()).await, document)?;
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
    let reader = found(artifacts.open(&key).await, document)?;
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
