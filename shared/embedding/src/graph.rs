//! The ONNX graph of a text encoder: what it must look like, and how it is run.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::{
    session::{Session, SessionInputValue},
    value::{Outlet, TensorElementType, TensorRef},
};

use crate::{EmbeddingError, OrtRuntime, batch::PaddedBatch};

const INPUT_IDS: &str = "input_ids";
const ATTENTION_MASK: &str = "attention_mask";
/// Which of two sentences a token belongs to. Some families of models have no such input.
const TOKEN_TYPE_IDS: &str = "token_type_ids";
/// What exports call the vectors of tokens: Hugging Face's optimum, then sentence-transformers'.
const OUTPUTS: [&str; 2] = ["last_hidden_state", "token_embeddings"];

/// A graph that is ready to run.
#[derive(Debug)]
pub(crate) struct Graph {
    path: PathBuf,
    /// ort takes sessions mutably, because not all of the runtime's parts are safe to share. One
    /// run at a time loses nothing: a run already uses all of the session's threads.
    session: Mutex<Session>,
    takes_token_types: bool,
    output: String,
    dimension: usize,
}

impl Graph {
    /// Opens a graph and checks that its inputs and outputs are those of a text encoder with
    /// `dimension` numbers a token. `threads` are used within one run.
    pub fn open(
        runtime: &OrtRuntime,
        path: &Path,
        threads: usize,
        dimension: usize,
    ) -> Result<Self, EmbeddingError> {
        let session = open_session(runtime, path, threads)
            .map_err(|source| EmbeddingError::Graph { path: path.to_owned(), source })?;
        let misshapen = |reason| EmbeddingError::GraphShape { path: path.to_owned(), reason };
        let takes_token_types = check_inputs(session.inputs()).map_err(misshapen)?;
        let output = check_outputs(session.outputs(), dimension).map_err(misshapen)?;
        Ok(Self { path: path.to_owned(), session: Mutex::new(session), takes_token_types, output, dimension })
    }

    /// Runs one batch and hands its hidden states to `read`: `rows` x `sequence` x `dimension`
    /// numbers, row by row. `read` sees the runtime's own memory, so nothing is copied.
    pub fn run<T>(&self, batch: &PaddedBatch, read: impl FnOnce(&[f32]) -> T) -> Result<T, EmbeddingError> {
        let (rows, sequence) = (batch.rows, batch.sequence);
        let failed = |source| EmbeddingError::Inference { rows, sequence, source };

        // One text at a time, so every token belongs to the first sentence.
        let token_types = if self.takes_token_types { vec![0; rows * sequence] } else { Vec::new() };
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = vec![
            (INPUT_IDS, tensor(batch, &batch.ids).map_err(failed)?.into()),
            (ATTENTION_MASK, tensor(batch, &batch.mask).map_err(failed)?.into()),
        ];
        if self.takes_token_types {
            inputs.push((TOKEN_TYPE_IDS, tensor(batch, &token_types).map_err(failed)?.into()));
        }

        // A run keeps no state in the session, so one that panicked left nothing behind.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs).map_err(failed)?;
        let (shape, hidden) = outputs[self.output.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
        let expected = [rows, sequence, self.dimension].map(|size| size as i64);
        if **shape != expected {
            let reason = format!("{} has the shape {shape}, expected {expected:?}", self.output);
            return Err(EmbeddingError::GraphShape { path: self.path.clone(), reason });
        }
        Ok(read(hidden))
    }
}

fn open_session(runtime: &OrtRuntime, path: &Path, threads: usize) -> ort::Result<Session> {
    Session::builder(runtime.environment())?
        .with_intra_threads(threads)?
        // Waiting threads would otherwise spin. That wins 1 % on an idle machine, and doubles the
        // time of a query where processors are shared, as they are in Lambda and beside other functions.
        .with_intra_op_spinning(false)?
        // Batches differ in shape: remembered allocation plans would only pile up.
        .with_memory_pattern(false)?
        .commit_from_file(path)
}

/// A view of one number a token, without a copy.
fn tensor<'a>(batch: &PaddedBatch, values: &'a [i64]) -> ort::Result<TensorRef<'a, i64>> {
    TensorRef::from_array_view(([batch.rows, batch.sequence], values))
}

/// Returns whether the graph takes token types; refuses one that takes what we do not have.
fn check_inputs(inputs: &[Outlet]) -> Result<bool, String> {
    let names: Vec<&str> = inputs.iter().map(Outlet::name).collect();
    let needed = [INPUT_IDS, ATTENTION_MASK].iter().all(|name| names.contains(name));
    let known = names.iter().all(|name| [INPUT_IDS, ATTENTION_MASK, TOKEN_TYPE_IDS].contains(name));
    if needed && known {
        return Ok(names.contains(&TOKEN_TYPE_IDS));
    }
    Err(format!(
        "the graph takes {}; a text encoder takes {INPUT_IDS}, {ATTENTION_MASK} and, if it must, {TOKEN_TYPE_IDS}",
        names.join(", ")
    ))
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
