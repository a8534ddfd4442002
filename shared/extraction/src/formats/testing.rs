//! Reads small documents.

use crate::{Blocks, Extractor, Format};

/// More than what is held back until it is known to be text, so that what follows is read by pieces.
pub(crate) static PADDING: [u8; 66_000] = [b'\n'; 66_000];

/// The text of a document, which must not depend on how its bytes are split.
pub(super) fn extract(file_name: &str, content: &str) -> String {
    let format = Format::detect(file_name, None, content.as_bytes()).unwrap();
    let by_pieces = |content: &[u8], piece: usize| {
        let (mut extractor, mut blocks) = (Extractor::new(format, None), Blocks::default());
        for piece in content.chunks(piece) {
            extractor.push(piece, &mut blocks).unwrap();
        }
        extractor.finish(&mut blocks).unwrap();
        blocks.text().to_owned()
    };
    let padded = [PADDING.as_slice(), content.as_bytes()].concat();
    let whole = by_pieces(&padded, usize::MAX);
    for piece in [1, 7] {
        assert_eq!(by_pieces(&padded, piece).trim_start(), whole.trim_start());
    }
    by_pieces(content.as_bytes(), usize::MAX)
}
