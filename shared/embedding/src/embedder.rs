//! The embedder: tokenizer, graph and pooling of one model.

use std::{collections::HashMap, num::NonZeroUsize, thread};

use models::{ModelFolder, ModelManifest};

use crate::{
    EmbeddingError, OrtRuntime,
    batch::{PaddedBatch, plan},
    graph::Graph,
    pooling::{normalize, pool},
    tokenize::{TextTokenizer, TextTokens},
};

/// How much of the machine an embedder uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedderOptions {
    /// Threads within one run of the model.
    pub threads: usize,
    /// The most tokens that go through the model at once, padding included. MiniLM on two threads
    /// is about as fast with 256 as with 2048 and slower beyond, while every doubling takes more
    /// memory: a process peaks at 153 MB with 512, 173 MB with 1024, 276 MB with 4096.
    pub batch_tokens: usize,
}

impl EmbedderOptions {
    /// The default for `batch_tokens`.
    pub const DEFAULT_BATCH_TOKENS: usize = 512;
}

impl Default for EmbedderOptions {
    /// All processors that this process may use.
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self { threads, batch_tokens: Self::DEFAULT_BATCH_TOKENS }
    }
}

/// Turns texts into vectors with one model. May be shared between threads; runs one batch at a time.
#[derive(Debug)]
pub struct Embedder {
    manifest: ModelManifest,
    tokenizer: TextTokenizer,
    graph: Graph,
    batch_tokens: usize,
}

impl Embedder {
    /// Opens a model folder.
    ///
    /// # Errors
    /// When a file is missing or damaged, when the graph is no text encoder, or when the manifest
    /// says something else than the files do.
    pub fn open(
        runtime: &OrtRuntime,
        folder: &ModelFolder,
        options: EmbedderOptions,
    ) -> Result<Self, EmbeddingError> {
        let manifest = folder.manifest.clone();
        let graph = Graph::open(runtime, &folder.onnx_path()?, options.threads, manifest.dimension as usize)?;
        let tokenizer = TextTokenizer::open(folder)?;
        Ok(Self { manifest, tokenizer, graph, batch_tokens: options.batch_tokens })
    }

    /// The model's manifest.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// The vectors of passages: one for each text, in the order of the texts, each of
    /// [`ModelManifest::dimension`] numbers. A vector does not depend on the other texts (beyond
    /// rounding, at most 1e-5 a number). Equal texts are computed once.
    ///
    /// A text longer than the model reads is cut off at its limit, as sentence-transformers does;
    /// chunks that keep to [`ModelManifest::text_tokens`] never are.
    ///
    /// # Errors
    /// When the model fails; the texts are not at fault, whatever they hold.
    pub fn embed_passages(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        // Each text's place among the different ones.
        let mut places: Vec<usize> = Vec::with_capacity(texts.len());
        let mut known: HashMap<&str, usize> = HashMap::with_capacity(texts.len());
        let mut tokens: Vec<TextTokens> = Vec::with_capacity(texts.len());
        for &text in texts {
            let place = match known.get(text) {
                Some(&place) => place,
                None => {
                    tokens.push(self.tokenize(&self.manifest.passage_prefix, text)?);
                    known.insert(text, tokens.len() - 1);
                    tokens.len() - 1
                }
            };
            places.push(place);
        }

        let truncated = tokens.iter().filter(|text| text.truncated).count();
        if truncated > 0 {
            tracing::warn!(
                truncated,
                texts = texts.len(),
                max_tokens = self.manifest.max_tokens,
                "texts longer than the model reads were cut off"
            );
        }

        let lengths: Vec<usize> = tokens.iter().map(|text| text.ids.len()).collect();
        let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); tokens.len()];
        for batch in plan(&lengths, self.batch_tokens) {
            let ids: Vec<&[u32]> = batch.iter().map(|&index| tokens[index].ids.as_slice()).collect();
            for (index, vector) in batch.into_iter().zip(self.run(&ids)?) {
                vectors[index] = vector;
            }
        }
        if vectors.len() == texts.len() {
            return Ok(vectors);
        }
        Ok(places.into_iter().map(|place| vectors[place].clone()).collect())
    }

    /// The vector of a query, comparable with those of passages.
    ///
    /// # Errors
    /// When the model fails; the text is not at fault, whatever it holds.
    pub fn embed_query(&self, text: &str) -> Result<Vec<f32>, EmbeddingError> {
        let tokens = self.tokenize(&self.manifest.query_prefix, text)?;
        Ok(self.run(&[&tokens.ids])?.concat())
    }

    fn tokenize(&self, prefix: &str, text: &str) -> Result<TextTokens, EmbeddingError> {
        if prefix.is_empty() {
            return self.tokenizer.encode(text);
        }
        self.tokenizer.encode(&format!("{prefix}{text}"))
    }

    /// One run of the model: a vector for each text, given by its token ids.
    fn run(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let batch = PaddedBatch::new(texts, self.manifest.padding_token_id);
        let dimension = self.manifest.dimension as usize;
        let vectors = self.graph.run(&batch, |hidden| {
            let rows = hidden.chunks_exact(batch.sequence * dimension);
            texts.iter().zip(rows).map(|(ids, row)| self.vector(row, ids.len())).collect::<Vec<_>>()
        })?;
        // A damaged model must not poison a collection: Qdrant would take the vector and never find it.
        if vectors.iter().flatten().all(|value| value.is_finite()) {
            return Ok(vectors);
        }
        Err(EmbeddingError::NotFinite { model: self.manifest.name.clone() })
    }

    fn vector(&self, hidden: &[f32], tokens: usize) -> Vec<f32> {
        let mut vector = pool(hidden, tokens, self.manifest.dimension as usize, self.manifest.pooling);
        if self.manifest.normalize {
            normalize(&mut vector);
        }
        vector
    }
}

#[cfg(test)]
mod tests;
