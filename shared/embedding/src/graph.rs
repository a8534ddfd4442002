//! The ONNX graph of a text encoder: validating and running it.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::{
    session::{NoSelectedOutputs, OutputSelector, RunOptions, Session, builder::GraphOptimizationLevel},
    value::{Outlet, TensorElementType},
};

use crate::{
    EmbeddingError, ExecutionProvider, OrtRuntime,
    batch::PaddedBatch,
    inputs::{Derived, GraphInput, check_inputs},
};

/// The names that exporters give the hidden states: Hugging Face's optimum, then sentence-transformers.
const OUTPUTS: [&str; 2] = ["last_hidden_state", "token_embeddings"];

/// Options for opening a graph.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GraphOptions {
    /// The number of threads within one run.
    pub threads: usize,
    /// Whether the graph was saved after ONNX Runtime's optimizations.
    pub optimized: bool,
    /// The device that runs it.
    pub provider: ExecutionProvider,
}

/// A graph that is ready to run.
#[derive(Debug)]
pub(crate) struct Graph {
    path: PathBuf,
    /// ort requires exclusive access, because not all of the runtime is thread-safe. The lock costs no throughput:
    /// a run uses all of the session's threads.
    session: Mutex<Session>,
    inputs: Vec<GraphInput>,
    output: String,
    dimension: usize,
}

impl Graph {
    /// Opens a graph and checks that it has the inputs and outputs of a text encoder with hidden states of
    /// `dimension` numbers.
    pub fn open(
        runtime: &OrtRuntime,
        path: &Path,
        options: GraphOptions,
        dimension: usize,
    ) -> Result<Self, EmbeddingError> {
        let session = open_session(runtime, path, options)
            .map_err(|source| EmbeddingError::Graph { path: path.to_owned(), source })?;
        let misshapen = |reason| EmbeddingError::GraphShape { path: path.to_owned(), reason };
        let inputs = check_inputs(session.inputs()).map_err(misshapen)?;
        let output = check_outputs(session.outputs(), dimension).map_err(misshapen)?;
        Ok(Self { path: path.to_owned(), session: Mutex::new(session), inputs, output, dimension })
    }

    /// Makes every run fail whose hidden states have another dimension.
    #[cfg(test)]
    pub fn expect_dimension(&mut self, dimension: usize) {
        self.dimension = dimension;
    }

    /// Runs one batch and calls `read` with its hidden states: `rows` x `sequence` x `dimension` numbers, row-major,
    /// in the runtime's own memory, so nothing is copied.
    pub fn run<T>(&self, batch: &PaddedBatch, read: impl FnOnce(&[f32]) -> T) -> Result<T, EmbeddingError> {
        let (rows, sequence) = (batch.rows, batch.sequence);
        let failed = |source| EmbeddingError::Inference { rows, sequence, source };

        let derived = Derived::new(&self.inputs, batch);
        let inputs: ort::Result<Vec<_>> =
            self.inputs.iter().map(|input| input.feed(batch, &derived)).collect();
        let inputs = inputs.map_err(failed)?;
        // A decoder would also return its key-value cache, which is not needed.
        let wanted = OutputSelector::no_default().with(self.output.as_str());
        let options = RunOptions::<NoSelectedOutputs>::new().map_err(failed)?.with_outputs(wanted);

        // A run keeps no state in the session, so a panic in another run does not matter.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run_with_options(inputs, &options).map_err(failed)?;
        let (shape, hidden) = outputs[self.output.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
        let expected = [rows, sequence, self.dimension].map(|size| size as i64);
        if **shape != expected {
            let reason = format!("{} has the shape {shape}, expected {expected:?}", self.output);
            return Err(EmbeddingError::GraphShape { path: self.path.clone(), reason });
        }
        Ok(read(hidden))
    }
}

pub(crate) fn open_session(runtime: &OrtRuntime, path: &Path, options: GraphOptions) -> ort::Result<Session> {
    // A graph that was saved optimized, for the CPU, still needs its weights unpacked, and constants folded where
    // weights are stored with fewer bytes than they are computed with.
    let level = match (options.optimized, options.provider) {
        (true, ExecutionProvider::Cpu) => GraphOptimizationLevel::Level1,
        _ => GraphOptimizationLevel::All,
    };
    Session::builder(runtime.environment())?
        .with_intra_threads(options.threads)?
        // Otherwise idle threads spin, which saves 1 % on an idle machine but doubles the latency of a query on
        // shared CPUs, as in Lambda and beside other functions.
        .with_intra_op_spinning(false)?
        // Batches differ in shape, so cached allocation plans would only accumulate.
        .with_memory_pattern(false)?
        .with_optimization_level(level)?
        .with_execution_providers(options.provider.dispatch())?
        .commit_from_file(path)
}

/// Returns the name of the output with the hidden states.
fn check_outputs(outputs: &[Outlet], dimension: usize) -> Result<String, String> {
    let Some(output) = OUTPUTS.iter().find_map(|name| outputs.iter().find(|output| output.name() == *name))
    else {
        let names: Vec<&str> = outputs.iter().map(Outlet::name).collect();
        return Err(format!(
            "the graph returns {}; one of {} is required",
            names.join(", "),
            OUTPUTS.join(", ")
        ));
    };
    // [batch, sequence, dimension]; -1 is a dynamic size.
    let last = output.dtype().tensor_shape().filter(|shape| shape.len() == 3).map(|shape| shape[2]);
    let fits = last.is_some_and(|size| size == -1 || size == dimension as i64);
    if fits && output.dtype().tensor_type() == Some(TensorElementType::Float32) {
        return Ok(output.name().to_owned());
    }
    Err(format!(
        "{} is {}; float32 [batch, sequence, {dimension}] is required, {dimension} being the manifest's dimension",
        output.name(),
        output.dtype()
    ))
}
