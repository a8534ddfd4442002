//! Validates the strategy, the model and the sizes of a request.

use std::sync::Arc;

use chunking::{Strategy, StrategyDefinition};
use domain::ChunkSettings;
use lambda::http::FieldErrors;
use models::{ModelFolder, ModelsError};
use serde_json::{Map, Value};

use crate::State;

/// The sizes of chunks, and the model whose tokens they are counted in.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) model: Arc<ModelFolder>,
    pub(crate) chunks: ChunkSettings,
}

/// A model and sizes, as requested.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestedSizes<'a> {
    pub(crate) embedding_model: Option<&'a str>,
    pub(crate) chunk_size: Option<i64>,
    pub(crate) chunk_overlap: Option<i64>,
}

/// Validates a model and sizes, with defaults filled in. `None` if a field error was recorded.
pub(crate) fn check_sizes(
    checks: &mut FieldErrors,
    state: &State,
    requested: RequestedSizes<'_>,
) -> Option<Checked> {
    let chunk_size = natural(checks, "chunk_size", requested.chunk_size);
    let chunk_overlap = natural(checks, "chunk_overlap", requested.chunk_overlap);
    let name = requested.embedding_model.unwrap_or(&state.limits.default_embedding_model);
    let model = match state.models.require(name) {
        Ok(model) => model,
        Err(unknown @ ModelsError::Unknown { .. }) => {
            checks.add("embedding_model", unknown.to_string());
            return None;
        }
        Err(error) => {
            checks.fail(error);
            return None;
        }
    };
    match model.manifest.chunk_settings(chunk_size, chunk_overlap) {
        Ok(chunks) => Some(Checked { model, chunks }),
        Err(error) => {
            checks.add(error.field(), error.to_string());
            None
        }
    }
}

/// Validates a strategy with its parameters for a model and sizes; without valid ones, only the
/// strategy's name is checked.
pub(crate) fn check_strategy(
    checks: &mut FieldErrors,
    fields: StrategyFields<'_>,
    name: &str,
    config: &Map<String, Value>,
    checked: Option<&Checked>,
) -> Option<Strategy> {
    let Some(Checked { model, chunks }) = checked else {
        if StrategyDefinition::find(name).is_none() {
            checks.add(
                fields.strategy,
                format!("unknown value; {} allowed, got {name:?}", StrategyDefinition::names()),
            );
        }
        return None;
    };
    let strategy = match Strategy::parse(name, config, *chunks) {
        Ok(strategy) => strategy,
        Err(errors) => {
            for error in errors {
                checks.add(fields.name_of(&error.field), error.message);
            }
            return None;
        }
    };
    if strategy.needs_vectors() && model.manifest.static_vectors.is_none() {
        let message = format!(
            "{} needs static vectors, which the folder of {} lacks; import the model again, or choose another strategy",
            strategy.name(),
            model.manifest.name
        );
        checks.add(fields.strategy, message);
        return None;
    }
    Some(strategy)
}

/// The names of the fields that hold a strategy and its parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StrategyFields<'a> {
    pub(crate) strategy: &'a str,
    pub(crate) config: &'a str,
}

impl StrategyFields<'static> {
    /// The fields of collections.
    pub(crate) const OF_COLLECTIONS: Self = Self { strategy: "chunking_strategy", config: "chunking_config" };
}

impl StrategyFields<'_> {
    fn name_of(&self, field: &str) -> String {
        match field.split_once('.') {
            Some(("chunking_config", parameter)) => format!("{}.{parameter}", self.config),
            _ if field == "chunking_strategy" => self.strategy.to_owned(),
            _ => field.to_owned(),
        }
    }
}

/// Validates that a number fits.
pub(crate) fn natural(checks: &mut FieldErrors, field: &str, got: Option<i64>) -> Option<u32> {
    let got = got?;
    let number = u32::try_from(got).ok();
    if number.is_none() {
        checks.add(field, format!("out of range; 0 to {} allowed, got {got}", u32::MAX));
    }
    number
}
