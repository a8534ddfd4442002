//! Cross-encoders: models that read a query and a text together and return a relevance score. They are slower
//! and more accurate than comparing vectors, so they rerank the best few dozen results.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::{
    session::{Session, SessionInputValue},
    value::{Outlet, TensorElementType, TensorRef},
};
use serde::Deserialize;
use tokenizers::{Tokenizer, TruncationParams};

use crate::{
    EmbedderOptions, EmbeddingError, OrtRuntime,
    batch::plan,
    graph::{GraphOptions, open_session},
};

/// The paths of the graph in exports.
const GRAPHS: [&str; 2] = ["model.onnx", "onnx/model.onnx"];
/// The longest pair in tokens, whatever the model supports: the length that usual models are trained with.
const MAX_TOKENS: usize = 512;
/// Positions that some model families reserve.
const RESERVED_POSITIONS: usize = 2;

/// The fields of a model's `config.json` that are used here.
#[derive(Debug, Deserialize)]
struct Config {
    #[serde(default)]
    pad_token_id: Option<u32>,
    #[serde(default)]
    max_position_embeddings: Option<usize>,
}

/// A cross-encoder from a Hugging Face ONNX export. Can be shared between threads; runs one batch at a time.
#[derive(Debug)]
pub struct Reranker {
    name: String,
    tokenizer: Tokenizer,
    session: Mutex<Session>,
    takes_token_types: bool,
    output: String,
    path: PathBuf,
    padding_token_id: i64,
    batch_tokens: usize,
}

/// A tokenized pair of query and text.
struct Pair {
    ids: Vec<u32>,
    types: Vec<u32>,
}

impl Reranker {
    /// Opens a folder with `config.json`, `tokenizer.json` and `model.onnx` (or `onnx/model.onnx`). The model's name
    /// is that of the folder.
    ///
    /// # Errors
    /// Returns an error if a file is missing or damaged, or if the graph is not a cross-encoder.
    pub fn open(
        runtime: &OrtRuntime,
        folder: &Path,
        options: EmbedderOptions,
    ) -> Result<Self, EmbeddingError> {
        let incomplete = |reason: String| EmbeddingError::Reranker { folder: folder.to_owned(), reason };
        let config = fs::read(folder.join("config.json"))
            .map_err(|error| incomplete(format!("config.json cannot be read: {error}")))?;
        let config: Config = serde_json::from_slice(&config)
            .map_err(|error| incomplete(format!("config.json cannot be parsed: {error}")))?;
        let path = GRAPHS.map(|graph| folder.join(graph)).into_iter().find(|path| path.is_file());
        let path = path.ok_or_else(|| incomplete(format!("there is no {}", GRAPHS.join(" or "))))?;
        let as_exported =
            GraphOptions { threads: options.threads, optimized: false, provider: options.provider };
        let session = open_session(runtime, &path, as_exported)
            .map_err(|source| EmbeddingError::Graph { path: path.clone(), source })?;
        let misshapen = |reason| EmbeddingError::GraphShape { path: path.clone(), reason };
        let takes_token_types = check_inputs(session.inputs()).map_err(misshapen)?;
        let output = check_outputs(session.outputs()).map_err(misshapen)?;
        let name = folder.file_name().unwrap_or(folder.as_os_str());
        Ok(Self {
            name: name.to_string_lossy().into_owned(),
            tokenizer: open_tokenizer(&folder.join("tokenizer.json"), &config)?,
            session: Mutex::new(session),
            takes_token_types,
            output,
            path,
            padding_token_id: i64::from(config.pad_token_id.unwrap_or(0)),
            batch_tokens: options.batch_tokens,
        })
    }

    /// Returns the model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the relevance of each text to the query, from 0 to 1, in order. A score does not depend on the other
    /// texts. Pairs that are too long are truncated.
    ///
    /// # Errors
    /// Returns an error if the model fails; it never depends on the content of the texts.
    pub fn scores(&self, query: &str, texts: &[&str]) -> Result<Vec<f32>, EmbeddingError> {
        let mut pairs = Vec::with_capacity(texts.len());
        for text in texts {
            let encoding =
                self.tokenizer.encode_fast((query, *text), true).map_err(EmbeddingError::Tokenize)?;
            pairs.push(Pair { ids: encoding.get_ids().to_vec(), types: encoding.get_type_ids().to_vec() });
        }
        let lengths: Vec<usize> = pairs.iter().map(|pair| pair.ids.len()).collect();
        let mut scores = vec![0.0; pairs.len()];
        for batch in plan(&lengths, self.batch_tokens) {
            let chosen: Vec<&Pair> = batch.iter().map(|&index| &pairs[index]).collect();
            for (index, score) in batch.into_iter().zip(self.run(&chosen)?) {
                scores[index] = score;
            }
        }
        if scores.iter().all(|score| score.is_finite()) {
            return Ok(scores);
        }
        Err(EmbeddingError::NotFinite { model: self.name.clone() })
    }

