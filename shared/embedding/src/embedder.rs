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

/// Texts are tokenized and sorted by length in windows, while the batches of earlier windows are in the model. A
/// window has `batch_tokens` divided by this texts: some dozen batches, so that few are underfilled, and few
/// enough that the model starts soon.
const BATCH_TOKENS_PER_WINDOW_TEXT: usize = 4;
/// The capacity of the channel of batches: enough to keep the model busy while a window is tokenized.
const QUEUED_BATCHES: usize = 8;
/// The most bytes of weights that several sessions hold together. Each session has a copy, repacked for its
/// matrix products, which is twice as large for float16 weights.
const MAX_WEIGHT_BYTES: u64 = 512 << 20;

/// How many resources an embedder uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmbedderOptions {
    /// The number of threads.
    pub threads: usize,
    /// The most concurrent runs of the model. The threads are divided among them, and each has its own session
    /// (ort does not run a session concurrently), as far as memory allows.
    ///
    /// Threads within a run synchronize after every operator, runs do not. On two CPUs with AVX-512, two runs
    /// with one thread each embed chunks faster than one run with two threads: by 15 % with float32, by 45 % with
    /// int8. A query is a single run and uses all threads.
    pub runs: usize,
    /// The most tokens per run, including padding. With MiniLM on two threads, 256 to 2048 are about equally fast
    /// and more are slower, while memory grows: a process with one session peaks at 153 MB with 512, 173 MB
    /// with 1024, 276 MB with 4096.
    pub batch_tokens: usize,
    /// The device that runs the model.
    pub provider: ExecutionProvider,
}

impl Default for EmbedderOptions {
    /// Uses all CPUs that are available to the process.
    fn default() -> Self {
        Self::sized_to(None)
    }
}

impl EmbedderOptions {
    /// The default for `batch_tokens`.
    pub const DEFAULT_BATCH_TOKENS: usize = 512;

    /// Returns options for queries: one run with as many threads as there are CPUs, `processors` at most.
    pub fn sized_to(processors: Option<usize>) -> Self {
        let available = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = processors.map_or(available, |processors| processors.clamp(1, available));
        Self { threads, runs: 1, batch_tokens: Self::DEFAULT_BATCH_TOKENS, provider: ExecutionProvider::Cpu }
    }

    /// Returns options for many chunks: one single-threaded run per CPU.
    pub fn for_chunks(processors: Option<usize>) -> Self {
        let options = Self::sized_to(processors);
        Self { runs: options.threads, ..options }
    }

    /// Returns the number of sessions for a graph with so many bytes of weights; it divides the threads evenly.
    fn sessions(&self, weight_bytes: u64) -> usize {
        let fitting = usize::try_from(MAX_WEIGHT_BYTES / weight_bytes.max(1)).unwrap_or(usize::MAX);
        let most = match self.provider {
            ExecutionProvider::Cpu => self.runs.min(self.threads).min(fitting),
            // A GPU uses all of its resources for one run.
            ExecutionProvider::Cuda => 1,
        };
        (1..=most).rev().find(|sessions| self.threads.is_multiple_of(*sessions)).unwrap_or(1)
    }
}

/// The embedding of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryEmbedding {
    /// The vector, of [`ModelManifest::dimension`] numbers.
    pub vector: Vec<f32>,
    /// Whether the query has more tokens than the model reads. The rest is not in the vector.
    pub truncated: bool,
    /// Whether more than half of the query's tokens stand for something the model does not know. The vector says little
    /// about such a query.
    pub mostly_unknown: bool,
}

/// Embeds texts with one graph of a model. Can be shared between threads.
#[derive(Debug)]
pub struct Embedder {
    manifest: ModelManifest,
    tokenizer: TextTokenizer,
    /// Sessions of the same graph, one per concurrent run; at least one.
    graphs: Vec<Graph>,
    precision: Quantization,
    batch_tokens: usize,
}

