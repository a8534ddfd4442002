//! HTML inside documents, read by the reader of HTML documents.

use extraction::{Block, Blocks, Extractor, Format};
use frames::WarningKind;

use crate::ParseError;
use crate::output::Output;

/// Bytes that are given to the reader at once.
const PIECE_BYTES: usize = 64 << 10;

/// Appends the text and the headings of an HTML document. `charset` is what its container says about it. What is not
/// HTML is left out with a warning.
pub(crate) fn append(html: &[u8], charset: Option<&str>, output: &mut Output<'_>) -> Result<(), ParseError> {
    let content_type = charset.map(|charset| format!("text/html; charset={charset}"));
    let Ok(format) = Format::detect("part.html", content_type.as_deref(), b"") else {
        output.warn(WarningKind::PartsUnreadable, 1);
        return Ok(());
    };
    let mut extractor = Extractor::new(format, content_type.as_deref());
    let mut blocks = Blocks::default();
    for piece in html.chunks(PIECE_BYTES) {
        if let Err(_binary) = extractor.push(piece, &mut blocks) {
            output.warn(WarningKind::PartsUnreadable, 1);
            return Ok(());
        }
        append_blocks(&blocks, output)?;
        blocks.clear();
    }
    match extractor.finish(&mut blocks) {
        Ok(extracted) => output.warn(WarningKind::BytesReplaced, replaced_bytes(&extracted.warnings)),
        Err(_binary) => output.warn(WarningKind::PartsUnreadable, 1),
    }
    append_blocks(&blocks, output)
}

fn append_blocks(blocks: &Blocks, output: &mut Output<'_>) -> Result<(), ParseError> {
    for block in blocks.iter() {
        match block {
            Block::Text(text) => output.text(text)?,
            Block::Heading { level, text, .. } => output.heading(level, text)?,
            // That of the document, if it has one, has come before.
            Block::Title(title) => output.title(title)?,
            // Pages of HTML would be form feeds, which it does not have, and its lines are not those that are shown.
            Block::Page { .. } | Block::Line { .. } => {}
        }
    }
    Ok(())
}

fn replaced_bytes(warnings: &[extraction::Warning]) -> u64 {
    let replaced = warnings.iter().map(|warning| match warning {
        extraction::Warning::BytesReplaced { bytes, .. } => *bytes,
        _ => 0,
    });
    replaced.sum()
}
