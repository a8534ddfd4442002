//! How a collection is indexed, as clients say it: when it is made, and when it is indexed anew.

use std::sync::Arc;

use chunking::Strategy;
use domain::{IndexSettings, Quantization};
use models::ModelFolder;
use serde_json::{Map, Value};

use super::fields;
use crate::State;
use crate::chunking::settings::{RequestedSizes, StrategyFields, check_sizes, check_strategy};
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

/// An index that can be made.
#[derive(Debug)]
pub(super) struct CheckedIndex {
    pub(super) settings: IndexSettings,
    pub(super) strategy: Strategy,
    pub(super) model: Arc<ModelFolder>,
}

/// What the fields mean together, and the model they are about. Nothing where one of them is refused.
pub(super) fn check(checks: &mut Checks, state: &State, asked: AskedIndex<'_>) -> Option<CheckedIndex> {
    let quantization = checks.word::<Quantization>("quantization", asked.quantization);
    let sizes = RequestedSizes {
        embedding_model: Some(asked.embedding_model),
        chunk_size: asked.chunk_size,
        chunk_overlap: asked.chunk_overlap,
    };
    let sizes = check_sizes(checks, state, sizes);
    let nothing = Map::new();
    let config = asked.chunking_config.unwrap_or(&nothing);
    fields::check_object(checks, "chunking_config", config);
    let fields = StrategyFields::OF_COLLECTIONS;
    let strategy = check_strategy(checks, fields, asked.chunking_strategy, config, sizes.as_ref())?;
    let sizes = sizes?;
    let settings = IndexSettings {
        embedding_model: asked.embedding_model.to_owned(),
        quantization: quantization?,
        chunks: sizes.chunks,
    };
    Some(CheckedIndex { settings, strategy, model: sizes.model })
}
