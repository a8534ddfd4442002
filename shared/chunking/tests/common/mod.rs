//! Shared by the tests of this crate.

use std::path::PathBuf;
use std::sync::LazyLock;

use chunking::{Chunk, Chunker, ChunkingParameters, ModelTokenizer, StaticVectors};

static VECTORS: LazyLock<StaticVectors> =
    LazyLock::new(|| require(StaticVectors::open(&model_file("static.safetensors"))));

/// The real model's tokenizer, from `MODELS_DIR` or the checkout's own stack.
pub fn minilm() -> ModelTokenizer {
    require(ModelTokenizer::open(&model_file("tokenizer.json")))
}

fn model_file(name: &str) -> PathBuf {
    let models = std::env::var_os("MODELS_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local/models")),
        PathBuf::from,
    );
    models.join("all-MiniLM-L6-v2").join(name)
}

fn require<T, E: std::fmt::Display>(opened: Result<T, E>) -> T {
    opened.unwrap_or_else(|error| {
        panic!("{error}; run scripts/stack up, which makes the model folder, or set MODELS_DIR")
    })
}

/// The chunks of a document that arrives in pieces of about this many bytes.
pub fn chunks_by(
    tokenizer: &ModelTokenizer,
    parameters: ChunkingParameters,
    document: &str,
    piece: usize,
) -> Vec<Chunk> {
    let mut chunker = Chunker::new(tokenizer, Some(&VECTORS), parameters).unwrap();
    let mut chunks = Vec::new();
    let mut rest = document;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(rest.ceil_char_boundary(piece.min(rest.len())));
        chunks.extend(chunker.push(now).unwrap());
        rest = later;
    }
    chunks.extend(chunker.finish().unwrap());
    chunks
}
