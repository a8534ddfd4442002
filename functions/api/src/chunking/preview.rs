//! The chunks of a text by one strategy.

use axum::Json;
use axum::extract::State as Shared;
use chunking::Strategy;
use domain::ErrorKind;
use lambda::http::{ApiError, ApiJson, FieldErrors};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::settings::{RequestedSizes, StrategyFields, check_sizes, check_strategy};
use super::split::{Text, check_size, chunk_all};
use super::statistics::{ChunkStatistics, PreviewChunk};
use crate::State;
use crate::openapi::words;

/// A text, and how to chunk it.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct PreviewRequest {
    /// The text, at most 1 MiB.
    #[schema(example = "# Tides\n\nThe moon lifts the water twice a day.")]
    content: String,
    /// The name of a file with this text: its extension determines the format. Plain text by default.
    #[schema(example = "tides.md")]
    file_name: Option<String>,
    /// A strategy, see `GET /api/v2/chunking/strategies`.
    #[serde(alias = "chunking_strategy")]
    #[schema(value_type = Option<words::ChunkingStrategy>, default = "hybrid")]
    strategy: Option<String>,
    /// The strategy's parameters, see `GET /api/v2/chunking/strategies`.
    #[serde(alias = "chunking_config")]
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
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
    /// Maximum chunks in the response.
    #[schema(minimum = 1, maximum = 50, default = 10)]
    max_chunks: Option<i64>,
    /// Whether to return `metrics`.
    #[schema(default = true)]
    include_metrics: Option<bool>,
}

/// The chunks of a text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PreviewResponse {
    /// Name of the strategy.
    #[schema(value_type = words::ChunkingStrategy)]
    strategy: &'static str,
    /// The strategy's parameters, defaults included.
    #[schema(value_type = Object)]
    config: Value,
    /// The embedding model whose tokenizer counted.
    embedding_model: String,
    /// Maximum chunk size in tokens.
    chunk_size: u32,
    /// Overlap of consecutive chunks in tokens.
    chunk_overlap: u32,
    /// The first chunks, exactly as indexing would produce them.
    chunks: Vec<PreviewChunk>,
    /// The number of all chunks.
    total_chunks: usize,
    /// Sizes of the chunks, if requested.
    metrics: Option<ChunkStatistics>,
    /// Time in milliseconds.
    processing_time_ms: f64,
}

/// Preview the chunks of a text
///
/// Chunks the text exactly as indexing a file with it would, with the model's own tokenizer. Nothing is
/// stored or embedded.
#[utoipa::path(
    post, path = "/api/v2/chunking/preview", operation_id = "previewChunks", tag = "chunking",
    request_body = PreviewRequest,
    responses((status = 200, body = PreviewResponse)),
)]
pub(crate) async fn preview(
    Shared(state): Shared<State>,
    ApiJson(request): ApiJson<PreviewRequest>,
) -> Result<Json<PreviewResponse>, ApiError> {
    check_size(&request.content)?;
    let mut errors = FieldErrors::default();
    let requested = RequestedSizes {
        embedding_model: request.embedding_model.as_deref(),
        chunk_size: request.chunk_size,
        chunk_overlap: request.chunk_overlap,
    };
    let checked = check_sizes(&mut errors, &state, requested);
    let name = request.strategy.as_deref().unwrap_or(Strategy::default().name());
    let config = request.config.unwrap_or_default();
    let fields = StrategyFields { strategy: "strategy", config: "config" };
    let strategy = check_strategy(&mut errors, fields, name, &config, checked.as_ref());
    let max_chunks = errors.range("max_chunks", request.max_chunks.unwrap_or(10), 1..=50);
    errors.finish()?;
    let (Some(checked), Some(strategy)) = (checked, strategy) else {
        return Err(ApiError::new(ErrorKind::Invalid, "chunking settings cannot be used"));
    };
    let max_chunks = usize::try_from(max_chunks).unwrap_or_default();
    let text = Text {
        content: request.content,
        file_name: request.file_name.unwrap_or_default(),
        contextualize: request.contextualize.unwrap_or(true),
    };
    let mut chunked = chunk_all(&state, text, &checked, &[strategy], max_chunks).await?;
    let Some(text) = chunked.pop() else {
        return Err(ApiError::new(ErrorKind::Internal, "no strategy was previewed"));
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
