//! What indexing a text would make of it.

use axum::Json;
use axum::extract::State as Shared;
use domain::ErrorKind;
use lambda::http::{ApiError, ApiJson};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::settings::{AskedSizes, StrategyFields, check_sizes, check_strategy};
use super::statistics::{ChunkStatistics, PreviewChunk};
use super::{check_size, cut_all};
use crate::State;
use crate::openapi::{BodyErrors, words};
use crate::validation::Checks;

/// A text, and how to cut it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewRequest {
    /// The text, 1 MiB at most.
    #[schema(example = "# Tides\n\nThe moon lifts the water twice a day.")]
    content: String,
    /// The name of the file that it would be in: its ending says which format it is.
    #[schema(example = "tides.md")]
    file_name: Option<String>,
    /// One of those that `GET /api/v2/chunking/strategies` lists.
    #[serde(alias = "chunking_strategy")]
    #[schema(schema_with = words::optional_chunking_strategy, default = "recursive")]
    strategy: Option<String>,
    /// The strategy's parameters.
    #[serde(alias = "chunking_config")]
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// The model whose tokens are counted.
    embedding_model: Option<String>,
    /// As of collections.
    #[schema(minimum = 16)]
    chunk_size: Option<i64>,
    /// As of collections.
    #[schema(minimum = 0)]
    chunk_overlap: Option<i64>,
    /// How many chunks to show.
    #[schema(minimum = 1, maximum = 50, default = 10)]
    max_chunks: Option<i64>,
    /// Whether to give `metrics`.
    #[schema(default = true)]
    include_metrics: Option<bool>,
}

/// A text that was cut.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewResponse {
    strategy: &'static str,
    /// All parameters of the strategy, defaults included.
    #[schema(value_type = Object)]
    config: Value,
    embedding_model: String,
    chunk_size: u32,
    chunk_overlap: u32,
    /// The first chunks, as indexing would make them.
    chunks: Vec<PreviewChunk>,
    /// How many there are.
    total_chunks: usize,
    metrics: Option<ChunkStatistics>,
    processing_time_ms: f64,
}

/// Show how a text would be cut
///
/// Exactly as indexing a file with it does, the tokens counted by the model's own tokenizer. Nothing is
/// stored.
#[utoipa::path(
    post, path = "/api/v2/chunking/preview", operation_id = "chunking_preview", tag = "chunking",
    request_body = PreviewRequest,
    responses((status = 200, body = PreviewResponse), BodyErrors),
)]
pub(crate) async fn preview(
    Shared(state): Shared<State>,
    ApiJson(request): ApiJson<PreviewRequest>,
) -> Result<Json<PreviewResponse>, ApiError> {
    check_size(&request.content)?;
    let mut checks = Checks::default();
    let asked = AskedSizes {
        embedding_model: request.embedding_model.as_deref(),
        chunk_size: request.chunk_size,
        chunk_overlap: request.chunk_overlap,
    };
    let checked = check_sizes(&mut checks, &state, asked);
    let name = request.strategy.as_deref().unwrap_or("recursive");
    let config = request.config.unwrap_or_default();
    let fields = StrategyFields { strategy: "strategy", config: "config" };
    let strategy = check_strategy(&mut checks, fields, name, &config, checked.as_ref());
    let most = checks.range("max_chunks", request.max_chunks.unwrap_or(10), 1..=50);
    checks.finish()?;
    let (Some(checked), Some(strategy)) = (checked, strategy) else {
        return Err(ApiError::new(ErrorKind::Invalid, "these settings cannot be used"));
    };
    let most = usize::try_from(most).unwrap_or_default();
    let mut cut = cut_all(&state, request.content, request.file_name, &checked, &[strategy], most).await?;
    let Some(text) = cut.pop() else {
        return Err(ApiError::new(ErrorKind::Internal, "no strategy was tried"));
    };
    let wants_metrics = request.include_metrics.unwrap_or(true);
    Ok(Json(PreviewResponse {
        strategy: strategy.name(),
        config: strategy.config(),
        embedding_model: checked.model.manifest.name.clone(),
        chunk_size: checked.chunks.chunk_size,
        chunk_overlap: checked.chunks.chunk_overlap,
        chunks: text.first_chunks,
        total_chunks: text.statistics.total_chunks,
        metrics: wants_metrics.then_some(text.statistics),
        processing_time_ms: text.milliseconds,
    }))
}
