//! HTML inside documents, read by the reader of HTML documents.

use extraction::{Block, Blocks, Extractor, Format};

use crate::ParseError;
use crate::output::Output;

/// Bytes that are given to the reader at once.
const PIECE_BYTES: usize = 64 << 10;

/// Appends the text and the headings of an HTML document. `charset` is what its container says about it.
pub(crate) fn append(
    html: &[u8],
    charset: Option<&str>,
    what: &str,
    output: &mut Output<'_>,
) -> Result<(), ParseError> {
    let content_type = charset.map(|charset| format!("text/html; charset={charset}"));
    let format = Format::detect("part.html", None, b"").map_err(|error| ParseError::damaged(what, error))?;
    let mut extractor = Extractor::new(format, content_type.as_deref());
    let mut blocks = Blocks::default();
    for piece in html.chunks(PIECE_BYTES) {
        extractor.push(piece, &mut blocks).map_err(|error| ParseError::damaged(what, error))?;
        append_blocks(&blocks, output)?;
        blocks.clear();
    }
    let extracted = extractor.finish(&mut blocks).map_err(|error| ParseError::damaged(what, error))?;
    append_blocks(&blocks, output)?;
    if extracted.replaced > 0 {
        output.warn(frames::WarningKind::BytesReplaced, extracted.replaced);
    }
    Ok(())
}

fn append_blocks(blocks: &Blocks, output: &mut Output<'_>) -> Result<(), ParseError> {
    for block in blocks.iter() {
        match block {
            Block::Text(text) => output.text(text)?,
            Block::Heading { level, text } => output.heading(level, text)?,
            // Pages of HTML would be form feeds, which it does not have.
            Block::Page { .. } => {}
        }
    }
    Ok(())
}
