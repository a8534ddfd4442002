//! The chunks of a text by several strategies.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Shared;
use chunking::Strategy;
use domain::ErrorKind;
use lambda::http::{ApiError, ApiJson, FieldErrors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::settings::{RequestedSizes, StrategyFields, check_sizes, check_strategy};
use super::split::{ChunkedText, Text, check_size, chunk_all};
use super::statistics::{ChunkStatistics, PreviewChunk};
use crate::State;
use crate::openapi::words;

/// A text, and the strategies to compare.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "content": "# Tides\n\nThe moon lifts the water twice a day.", "file_name": "tides.md",
    "strategies": ["recursive", "markdown"],
}))]
pub(crate) struct CompareRequest {
    /// The text, at most 1 MiB.
    content: String,
    /// The name of a file with this text: its extension determines the format. Plain text by default.
    file_name: Option<String>,
    /// 2 to 7 different strategies, see `GET /api/v2/chunking/strategies`.
    #[schema(min_items = 2, max_items = 7)]
    strategies: Vec<String>,
    /// Parameters of strategies, by the strategy's name.
    #[schema(value_type = Option<Object>)]
    configs: Option<BTreeMap<String, Map<String, Value>>>,
    /// The embedding model whose tokenizer counts tokens. The installation's default model by default.
    embedding_model: Option<String>,
    /// Maximum tokens of a chunk. The default and the maximum depend on the model.
    #[schema(minimum = 16)]
    chunk_size: Option<i64>,
    /// Tokens that a chunk may repeat of the one before it, less than `chunk_size`; a fifth by default.
    #[schema(minimum = 0)]
    chunk_overlap: Option<i64>,
    /// Whether the chunks are made for embedding with title and headings before their text.
    #[schema(default = true)]
    contextualize: Option<bool>,
    /// Maximum chunks of each strategy in the response.
    #[schema(minimum = 1, maximum = 20, default = 5)]
    max_chunks_per_strategy: Option<i64>,
}

/// The chunks of a text by several strategies.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompareResponse {
    /// The embedding model whose tokenizer counted.
    embedding_model: String,
    /// Maximum chunk size in tokens.
    chunk_size: u32,
    /// Overlap of consecutive chunks in tokens.
    chunk_overlap: u32,
    /// In the order of the request.
    comparisons: Vec<ComparisonResponse>,
    /// Time for all strategies in milliseconds.
    processing_time_ms: f64,
}

/// The chunks by one strategy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparisonResponse {
    /// Name of the strategy.
    #[schema(value_type = words::ChunkingStrategy)]
    strategy: &'static str,
    /// The strategy's parameters, defaults included.
    #[schema(value_type = Object)]
    config: Value,
    /// Number of chunks.
    total_chunks: usize,
    /// Sizes of the chunks.
    statistics: ChunkStatistics,
    /// The first chunks.
    sample_chunks: Vec<PreviewChunk>,
    /// Time in milliseconds.
    processing_time_ms: f64,
}

/// Compare the chunks of several strategies
///
/// Chunks the text by each strategy as `POST /api/v2/chunking/preview` does, and returns the statistics
/// side by side.
#[utoipa::path(
    post, path = "/api/v2/chunking/compare", operation_id = "compareChunkingStrategies", tag = "chunking",
    request_body = CompareRequest,
    responses((status = 200, body = CompareResponse)),
)]
pub(crate) async fn compare(
    Shared(state): Shared<State>,
    ApiJson(request): ApiJson<CompareRequest>,
) -> Result<Json<CompareResponse>, ApiError> {
    check_size(&request.content)?;
    let mut errors = FieldErrors::default();
    let requested = RequestedSizes {
        embedding_model: request.embedding_model.as_deref(),
        chunk_size: request.chunk_size,
        chunk_overlap: request.chunk_overlap,
    };
    let checked = check_sizes(&mut errors, &state, requested);
    let count = request.strategies.len();
    let is_bounded = (2..=7).contains(&count);
    if !is_bounded {
        errors.add("strategies", format!("wrong number of items; 2 to 7 allowed, got {count}"));
    }
    let configs = request.configs.unwrap_or_default();
    // Each is compared with each, so only if there are few.
    for name in configs.keys().filter(|name| is_bounded && !request.strategies.contains(name)) {
        errors.add(format!("configs.{name}"), "not one of `strategies`; settings of those are allowed");
    }
    let no_parameters = Map::new();
    let mut strategies: Vec<Strategy> = Vec::new();
    for name in request.strategies.iter().take(7) {
        let field = format!("configs.{name}");
        let fields = StrategyFields { strategy: "strategies", config: &field };
        let config = configs.get(name).unwrap_or(&no_parameters);
        let Some(strategy) = check_strategy(&mut errors, fields, name, config, checked.as_ref()) else {
            continue;
        };
        if strategies.iter().any(|other| other.name() == strategy.name()) {
            errors.add("strategies", format!("not unique; each strategy once allowed, got {name:?} twice"));
        }
        strategies.push(strategy);
    }
    let max_chunks =
        errors.range("max_chunks_per_strategy", request.max_chunks_per_strategy.unwrap_or(5), 1..=20);
    errors.finish()?;
    let Some(checked) = checked else {
        return Err(ApiError::new(ErrorKind::Invalid, "chunking settings cannot be used"));
    };
    let max_chunks = usize::try_from(max_chunks).unwrap_or_default();
    let text = Text {
        content: request.content,
        file_name: request.file_name.unwrap_or_default(),
        contextualize: request.contextualize.unwrap_or(true),
    };
    let chunked = chunk_all(&state, text, &checked, &strategies, max_chunks).await?;
    let processing_time_ms = chunked.iter().map(|text| text.milliseconds).sum();
    let describe = |(strategy, text): (&Strategy, ChunkedText)| ComparisonResponse {
        strategy: strategy.name(),
        config: strategy.config(),
        total_chunks: text.statistics.total_chunks,
        statistics: text.statistics,
        sample_chunks: text.first_chunks,
        processing_time_ms: text.milliseconds,
    };
    Ok(Json(CompareResponse {
        embedding_model: checked.model.manifest.name.clone(),
        chunk_size: checked.chunks.chunk_size,
        chunk_overlap: checked.chunks.chunk_overlap,
        comparisons: strategies.iter().zip(chunked).map(describe).collect(),
        processing_time_ms,
    }))
}
