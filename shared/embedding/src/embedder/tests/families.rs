//! Models with the shape of public exports, imported by `scripts/import-model`: e5, bge, gte, nomic and
//! Qwen3-Embedding differ in inputs, pooling, prefixes and padding. Their expected vectors were computed by
//! another program from the export itself, one text at a time and without padding.

use std::sync::Arc;

use domain::Quantization;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Expected {
    text: String,
    query: Vec<f32>,
    passage: Vec<f32>,
}

impl Expected {
    /// Returns the vector of a chunk with this text: the one of the export, unless the export knows no words of it.
    fn of_chunk(&self, embedder: &Embedder) -> Vec<f32> {
        let prefix = &embedder.manifest.passage_prefix;
        match embedder.tokenize(prefix, &self.text).unwrap().mostly_unknown {
            true => vec![0.0; self.passage.len()],
            false => self.passage.clone(),
        }
    }
}

fn small(name: &str) -> (ModelFolder, Vec<Expected>) {
    let models = checkout().join(".local/test-models/models");
    let folder =
        ModelRegistry::open(&models).and_then(|registry| registry.require(name).map(Arc::unwrap_or_clone));
    let folder =
        folder.unwrap_or_else(|error| panic!("{error}: run scripts/stack services, which makes them"));
    let expected = fs::read_to_string(folder.path.join("expected.json")).unwrap();
    (folder, serde_json::from_str(&expected).unwrap())
}

/// Embeds queries and chunks, all in one padded batch, and compares them with the expected vectors.
fn matches_the_export(name: &str) {
    let (folder, expected) = small(name);
    for (quantization, tolerance) in [(Quantization::Float32, 1e-5), (Quantization::Float16, 5e-3)] {
        let options = EmbedderOptions { batch_tokens: 10_000, ..EmbedderOptions::default() };
        let embedder = Embedder::open(&runtime(), &folder, quantization, options).unwrap();
        let texts: Vec<&str> = expected.iter().map(|expected| expected.text.as_str()).collect();
        for (expected, passage) in expected.iter().zip(embedder.embed_chunks(&texts).unwrap()) {
            let difference = largest_difference(&passage, &expected.of_chunk(&embedder));
            assert!(difference <= tolerance, "{quantization}, {difference} for {:?}", expected.text);
            let query = embedder.embed_query(&expected.text).unwrap().vector;
            let difference = largest_difference(&query, &expected.query);
            assert!(difference <= tolerance, "{quantization}, {difference} for {:?}", expected.text);
        }
    }
    let (int8, options) = (Quantization::Int8, EmbedderOptions::default());
    let embedder = Embedder::open(&runtime(), &folder, int8, options).unwrap();
    for expected in &expected {
        let query = embedder.embed_query(&expected.text).unwrap().vector;
        assert!(cosine(&query, &expected.query) > 0.99, "int8 for {:?}", expected.text);
    }
}

#[test]
fn e5_has_prefixes_and_mean_pooling() {
    let (folder, _) = small("intfloat/e5-small-v2");
    assert_eq!(
        (folder.manifest.query_prefix.as_str(), folder.manifest.passage_prefix_tokens),
        ("query: ", 2)
    );
    matches_the_export("intfloat/e5-small-v2");
}

#[test]
fn bge_has_an_instruction_and_cls_pooling() {
    matches_the_export("BAAI/bge-small-en-v1.5");
}

#[test]
fn gte_has_no_token_types() {
    matches_the_export("Alibaba-NLP/gte-base-en-v1.5");
}

#[test]
fn nomic_has_task_prefixes() {
    matches_the_export("nomic-ai/nomic-embed-text-v1.5");
}

#[test]
fn qwen3_has_positions_an_empty_cache_and_last_token_pooling() {
    let name = "Qwen/Qwen3-Embedding-0.6B";
    let (mut folder, expected) = small(name);
    matches_the_export(name);
    // Padding on the other side is masked, too.
    folder.manifest.padding_side = models::PaddingSide::Right;
    let options = EmbedderOptions { batch_tokens: 10_000, ..EmbedderOptions::default() };
    let embedder = Embedder::open(&runtime(), &folder, Quantization::Float32, options).unwrap();
    let texts: Vec<&str> = expected.iter().map(|expected| expected.text.as_str()).collect();
    for (expected, passage) in expected.iter().zip(embedder.embed_chunks(&texts).unwrap()) {
        assert!(largest_difference(&passage, &expected.of_chunk(&embedder)) <= 1e-5, "{:?}", expected.text);
    }
}
