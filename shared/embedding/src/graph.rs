//! The ONNX graph of a text encoder: what it must look like, and how it is run.

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

/// What exports call the vectors of tokens: Hugging Face's optimum, then sentence-transformers'.
const OUTPUTS: [&str; 2] = ["last_hidden_state", "token_embeddings"];

/// How a graph is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GraphOptions {
    /// Threads within one run.
    pub threads: usize,
    /// Whether the optimiser has been over the graph already.
    pub optimized: bool,
    /// What it runs on.
    pub provider: ExecutionProvider,
}

/// A graph that is ready to run.
#[derive(Debug)]
pub(crate) struct Graph {
    path: PathBuf,
    /// ort takes sessions mutably, because not all of the runtime's parts are safe to share. One
    /// run at a time loses nothing: a run already uses all of the session's threads.
    session: Mutex<Session>,
    inputs: Vec<GraphInput>,
    output: String,
    dimension: usize,
}

impl Graph {
    /// Opens a graph and checks that its inputs and outputs are those of a text encoder with
    /// `dimension` numbers a token.
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

    /// Makes every run fail that has not so many numbers a token.
    #[cfg(test)]
    pub fn expect_dimension(&mut self, dimension: usize) {
        self.dimension = dimension;
    }

    /// Runs one batch and hands its hidden states to `read`: `rows` x `sequence` x `dimension`
    /// numbers, row by row. `read` sees the runtime's own memory, so nothing is copied.
    pub fn run<T>(&self, batch: &PaddedBatch, read: impl FnOnce(&[f32]) -> T) -> Result<T, EmbeddingError> {
        let (rows, sequence) = (batch.rows, batch.sequence);
        let failed = |source| EmbeddingError::Inference { rows, sequence, source };

        let derived = Derived::new(&self.inputs, batch);
        let inputs: ort::Result<Vec<_>> =
            self.inputs.iter().map(|input| input.feed(batch, &derived)).collect();
        let inputs = inputs.map_err(failed)?;
        // A decoder would also return what it remembers, which nobody asks for.
        let wanted = OutputSelector::no_default().with(self.output.as_str());
        let options = RunOptions::<NoSelectedOutputs>::new().map_err(failed)?.with_outputs(wanted);

        // A run keeps no state in the session, so one that panicked left nothing behind.
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
    // What was optimised when the model was made still has its weights unpacked, and folded where
    // they are kept in fewer bytes than they are computed in. It was optimised for a processor.
    let level = match (options.optimized, options.provider) {
        (true, ExecutionProvider::Cpu) => GraphOptimizationLevel::Level1,
        _ => GraphOptimizationLevel::All,
    };
    Session::builder(runtime.environment())?
        .with_intra_threads(options.threads)?
        // Waiting threads would otherwise spin. That wins 1 % on an idle machine, and doubles the
        // time of a query where processors are shared, as they are in Lambda and beside other functions.
        .with_intra_op_spinning(false)?
        // Batches differ in shape: remembered allocation plans would only pile up.
        .with_memory_pattern(false)?
        .with_optimization_level(level)?
        .with_execution_providers(options.provider.dispatch())?
        .commit_from_file(path)
}

/// Returns the name of the output that holds the vectors of tokens.
fn check_outputs(outputs: &[Outlet], dimension: usize) -> Result<String, String> {
    let Some(output) = OUTPUTS.iter().find_map(|name| outputs.iter().find(|output| output.name() == *name))
    else {
        let names: Vec<&str> = outputs.iter().map(Outlet::name).collect();
        return Err(format!(
            "the graph returns {}; one of {} is needed",
            names.join(", "),
            OUTPUTS.join(", ")
        ));
    };
    // [batch, sequence, dimension]; -1 stands for a size that is known only when it runs.
    let last = output.dtype().tensor_shape().filter(|shape| shape.len() == 3).map(|shape| shape[2]);
    let fits = last.is_some_and(|size| size == -1 || size == dimension as i64);
    if fits && output.dtype().tensor_type() == Some(TensorElementType::Float32) {
        return Ok(output.name().to_owned());
    }
    Err(format!(
        "{} is {}; float32 [batch, sequence, {dimension}] is needed, {dimension} being the manifest's dimension",
        output.name(),
        output.dtype()
    ))
}
