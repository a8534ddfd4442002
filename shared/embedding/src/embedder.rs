//! The embedder: tokenizer, graph and pooling of one model.

use std::{
    cmp::Reverse,
    collections::HashMap,
    iter,
    num::NonZeroUsize,
    ops::Range,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use domain::Quantization;
use models::{ModelFolder, ModelManifest};

use crate::{
    EmbeddingError, ExecutionProvider, OrtRuntime,
    batch::{PaddedBatch, plan},
    graph::{Graph, GraphOptions},
    pooling::{normalize, pool},
    tokenize::{TextTokenizer, TextTokens},
};

/// Texts whose tokens are counted and sorted together, while those before them are in the model.
/// Some dozen batches, so that what one cannot fill is little; few enough that the model starts soon.
const TEXTS_PER_WINDOW: usize = 128;
/// Windows that may wait for the model.
const WINDOWS_AHEAD: usize = 1;

/// How much of the machine an embedder uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedderOptions {
    /// Threads within one run of the model.
    pub threads: usize,
    /// The most tokens that go through the model at once, padding included. MiniLM on two threads
    /// is about as fast with 256 as with 2048 and slower beyond, while every doubling takes more
    /// memory: a process peaks at 153 MB with 512, 173 MB with 1024, 276 MB with 4096.
    pub batch_tokens: usize,
    /// What the model runs on.
    pub provider: ExecutionProvider,
}

impl Default for EmbedderOptions {
    /// All processors that this process may use.
    fn default() -> Self {
        Self::sized_to(None)
    }
}

impl EmbedderOptions {
    /// The default for `batch_tokens`.
    pub const DEFAULT_BATCH_TOKENS: usize = 512;

    /// As many threads as there are processors, `processors` at most.
    pub fn sized_to(processors: Option<usize>) -> Self {
        let there = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = processors.map_or(there, |processors| processors.clamp(1, there));
        Self { threads, batch_tokens: Self::DEFAULT_BATCH_TOKENS, provider: ExecutionProvider::Cpu }
    }
}

/// Turns texts into vectors with one graph of a model. May be shared between threads; runs one batch at a time.
#[derive(Debug)]
pub struct Embedder {
    manifest: ModelManifest,
    tokenizer: TextTokenizer,
    graph: Graph,
    precision: Quantization,
    batch_tokens: usize,
}

impl Embedder {
    /// Opens the graph of a model folder that embeds for collections of this quantization.
    ///
    /// # Errors
    /// When a file is missing or damaged, when the graph is no text encoder, or when the manifest
    /// says something else than the files do.
    pub fn open(
        runtime: &OrtRuntime,
        folder: &ModelFolder,
        quantization: Quantization,
        options: EmbedderOptions,
    ) -> Result<Self, EmbeddingError> {
        let manifest = folder.manifest.clone();
        let (path, optimized) = folder.graph(quantization)?;
        let precision = folder.precision(quantization);
        let graph_options = GraphOptions { threads: options.threads, optimized, provider: options.provider };
        // Side by side: a cold start waits for the slowest of the three.
        let (graph, tokenizer, verified) = thread::scope(|scope| {
            let tokenizer = scope.spawn(|| TextTokenizer::open(folder));
            let verified = scope.spawn(|| folder.verify(quantization));
            let graph = Graph::open(runtime, &path, graph_options, manifest.dimension as usize);
            (graph, tokenizer.join(), verified.join())
        });
        // First: a damaged file may fail elsewhere, too, with a reason that nobody understands.
        verified.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let graph = graph?;
        let tokenizer = tokenizer.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(Self { manifest, tokenizer, graph, precision, batch_tokens: options.batch_tokens })
    }

    /// The precision of the graph's weights: the collection's where the model has that.
    pub fn precision(&self) -> Quantization {
        self.precision
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
        self.embed_passages_unless(texts, &AtomicBool::new(false))
    }

    /// [`Self::embed_passages`], for a caller who may want to have it given up: that is looked at before
    /// each run of the model.
    ///
    /// # Errors
    /// As above; [`EmbeddingError::GivenUp`] once `given_up` is set.
    pub fn embed_passages_unless(
        &self,
        texts: &[&str],
        given_up: &AtomicBool,
    ) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let (different, places) = distinct(texts);
        // By bytes, which is nearly by tokens and costs nothing: a window's texts are of like length.
        let mut order: Vec<usize> = (0..different.len()).collect();
        order.sort_by_key(|&index| Reverse(different[index].len()));

