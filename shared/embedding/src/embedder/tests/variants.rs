//! The three precisions of the real model, compared with vectors computed by sentence-transformers.

use domain::Quantization;
use serde::Deserialize;

use super::*;

/// A text and its vector computed by sentence-transformers.
#[derive(Deserialize)]
struct Reference {
    text: String,
    embedding: Vec<f32>,
}

/// Whether this crate reads a text otherwise than sentence-transformers does: it splits words that WordPiece gives up on,
/// and separates words at zero-width spaces.
fn is_read_otherwise(text: &str) -> bool {
    text.contains('\u{200B}')
        || text.split(|c: char| !c.is_alphanumeric()).any(|word| word.chars().count() > 100)
}

/// Reads the reference vectors, or `None` if they are not available.
fn references() -> Option<Vec<Reference>> {
    let path = checkout().join("../shared/data/reference-vectors/all-MiniLM-L6-v2.jsonl");
    let Ok(lines) = fs::read_to_string(&path) else {
        println!("skipped: the reference vectors are not at {}", path.display());
        return None;
    };
    let references: Vec<Reference> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(references.len(), 201);
    Some(references.into_iter().filter(|reference| !is_read_otherwise(&reference.text)).collect())
}

fn variant(quantization: Quantization, batch_tokens: usize) -> Embedder {
    let options = EmbedderOptions { batch_tokens, ..EmbedderOptions::default() };
    let embedder = Embedder::open(&runtime(), &minilm(), quantization, options).unwrap();
    assert_eq!(embedder.precision(), quantization, "the model folder has all three");
    embedder
}

/// Embeds all texts in the given order; returns the vectors in the order of the references.
fn embed(embedder: &Embedder, references: &[Reference], order: &[usize]) -> Vec<Vec<f32>> {
    let texts: Vec<&str> = order.iter().map(|&index| references[index].text.as_str()).collect();
    let mut vectors = vec![Vec::new(); references.len()];
    for (&index, vector) in order.iter().zip(embedder.embed_chunks(&texts).unwrap()) {
        vectors[index] = vector;
    }
    vectors
}

/// Returns the lowest and the mean cosine similarity to the references. Checks that order and batch size do not
/// change a vector by more than 1e-5 per number.
fn agreement(quantization: Quantization) -> Option<(f64, f64)> {
    let references = references()?;
    let forward: Vec<usize> = (0..references.len()).collect();
    let backward: Vec<usize> = forward.iter().rev().copied().collect();
    let vectors = embed(&variant(quantization, EmbedderOptions::DEFAULT_BATCH_TOKENS), &references, &forward);
    let others = embed(&variant(quantization, 1), &references, &backward);
    for ((reference, vector), other) in references.iter().zip(&vectors).zip(&others) {
        let difference = largest_difference(vector, other);
        assert!(difference <= 1e-5, "{difference} between batches for {:?}", reference.text);
    }
    // Texts of mostly unknown tokens have no direction here.
    let tokenizer = variant(quantization, 1);
    let is_known = |text: &str| !tokenizer.tokenize("", text).unwrap().mostly_unknown;
    let known = references.iter().zip(&vectors).filter(|(reference, _)| is_known(&reference.text));
    let cosines: Vec<f64> = known.map(|(reference, vector)| cosine(&reference.embedding, vector)).collect();
    let lowest = cosines.iter().copied().fold(f64::MAX, f64::min);
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    println!("{quantization}: lowest cosine {lowest:.7}, mean {mean:.7}, of {}", cosines.len());
    Some((lowest, mean))
}

#[test]
fn float32_vectors_equal_those_of_sentence_transformers() {
    if let Some((lowest, _)) = agreement(Quantization::Float32) {
        assert!(lowest >= 0.99999, "{lowest}");
    }
}

#[test]
fn float16_vectors_are_close_to_those_of_sentence_transformers() {
    if let Some((lowest, _)) = agreement(Quantization::Float16) {
        assert!(lowest >= 0.9999, "{lowest}");
    }
}

#[test]
fn int8_vectors_are_similar_to_those_of_sentence_transformers() {
    if let Some((lowest, mean)) = agreement(Quantization::Int8) {
        assert!(mean >= 0.995, "{mean}");
        assert!(lowest >= 0.98, "{lowest}");
    }
}

/// The saved optimized graph gives the same vectors as one that is optimized when it is opened.
#[test]
fn the_saved_optimization_does_not_change_vectors() {
    let (texts, _) = &*ALONE;
    let texts: Vec<&str> = texts.iter().map(String::as_str).take(12).collect();
    for quantization in Quantization::ALL {
        let saved = variant(*quantization, 512).embed_chunks(&texts).unwrap();
        let mut folder = minilm();
        let variants = &mut folder.manifest.variants;
        for variant in
            [&mut variants.float32, &mut variants.float16, &mut variants.int8].into_iter().flatten()
        {
            variant.optimized = false;
        }
        let again = Embedder::open(&runtime(), &folder, *quantization, EmbedderOptions::default()).unwrap();
        for (vector, other) in saved.iter().zip(again.embed_chunks(&texts).unwrap()) {
            assert!(largest_difference(vector, &other) <= 1e-6, "{quantization}");
        }
    }
}