impl Embedder {
    /// Opens the graph of a model that is used for collections with this quantization.
    ///
    /// # Errors
    /// Returns an error if a file is missing or damaged, if the graph is not a text encoder, or if the manifest
    /// contradicts the files.
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
        // In parallel: a cold start takes as long as the slowest of them.
        let (graphs, tokenizer, verified) = thread::scope(|scope| {
            let tokenizer = scope.spawn(|| TextTokenizer::open(folder));
            let verified = scope.spawn(|| folder.verify(quantization));
            let open = || Graph::open(runtime, &path, graph_options, manifest.dimension as usize);
            let others: Vec<_> = (1..sessions).map(|_| scope.spawn(open)).collect();
            let graphs = iter::once(open()).chain(others.into_iter().map(joined));
            (graphs.collect::<Result<Vec<_>, _>>(), joined(tokenizer), joined(verified))
        });
        // First, because a damaged file may make the others fail with a misleading error.
        verified?;
        let (graphs, tokenizer) = (graphs?, tokenizer?);
        Ok(Self { manifest, tokenizer, graphs, precision, batch_tokens: options.batch_tokens })
    }

    /// Returns the precision of the graph's weights: the collection's, if the model has it.
    pub fn precision(&self) -> Quantization {
        self.precision
    }

    /// Returns the model's manifest.
    pub fn manifest(&self) -> &ModelManifest {
        &self.manifest
    }

    /// Embeds chunks: returns one vector per text, in order, each of [`ModelManifest::dimension`] numbers. A vector
    /// does not depend on the other texts (up to rounding, at most 1e-5 per number). Equal texts are computed
    /// once.
    ///
    /// A text longer than the model's limit is truncated, as in sentence-transformers. Chunks within
    /// [`ModelManifest::text_tokens`] never are.
    ///
    /// A text of mostly unknown tokens has a vector of zeros, which is similar to nothing: the model would give all
    /// such texts nearly the same vector, and they would be found by each other whatever they say.
    ///
    /// # Errors
    /// Returns an error if the model fails; it never depends on the content of the texts.
    pub fn embed_chunks(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let vectors = self.embed_chunks_until(texts, &|| false)?;
        Ok(vectors.into_iter().map(|vector| vector.unwrap_or_default()).collect())
    }

    /// Embeds chunks until `should_stop` returns true, which is called before each run of the model, and returns the
    /// vectors that are computed by then: `None` for the other texts. The longest texts are embedded first.
    ///
    /// # Errors
    /// As for [`Self::embed_chunks`].
    pub fn embed_chunks_until(
        &self,
        texts: &[&str],
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Option<Vec<f32>>>, EmbeddingError> {
        let (unique, positions) = deduplicate(texts);
        // By bytes, which approximates tokens without tokenizing: the texts of a window are of similar length.
        let mut order: Vec<usize> = (0..unique.len()).collect();
        order.sort_by_key(|&index| Reverse(unique[index].len()));

        let mut vectors: Vec<Option<Vec<f32>>> = vec![None; unique.len()];
        for (position, vector) in self.embed_in_batches(&unique, &order, should_stop)? {
            vectors[position] = Some(vector);
        }
        if vectors.len() == texts.len() {
            return Ok(vectors);
        }
        Ok(positions.into_iter().map(|position| vectors[position].clone()).collect())
    }

    /// Embeds a query. Its vector is comparable with those of chunks.
    ///
    /// # Errors
    /// Returns an error if the model fails; it never depends on the content of the text.
    pub fn embed_query(&self, text: &str) -> Result<QueryEmbedding, EmbeddingError> {
        let tokens = self.tokenize(&self.manifest.query_prefix, text)?;
        let vector = self.run(&self.graphs[0], &[&tokens.ids])?.concat();
        let TextTokens { truncated, mostly_unknown, .. } = tokens;
        Ok(QueryEmbedding { vector, truncated, mostly_unknown })
    }

    /// Embeds texts, in any order; returns each vector with its text's index. This thread tokenizes the texts in
    /// the given order; one thread per graph runs the batches.
    fn embed_in_batches(
        &self,
        texts: &[&str],
        order: &[usize],
        should_stop: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<IndexedVector>, EmbeddingError> {
        let (batches_in, batches) = mpsc::sync_channel(QUEUED_BATCHES);
        let batches = Arc::new(Mutex::new(batches));
        let has_failed = AtomicBool::new(false);
        let record_failure = |result: Result<Vec<IndexedVector>, EmbeddingError>| {
            has_failed.fetch_or(result.is_err(), Ordering::Relaxed);
            result
        };
        thread::scope(|scope| {
            let run_graph = |graph, batches: Arc<_>| {
                // The thread that failed returns the error.
                let should_stop = || has_failed.load(Ordering::Relaxed) || should_stop();
                record_failure(self.run_batches(graph, &batches, should_stop))
            };
            let spawn = |graph| {
                let batches = Arc::clone(&batches);
                scope.spawn(move || run_graph(graph, batches))
            };
            let running: Vec<_> = self.graphs.iter().map(spawn).collect();
            // When the last graph stops early, the channel closes and tokenization stops, too.
            drop(batches);
            let tokenized = record_failure(self.make_batches(texts, order, &batches_in));
            drop(batches_in);
            let done = running.into_iter().map(joined).chain([tokenized]);
            Ok(done.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        })
    }

    /// Tokenizes texts and sends them in batches until the receivers are gone. Returns the vectors of texts that are not
    /// run.
    fn make_batches(
        &self,
        texts: &[&str],
        order: &[usize],
        batches_in: &mpsc::SyncSender<TokenBatch>,
    ) -> Result<Vec<IndexedVector>, EmbeddingError> {
        let mut truncated = 0;
        let mut unknown: Vec<IndexedVector> = Vec::new();
        let zeros = || vec![0.0; self.manifest.dimension as usize];
        for window in order.chunks((self.batch_tokens / BATCH_TOKENS_PER_WINDOW_TEXT).max(1)) {
            let tokens =
                window.iter().map(|&position| self.tokenize(&self.manifest.passage_prefix, texts[position]));
            let mut tokens = tokens.collect::<Result<Vec<_>, _>>()?;
            truncated += tokens.iter().filter(|text| text.truncated).count();
            let is_unknown = iter::zip(window, &tokens).filter(|(_, text)| text.mostly_unknown);
            unknown.extend(is_unknown.map(|(position, _)| (*position, zeros())));
            let window: Vec<usize> = iter::zip(window, &tokens)
                .filter_map(|(position, text)| (!text.mostly_unknown).then_some(*position))
                .collect();
            tokens.retain(|text| !text.mostly_unknown);
            let lengths: Vec<usize> = tokens.iter().map(|text| text.ids.len()).collect();
            for batch in plan(&lengths, self.batch_tokens) {
                let take = |index: usize| (window[index], std::mem::take(&mut tokens[index].ids));
                if batches_in.send(batch.into_iter().map(take).collect()).is_err() {
                    return Ok(unknown);
                }
            }
        }
        if !unknown.is_empty() {
            tracing::warn!(
                mostly_unknown = unknown.len(),
                texts = texts.len(),
                "texts of mostly unknown tokens have no embedding"
            );
        }
        if truncated > 0 {
            tracing::warn!(
                truncated,
                texts = texts.len(),
                max_tokens = self.manifest.max_tokens,
                "truncated texts that are longer than the model's limit"
            );
        }
        Ok(unknown)
    }

    /// Runs one graph on batches until there are no more, or until `should_stop` returns true.
    fn run_batches(
        &self,
        graph: &Graph,
        batches: &Mutex<mpsc::Receiver<TokenBatch>>,
        should_stop: impl Fn() -> bool,
    ) -> Result<Vec<IndexedVector>, EmbeddingError> {
        let mut done = Vec::new();
        loop {
            let next = batches.lock().unwrap_or_else(PoisonError::into_inner).recv();
            let Ok(batch) = next else {
                return Ok(done);
            };
            if should_stop() {
                return Ok(done);
            }
            let ids: Vec<&[u32]> = batch.iter().map(|(_, ids)| ids.as_slice()).collect();
            let vectors = self.run(graph, &ids)?;
            done.extend(iter::zip(batch.iter().map(|(position, _)| *position), vectors));
        }
    }

    fn tokenize(&self, prefix: &str, text: &str) -> Result<TextTokens, EmbeddingError> {
        if prefix.is_empty() {
            return self.tokenizer.encode(text);
        }
        self.tokenizer.encode(&format!("{prefix}{text}"))
    }

    /// Runs the model once; returns a vector for each text, given by its token ids.
    fn run(&self, graph: &Graph, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let batch = PaddedBatch::new(texts, self.manifest.padding_token_id, self.manifest.padding_side);
        let dimension = self.manifest.dimension as usize;
        let vectors = graph.run(&batch, |hidden| {
            let rows = hidden.chunks_exact(batch.sequence * dimension);
            iter::zip(&batch.texts, rows).map(|(text, row)| self.vector(row, text)).collect::<Vec<_>>()
        })?;
        // A damaged model must not corrupt an index: Qdrant would accept such a vector and never find it.
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

/// The index of a text, and its vector.
type IndexedVector = (usize, Vec<f32>);

/// Texts of one run of the model: the index of each, and its token ids.
type TokenBatch = Vec<(usize, Vec<u32>)>;

/// Joins a thread; resumes its panic, if any.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
}

/// Returns the unique texts, and for each text its index among them.
fn deduplicate<'a>(texts: &[&'a str]) -> (Vec<&'a str>, Vec<usize>) {
    let mut unique = Vec::with_capacity(texts.len());
    let mut known: HashMap<&str, usize> = HashMap::with_capacity(texts.len());
    let mut position_of = |text| {
        *known.entry(text).or_insert_with(|| {
            unique.push(text);
            unique.len() - 1
        })
    };
    let positions = texts.iter().map(|&text| position_of(text)).collect();
    (unique, positions)
}

#[cfg(test)]
pub(crate) mod tests;
