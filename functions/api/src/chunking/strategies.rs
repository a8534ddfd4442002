//! The catalogue of chunking strategies.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Shared;
use chunking::{ParameterDefinition, ParameterValue, STRATEGIES, Strategy, StrategyDefinition};
use domain::{ChunkSettings, ErrorKind};
use lambda::http::{ApiError, ApiPath, FieldErrors};
use models::ModelFolder;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::settings::{RequestedSizes, check_sizes};
use crate::State;
use crate::openapi::words;

/// A chunking strategy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StrategyResponse {
    /// The value of `chunking_strategy`.
    #[schema(example = "recursive")]
    id: &'static str,
    /// The same as `id`.
    name: &'static str,
    /// Where it splits documents.
    description: &'static str,
    /// Which documents it suits.
    best_for: &'static str,
    /// Whether it is the default of new collections.
    is_default: bool,
    /// The entries of `chunking_config`; others are refused.
    parameters: Vec<ParameterResponse>,
    /// The default `chunking_config`.
    #[schema(value_type = Object)]
    default_config: Value,
    /// The embedding models that support it.
    embedding_models: Vec<String>,
}

/// An entry of `chunking_config`. Bounds that depend on `chunk_size` are those for its default.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ParameterResponse {
    /// Name of the parameter.
    name: &'static str,
    /// Type of its values.
    #[serde(rename = "type")]
    #[schema(value_type = words::ParameterType)]
    parameter_type: &'static str,
    /// Minimum value, for numbers.
    minimum: Option<f64>,
    /// Maximum value, for numbers.
    maximum: Option<f64>,
    /// Value of an absent parameter.
    #[schema(value_type = Value)]
    default: Value,
    /// What the parameter controls.
    description: &'static str,
}

/// Every strategy, the default first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StrategiesResponse {
    /// The strategies.
    strategies: Vec<StrategyResponse>,
    /// The embedding model that the bounds are for.
    embedding_model: String,
    /// The `chunk_size` that the bounds are for.
    chunk_size: u32,
    /// Default overlap of consecutive chunks in tokens.
    chunk_overlap: u32,
}

/// List the chunking strategies
///
/// Returns every strategy with its parameters, their bounds and defaults.
#[utoipa::path(
    get, path = "/api/v2/chunking/strategies", operation_id = "listChunkingStrategies", tag = "chunking",
    responses((status = 200, body = StrategiesResponse)),
)]
pub(crate) async fn list(Shared(state): Shared<State>) -> Result<Json<StrategiesResponse>, ApiError> {
    let (embedding_model, chunks) = defaults(&state)?;
    let models = state.models.folders()?;
    Ok(Json(StrategiesResponse {
        strategies: STRATEGIES.iter().map(|strategy| describe(&models, strategy, chunks)).collect(),
        embedding_model,
        chunk_size: chunks.chunk_size,
        chunk_overlap: chunks.chunk_overlap,
    }))
}

/// Show a chunking strategy
///
/// Returns its parameters with their bounds and defaults.
#[utoipa::path(
    get, path = "/api/v2/chunking/strategies/{strategy_id}", operation_id = "getChunkingStrategy", tag = "chunking",
    params(("strategy_id" = String, Path, description = "The strategy's name.", example = "markdown")),
    responses((status = 200, body = StrategyResponse)),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<StrategyResponse>, ApiError> {
    let Some(strategy) = StrategyDefinition::find(&id) else {
        let message = format!("no strategy {id:?}; available: {}", StrategyDefinition::names());
        return Err(ApiError::new(ErrorKind::NotFound, message));
    };
    let (_, chunks) = defaults(&state)?;
    Ok(Json(describe(&state.models.folders()?, strategy, chunks)))
}

/// The default model's name and sizes.
fn defaults(state: &State) -> Result<(String, ChunkSettings), ApiError> {
    let mut errors = FieldErrors::default();
    let no_settings = RequestedSizes { embedding_model: None, chunk_size: None, chunk_overlap: None };
    let checked = check_sizes(&mut errors, state, no_settings);
    errors.finish()?;
    let checked =
        checked.ok_or_else(|| ApiError::new(ErrorKind::Internal, "the default model is missing"))?;
    Ok((checked.model.manifest.name.clone(), checked.chunks))
}

fn describe(
    models: &[Arc<ModelFolder>],
    strategy: &'static StrategyDefinition,
    chunks: ChunkSettings,
) -> StrategyResponse {
    let parameters: Vec<ParameterResponse> = strategy
        .parameters
        .iter()
        .map(|parameter| describe_parameter(parameter, chunks.chunk_size))
        .collect();
    let defaults = parameters.iter().map(|parameter| (parameter.name.to_owned(), parameter.default.clone()));
    let needs_vectors = strategy.needs_vectors();
    let models = models.iter().filter(|model| !needs_vectors || model.manifest.static_vectors.is_some());
    StrategyResponse {
        id: strategy.name,
        name: strategy.name,
        description: strategy.description,
        best_for: strategy.best_for,
        is_default: strategy.name == Strategy::default().name(),
        default_config: Value::Object(defaults.collect::<Map<_, _>>()),
        parameters,
        embedding_models: models.map(|model| model.manifest.name.clone()).collect(),
    }
}

fn describe_parameter(parameter: &ParameterDefinition, chunk_size: u32) -> ParameterResponse {
    let (parameter_type, minimum, maximum, default) = match parameter.value {
        ParameterValue::Integer { min, max, default } => {
            let [min, max] = [min, max].map(|bound| Some(f64::from(bound.resolve(chunk_size))));
            ("integer", min, max, json!(default.resolve(chunk_size)))
        }
        ParameterValue::Fraction { default } => ("number", Some(0.0), Some(1.0), json!(default)),
        ParameterValue::Boolean { default } => ("boolean", None, None, json!(default)),
    };
    ParameterResponse {
        name: parameter.name,
        parameter_type,
        minimum,
        maximum,
        default,
        description: parameter.description,
    }
}
