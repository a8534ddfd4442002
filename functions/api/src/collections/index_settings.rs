//! How a collection is indexed, as clients say it: when it is made, and when it is indexed anew.

use domain::{IndexSettings, Quantization};
use models::ModelFolder;
use serde_json::{Map, Value};

use super::fields::{self, CHUNKING_STRATEGIES};
use crate::State;
use crate::validation::Checks;

/// What a client asks for; what it leaves out is up to the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct AskedIndex<'a> {
    pub(super) embedding_model: &'a str,
    pub(super) quantization: &'a str,
    pub(super) chunk_size: Option<i64>,
    pub(super) chunk_overlap: Option<i64>,
    pub(super) chunking_strategy: &'a str,
    pub(super) chunking_config: Option<&'a Map<String, Value>>,
}

/// What the fields mean together, and the model they are about. Nothing where one of them is refused.
pub(super) fn check<'s>(
    checks: &mut Checks,
    state: &'s State,
    asked: AskedIndex<'_>,
) -> Option<(IndexSettings, &'s ModelFolder)> {
    let quantization = checks.word::<Quantization>("quantization", asked.quantization);
    fields::one_of(checks, "chunking_strategy", asked.chunking_strategy, &CHUNKING_STRATEGIES);
    let chunk_size = natural(checks, "chunk_size", asked.chunk_size);
    let chunk_overlap = natural(checks, "chunk_overlap", asked.chunk_overlap);
    if let Some(config) = asked.chunking_config {
        fields::check_object(checks, "chunking_config", config);
    }
    let model = match state.models.require(asked.embedding_model) {
        Ok(model) => model,
        Err(unknown) => {
            checks.refuse("embedding_model", unknown.to_string());
            return None;
        }
    };
    match model.manifest.chunk_settings(chunk_size, chunk_overlap) {
        Ok(chunks) => {
            let embedding_model = asked.embedding_model.to_owned();
            Some((IndexSettings { embedding_model, quantization: quantization?, chunks }, model))
        }
        Err(error) => {
            checks.refuse(error.field(), error.to_string());
            None
        }
    }
}

fn natural(checks: &mut Checks, field: &str, got: Option<i64>) -> Option<u32> {
    let got = got?;
    let number = u32::try_from(got).ok();
    if number.is_none() {
        checks.refuse(field, format!("must be 0 to {}, got {got}", u32::MAX));
    }
    number
}
