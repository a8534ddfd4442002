//! The embedder: tokenizer, graph and pooling of one model.

use std::{
    cmp::Reverse,
    collections::HashMap,
    iter,
    num::NonZeroUsize,
    ops::Range,
    panic,
    sync::{
        Arc, Mutex, PoisonError,
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

/// A window, the texts whose tokens are counted and sorted together while those before are in the model, has a
/// text for so many tokens of a batch: some dozen batches, so that what one cannot fill is little, and few
/// enough that the model starts soon.
const BATCH_TOKENS_PER_TEXT_OF_A_WINDOW: usize = 4;
/// Batches that may wait for the model: enough for the time that a window's tokens take.
const BATCHES_AHEAD: usize = 8;
/// The most bytes of weights that several sessions hold together. Each has its own copy, in the form in
/// which its products read them, twice as large where they are kept in two bytes.
const MOST_WEIGHT_BYTES: u64 = 512 << 20;

/// How much of the machine an embedder uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedderOptions {
    /// Processors to use.
    pub threads: usize,
    /// The most runs of the model at a time. The threads are shared out among them, and each has a session
    /// of its own (ort runs none twice at a time), as far as the memory for that is sensible.
    ///
    /// Threads within a run wait for each other after every operator, runs do not. On two processors with
    /// AVX-512 two runs of a thread each turn passages into vectors faster than one run of two: by 15 %
    /// with float32, by 45 % with int8. A query is one run: it wants all threads.
    pub runs: usize,
    /// The most tokens that go through the model at once, padding included. MiniLM on two threads
    /// is about as fast with 256 as with 2048 and slower beyond, while every doubling takes more
    /// memory: a process with one session peaks at 153 MB with 512, 173 MB with 1024, 276 MB with 4096.
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

    /// As many threads as there are processors, `processors` at most, all of them for one text: for queries.
    pub fn sized_to(processors: Option<usize>) -> Self {
        let there = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = processors.map_or(there, |processors| processors.clamp(1, there));
        Self { threads, runs: 1, batch_tokens: Self::DEFAULT_BATCH_TOKENS, provider: ExecutionProvider::Cpu }
    }

    /// The same for passages by the hundred, of which each processor takes its own.
    pub fn for_passages(processors: Option<usize>) -> Self {
        let options = Self::sized_to(processors);
        Self { runs: options.threads, ..options }
    }

    /// Sessions to open for a graph with so many bytes of weights: as many as share the threads evenly.
    fn sessions(&self, weight_bytes: u64) -> usize {
        let fitting = usize::try_from(MOST_WEIGHT_BYTES / weight_bytes.max(1)).unwrap_or(usize::MAX);
        let most = match self.provider {
            ExecutionProvider::Cpu => self.runs.min(self.threads).min(fitting),
            // A card computes one run with all that it has.
            ExecutionProvider::Cuda => 1,
        };
        (1..=most).rev().find(|sessions| self.threads.is_multiple_of(*sessions)).unwrap_or(1)
    }
}

/// Turns texts into vectors with one graph of a model. May be shared between threads.
#[derive(Debug)]
pub struct Embedder {
    manifest: ModelManifest,
    tokenizer: TextTokenizer,
    /// The same graph as often as it may run at a time; at least once.
    graphs: Vec<Graph>,
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
        let sessions = options.sessions(folder.graph_bytes(quantization)?);
        let threads = options.threads / sessions;
        let graph_options = GraphOptions { threads, optimized, provider: options.provider };
        // Side by side: a cold start waits for the slowest of them.
        let (graphs, tokenizer, verified) = thread::scope(|scope| {
            let tokenizer = scope.spawn(|| TextTokenizer::open(folder));
            let verified = scope.spawn(|| folder.verify(quantization));
            let open = || Graph::open(runtime, &path, graph_options, manifest.dimension as usize);
            let others: Vec<_> = (1..sessions).map(|_| scope.spawn(open)).collect();
            let graphs = iter::once(open()).chain(others.into_iter().map(joined));
            (graphs.collect::<Result<Vec<_>, _>>(), joined(tokenizer), joined(verified))
        });
        // First: a damaged file may fail elsewhere, too, with a reason that nobody understands.
        verified?;
        let (graphs, tokenizer) = (graphs?, tokenizer?);
        Ok(Self { manifest, tokenizer, graphs, precision, batch_tokens: options.batch_tokens })
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
    /// As above; [`EmbeddingError::DeadLetter`] once `given_up` is set.
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
        for (place, vector) in self.embed_in_batches(&different, &order, given_up)? {
            vectors[place] = vector;
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
        Ok(self.run(&self.graphs[0], &[&tokens.ids])?.concat())
    }

    /// The vectors of the texts, each with the text's place, in any order. This thread makes tokens of the
    /// texts, in the order given, and every graph takes a batch of them when it is done with the one before.
    fn embed_in_batches(
        &self,
        texts: &[&str],
        order: &[usize],
        given_up: &AtomicBool,
    ) -> Result<Vec<Placed>, EmbeddingError> {
        let (batches_in, batches) = mpsc::sync_channel(BATCHES_AHEAD);
        let batches = Arc::new(Mutex::new(batches));
        let has_failed = AtomicBool::new(false);
        let stopping = |result: Result<Vec<Placed>, EmbeddingError>| {
            has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
            result
        };
        thread::scope(|scope| {
            let run_graph = |graph, batches: Arc<_>| {
                let should_stop = || match given_up.load(Ordering::Relaxed) {
                    true => Some(Err(EmbeddingError::DeadLetter)),
                    // Whoever has failed says why.
                    false => has_failed.load(Ordering::Relaxed).then(|| Ok(Vec::new())),
                };
                stopping(self.take_batches(graph, &batches, should_stop))
            };
            let spawn = |graph| {
                let batches = Arc::clone(&batches);
                scope.spawn(move || run_graph(graph, batches))
            };
            let running: Vec<_> = self.graphs.iter().map(spawn).collect();
            // With the last graph that ends early nobody listens, and no more tokens are made.
            drop(batches);
            let tokenized = stopping(self.make_batches(texts, order, &batches_in).map(|()| Vec::new()));
            drop(batches_in);
            let done = running.into_iter().map(joined).chain([tokenized]);
            Ok(done.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        })
    }

    /// Cuts the texts into batches, with their tokens, as long as somebody takes them.
    fn make_batches(
        &self,
        texts: &[&str],
        order: &[usize],
        batches_in: &mpsc::SyncSender<TokenBatch>,
    ) -> Result<(), EmbeddingError> {
        let mut truncated = 0;
        for window in order.chunks((self.batch_tokens / BATCH_TOKENS_PER_TEXT_OF_A_WINDOW).max(1)) {
            let tokens =
                window.iter().map(|&place| self.tokenize(&self.manifest.passage_prefix, texts[place]));
            let mut tokens = tokens.collect::<Result<Vec<_>, _>>()?;
            truncated += tokens.iter().filter(|text| text.truncated).count();
            let lengths: Vec<usize> = tokens.iter().map(|text| text.ids.len()).collect();
            for batch in plan(&lengths, self.batch_tokens) {
                let take = |index: usize| (window[index], std::mem::take(&mut tokens[index].ids));
                if batches_in.send(batch.into_iter().map(take).collect()).is_err() {
                    return Ok(());
                }
            }
        }
        if truncated > 0 {
            tracing::warn!(
                truncated,
                texts = texts.len(),
                max_tokens = self.manifest.max_tokens,
                "texts longer than the model reads were cut off"
            );
        }
        Ok(())
    }

    /// Runs one graph over batches until there are no more of them, or until it is to stop.
    fn take_batches(
        &self,
        graph: &Graph,
        batches: &Mutex<mpsc::Receiver<TokenBatch>>,
        should_stop: impl Fn() -> Option<Result<Vec<Placed>, EmbeddingError>>,
    ) -> Result<Vec<Placed>, EmbeddingError> {
        let mut done = Vec::new();
        loop {
            let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = next else {
                return Ok(done);
            };
            if let Some(result) = should_stop() {
                return result;
            }
            let ids: Vec<&[u32]> = batch.iter().map(|(_, ids)| ids.as_slice()).collect();
            let vectors = self.run(graph, &ids)?;
            done.extend(iter::zip(batch.iter().map(|(place, _)| *place), vectors));
        }
    }

    fn tokenize(&self, prefix: &str, text: &str) -> Result<TextTokens, EmbeddingError> {
        if prefix.is_empty() {
            return self.tokenizer.encode(text);
        }
        self.tokenizer.encode(&format!("{prefix}{text}"))
    }

    /// One run of the model: a vector for each text, given by its token ids.
    fn run(&self, graph: &Graph, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let batch = PaddedBatch::new(texts, self.manifest.padding_token_id, self.manifest.padding_side);
        let dimension = self.manifest.dimension as usize;
        let vectors = graph.run(&batch, |hidden| {
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

/// A text's place and its vector.
type Placed = (usize, Vec<f32>);

/// Texts that go through the model together: the place of each, and its tokens.
type TokenBatch = Vec<(usize, Vec<u32>)>;

/// What a thread returned; its panic goes on here.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
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