    fn run(&self, pairs: &[&Pair]) -> Result<Vec<f32>, EmbeddingError> {
        let (rows, sequence) = (pairs.len(), pairs.iter().map(|pair| pair.ids.len()).max().unwrap_or(0));
        let mut ids = vec![self.padding_token_id; rows * sequence];
        let (mut mask, mut types) = (vec![0_i64; rows * sequence], vec![0_i64; rows * sequence]);
        for (row, pair) in pairs.iter().enumerate() {
            for (column, (&id, &kind)) in pair.ids.iter().zip(&pair.types).enumerate() {
                let place = row * sequence + column;
                (ids[place], mask[place], types[place]) = (i64::from(id), 1, i64::from(kind));
            }
        }
        let failed = |source| EmbeddingError::Inference { rows, sequence, source };
        let tensor = |values| TensorRef::from_array_view(([rows, sequence], values)).map_err(failed);
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = vec![
            ("input_ids", tensor(ids.as_slice())?.into()),
            ("attention_mask", tensor(mask.as_slice())?.into()),
        ];
        if self.takes_token_types {
            inputs.push(("token_type_ids", tensor(types.as_slice())?.into()));
        }
        // A run keeps no state in the session, so a panic in another run does not matter.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(inputs).map_err(failed)?;
        let (shape, logits) = outputs[self.output.as_str()].try_extract_tensor::<f32>().map_err(failed)?;
        if rows == 0 || logits.len() < rows || logits.len() % rows != 0 {
            let reason = format!("{} has the shape {shape} for {rows} pairs", self.output);
            return Err(EmbeddingError::GraphShape { path: self.path.clone(), reason });
        }
        Ok(logits.chunks_exact(logits.len() / rows).map(probability).collect())
    }
}

/// Returns the probability of the last label: the sigmoid of a single logit, the softmax of several.
fn probability(logits: &[f32]) -> f32 {
    match logits {
        [] => f32::NAN,
        [logit] => 1.0 / (1.0 + (-logit).exp()),
        [.., last] => 1.0 / logits.iter().map(|logit| (logit - last).exp()).sum::<f32>(),
    }
}

fn open_tokenizer(path: &Path, config: &Config) -> Result<Tokenizer, EmbeddingError> {
    let unusable = |source| EmbeddingError::Tokenizer { path: path.to_owned(), source };
    let mut tokenizer = Tokenizer::from_file(path).map_err(unusable)?;
    // The settings in the file are those of an earlier use.
    tokenizer.with_padding(None);
    let positions = config.max_position_embeddings.unwrap_or(MAX_TOKENS + RESERVED_POSITIONS);
    let max_length = MAX_TOKENS.min(positions.saturating_sub(RESERVED_POSITIONS));
    // Truncates the longer text of the pair, which is nearly always the text, not the query.
    let truncation = TruncationParams { max_length, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(unusable)?;
    Ok(tokenizer)
}

/// Returns whether the graph takes token types; rejects unknown and missing inputs.
fn check_inputs(inputs: &[Outlet]) -> Result<bool, String> {
    let names: Vec<&str> = inputs.iter().map(Outlet::name).collect();
    let is_known = |name: &&str| ["input_ids", "attention_mask", "token_type_ids"].contains(name);
    if ["input_ids", "attention_mask"].iter().all(|name| names.contains(name)) && names.iter().all(is_known) {
        return Ok(names.contains(&"token_type_ids"));
    }
    Err(format!(
        "the graph takes {}; a cross-encoder takes input_ids, attention_mask and optionally token_type_ids",
        names.join(", ")
    ))
}

/// Returns the name of the output with the logits of a pair.
fn check_outputs(outputs: &[Outlet]) -> Result<String, String> {
    let is_logits = |output: &&Outlet| {
        let dimensions = output.dtype().tensor_shape().map_or(0, |shape| shape.len());
        dimensions <= 2 && output.dtype().tensor_type() == Some(TensorElementType::Float32)
    };
    let found = outputs.iter().find(|output| output.name() == "logits").or(outputs.first());
    found.filter(is_logits).map(|output| output.name().to_owned()).ok_or_else(|| {
        let names: Vec<&str> = outputs.iter().map(Outlet::name).collect();
        format!("the graph returns {}; float32 logits [batch, labels] are required", names.join(", "))
    })
}

#[cfg(test)]
mod tests;
