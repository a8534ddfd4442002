//! Memory of the chunker.

use std::path::PathBuf;

use super::*;
use crate::{Layout, Strategy};

#[test]
fn buffers_do_not_grow_with_the_document() {
    let models = std::env::var_os("MODELS_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local/models")),
        PathBuf::from,
    );
    let tokenizer = ModelTokenizer::open(&models.join("all-MiniLM-L6-v2/tokenizer.json"))
        .unwrap_or_else(|error| panic!("{error}; run scripts/stack up, or set MODELS_DIR"));
    let pieces = [
        "A sentence of words. ",
        "nowhitespaceatall",
        " \n\t  \n",
        "```\n",
        "{\"a\":1,",
        "文字。",
        "\u{200B}",
        "\u{3000}",
    ];
    let vectors = StaticVectors::open(&models.join("all-MiniLM-L6-v2/static.safetensors")).unwrap();
    let chunks = domain::ChunkSettings { chunk_size: 256, chunk_overlap: 51 };
    for definition in &crate::STRATEGIES {
        let strategy = Strategy::parse(definition.name, &serde_json::Map::new(), chunks).unwrap();
        for (piece, layout) in pieces.iter().flat_map(|piece| Layout::ALL.map(|layout| (piece, layout))) {
            let parameters = ChunkingParameters::new(strategy, layout, 256, 51, 256).unwrap();
            let mut chunker = Chunker::new(&tokenizer, Some(&vectors), parameters).unwrap();
            let piece = piece.repeat(12 * 1024 / piece.len());
            for _ in 0..8 {
                chunker.push(&piece).unwrap();
                let held = chunker.scanner.buffered_bytes();
                assert!(held < 64 * 1024, "{held} bytes of {:?}", &piece[..piece.floor_char_boundary(6)]);
                let pre_tokens = chunker.window.pre_tokens.capacity();
                assert!(
                    pre_tokens < 16 * 1024,
                    "{pre_tokens} pre_tokens of {:?}",
                    &piece[..piece.floor_char_boundary(6)]
                );
            }
        }
    }
}