        let mut vectors: Vec<Vec<f32>> = vec![Vec::new(); different.len()];
        let mut truncated = 0;
        self.for_each_window(&different, &order, |window, tokens| {
            truncated += tokens.iter().filter(|text| text.truncated).count();
            self.embed_window(window, &tokens, &mut vectors, given_up)
        })?;
        if truncated > 0 {
            tracing::warn!(
                truncated,
                texts = texts.len(),
                max_tokens = self.manifest.max_tokens,
                "texts longer than the model reads were cut off"
            );
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

    /// Hands the texts over window by window, in this order, with their tokens. What comes next is
    /// turned into tokens meanwhile, on a thread of its own.
    fn for_each_window<'a>(
        &self,
        texts: &[&str],
        order: &'a [usize],
        mut embed: impl FnMut(&'a [usize], Vec<TextTokens>) -> Result<(), EmbeddingError>,
    ) -> Result<(), EmbeddingError> {
        let tokenize = |window: &'a [usize]| {
            let tokens =
                window.iter().map(|&index| self.tokenize(&self.manifest.passage_prefix, texts[index]));
            tokens.collect::<Result<Vec<_>, _>>().map(|tokens| (window, tokens))
        };
        if order.len() <= TEXTS_PER_WINDOW {
            let (window, tokens) = tokenize(order)?;
            return embed(window, tokens);
        }
        thread::scope(|scope| {
            let (sender, windows) = mpsc::sync_channel(WINDOWS_AHEAD);
            scope.spawn(move || {
                for window in order.chunks(TEXTS_PER_WINDOW) {
                    // Nobody listens any more once a window has failed.
                    if sender.send(tokenize(window)).is_err() {
                        return;
                    }
                }
            });
            for window in windows {
                let (window, tokens) = window?;
                embed(window, tokens)?;
            }
            Ok(())
        })
    }

    /// Puts the vector of each of a window's texts into its place.
    fn embed_window(
        &self,
        window: &[usize],
        tokens: &[TextTokens],
        vectors: &mut [Vec<f32>],
        given_up: &AtomicBool,
    ) -> Result<(), EmbeddingError> {
        let lengths: Vec<usize> = tokens.iter().map(|text| text.ids.len()).collect();
        for batch in plan(&lengths, self.batch_tokens) {
            if given_up.load(Ordering::Relaxed) {
                return Err(EmbeddingError::GivenUp);
            }
            let ids: Vec<&[u32]> = batch.iter().map(|&place| tokens[place].ids.as_slice()).collect();
            for (place, vector) in iter::zip(batch, self.run(&ids)?) {
                vectors[window[place]] = vector;
            }
        }
        Ok(())
    }

    fn tokenize(&self, prefix: &str, text: &str) -> Result<TextTokens, EmbeddingError> {
        if prefix.is_empty() {
            return self.tokenizer.encode(text);
        }
        self.tokenizer.encode(&format!("{prefix}{text}"))
    }

    /// One run of the model: a vector for each text, given by its token ids.
    fn run(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let batch = PaddedBatch::new(texts, self.manifest.padding_token_id, self.manifest.padding_side);
        let dimension = self.manifest.dimension as usize;
        let vectors = self.graph.run(&batch, |hidden| {
            let rows = hidden.chunks_exact(batch.sequence * dimension);
            iter::zip(&batch.texts, rows).map(|(text, row)| self.vector(row, text)).collect::<Vec<_>>()
        })?;
        // A damaged model must not poison a collection: Qdrant would take the vector and never find it.
        if vectors.iter().flatten().all(|value| value.is_finite()) {
            return Ok(vectors);
        }
        Err(EmbeddingError::NotFinite { model: self.manifest.name.clone() })
    }

    fn vector(&self, hidden: &[f32], text: &Range<usize>) -> Vec<f32> {
        let dimension = self.manifest.dimension as usize;
        let own = &hidden[text.start * dimension..text.end * dimension];
        let mut vector = pool(own, dimension, self.manifest.pooling);
        if self.manifest.normalize {
            normalize(&mut vector);
        }
        vector
    }
}

/// The different ones among the texts, and each text's place among them.
fn distinct<'a>(texts: &[&'a str]) -> (Vec<&'a str>, Vec<usize>) {
    let mut different = Vec::with_capacity(texts.len());
    let mut known: HashMap<&str, usize> = HashMap::with_capacity(texts.len());
    let mut place_of = |text| {
        *known.entry(text).or_insert_with(|| {
            different.push(text);
            different.len() - 1
        })
    };
    let places = texts.iter().map(|&text| place_of(text)).collect();
    (different, places)
}

#[cfg(test)]
pub(crate) mod tests;
