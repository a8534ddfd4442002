//! Index settings of a request: for a new collection, and for a reindex.

use std::sync::Arc;

use chunking::Strategy;
use domain::{IndexSettings, Quantization};
use lambda::http::FieldErrors;
use models::ModelFolder;
use serde_json::{Map, Value};

use super::fields;
use crate::State;
use crate::chunking::settings::{RequestedSizes, StrategyFields, check_sizes, check_strategy};

/// The requested settings. Sizes that are absent follow from the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct RequestedIndex<'a> {
    pub(super) embedding_model: &'a str,
    pub(super) quantization: &'a str,
    pub(super) chunk_size: Option<i64>,
    pub(super) chunk_overlap: Option<i64>,
    pub(super) chunking_strategy: &'a str,
    pub(super) chunking_config: Option<&'a Map<String, Value>>,
    pub(super) contextualize: bool,
    pub(super) ocr: Option<bool>,
    /// Whether the collection uses OCR now.
    pub(super) has_ocr: bool,
}

/// Valid settings, with the model that they name.
#[derive(Debug)]
pub(super) struct CheckedIndex {
    pub(super) settings: IndexSettings,
    pub(super) strategy: Strategy,
    pub(super) model: Arc<ModelFolder>,
}

/// Validates the settings together, and finds the model. `None` if a field is refused.
pub(super) fn check(
    errors: &mut FieldErrors,
    state: &State,
    requested: RequestedIndex<'_>,
) -> Option<CheckedIndex> {
    let quantization = errors.keyword::<Quantization>("quantization", requested.quantization);
    let sizes = RequestedSizes {
        embedding_model: Some(requested.embedding_model),
        chunk_size: requested.chunk_size,
        chunk_overlap: requested.chunk_overlap,
    };
    let sizes = check_sizes(errors, state, sizes);
    let empty = Map::new();
    let config = requested.chunking_config.unwrap_or(&empty);
    fields::check_object(errors, "chunking_config", config);
    let fields = StrategyFields::OF_COLLECTIONS;
    let strategy = check_strategy(errors, fields, requested.chunking_strategy, config, sizes.as_ref())?;
    if requested.ocr == Some(true) && !state.limits.ocr_enabled {
        errors.add(
            "ocr",
            "not available: this installation has no OCR; false allowed, got true (its operator deploys OCR with \
             OcrEnabled)",
        );
    }
    let sizes = sizes?;
    let settings = IndexSettings {
        embedding_model: requested.embedding_model.to_owned(),
        quantization: quantization?,
        chunks: sizes.chunks,
        contextualize: requested.contextualize,
        ocr: requested.ocr.unwrap_or(requested.has_ocr),
    };
    Some(CheckedIndex { settings, strategy, model: sizes.model })
}
