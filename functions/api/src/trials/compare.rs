//! Several strategies on one text.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State as Shared;
use chunking::Strategy;
use domain::ErrorKind;
use lambda::http::{ApiError, ApiJson};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::settings::{AskedSizes, StrategyFields, check_sizes, check_strategy};
use super::statistics::{ChunkStatistics, PreviewChunk};
use super::{CutText, check_size, cut_all};
use crate::State;
use crate::openapi::BodyErrors;
use crate::validation::Checks;

/// A text, and the strategies to cut it by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "content": "# Tides\n\nThe moon lifts the water twice a day.", "file_name": "tides.md",
    "strategies": ["recursive", "markdown"],
}))]
pub(crate) struct CompareRequest {
    /// The text, 1 MiB at most.
    content: String,
    /// The name of the file that it would be in: its ending says which format it is.
    file_name: Option<String>,
    /// 2 to 7 different ones of those that `GET /api/v2/chunking/strategies` lists.
    #[schema(min_items = 2, max_items = 7)]
    strategies: Vec<String>,
    /// Parameters of some of them, by their names.
    #[schema(value_type = Option<Object>)]
    configs: Option<BTreeMap<String, Map<String, Value>>>,
    /// The model whose tokens are counted.
    embedding_model: Option<String>,
    /// As of collections.
    #[schema(minimum = 16)]
    chunk_size: Option<i64>,
    /// As of collections.
    #[schema(minimum = 0)]
    chunk_overlap: Option<i64>,
    /// How many chunks of each to show.
    #[schema(minimum = 1, maximum = 20, default = 5)]
    max_chunks_per_strategy: Option<i64>,
}

/// One text, cut in several ways.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CompareResponse {
    embedding_model: String,
    chunk_size: u32,
    chunk_overlap: u32,
    /// In the order of the request.
    comparisons: Vec<ComparisonResponse>,
    processing_time_ms: f64,
}

/// What one strategy makes of the text.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComparisonResponse {
    strategy: &'static str,
    /// All its parameters, defaults included.
    #[schema(value_type = Object)]
    config: Value,
    total_chunks: usize,
    statistics: ChunkStatistics,
    /// The first chunks.
    sample_chunks: Vec<PreviewChunk>,
    processing_time_ms: f64,
}

/// Compare strategies on a text
///
/// Each as `POST /api/v2/chunking/preview` does, with its numbers side by side.
#[utoipa::path(
    post, path = "/api/v2/chunking/compare", operation_id = "chunking_compare", tag = "chunking",
    request_body = CompareRequest,
    responses((status = 200, body = CompareResponse), BodyErrors),
)]
pub(crate) async fn compare(
    Shared(state): Shared<State>,
    ApiJson(request): ApiJson<CompareRequest>,
) -> Result<Json<CompareResponse>, ApiError> {
    check_size(&request.content)?;
    let mut checks = Checks::default();
    let asked = AskedSizes {
        embedding_model: request.embedding_model.as_deref(),
        chunk_size: request.chunk_size,
        chunk_overlap: request.chunk_overlap,
    };
    let checked = check_sizes(&mut checks, &state, asked);
    let count = request.strategies.len();
    if !(2..=7).contains(&count) {
        checks.refuse("strategies", format!("must be 2 to 7 strategies, got {count}"));
    }
    let configs = request.configs.unwrap_or_default();
    for name in configs.keys().filter(|name| !request.strategies.contains(name)) {
        checks.refuse(format!("configs.{name}"), "is of none of the strategies");
    }
    let nothing = Map::new();
    let mut strategies: Vec<Strategy> = Vec::new();
    for name in request.strategies.iter().take(7) {
        let field = format!("configs.{name}");
        let fields = StrategyFields { strategy: "strategies", config: &field };
        let config = configs.get(name).unwrap_or(&nothing);
        let Some(strategy) = check_strategy(&mut checks, fields, name, config, checked.as_ref()) else {
            continue;
        };
        if strategies.iter().any(|other| other.name() == strategy.name()) {
            checks.refuse("strategies", format!("must be different, got {name:?} twice"));
        }
        strategies.push(strategy);
    }
    let most = checks.range("max_chunks_per_strategy", request.max_chunks_per_strategy.unwrap_or(5), 1..=20);
    checks.finish()?;
    let Some(checked) = checked else {
        return Err(ApiError::new(ErrorKind::Invalid, "these settings cannot be used"));
    };
    let most = usize::try_from(most).unwrap_or_default();
    let cut = cut_all(&state, request.content, request.file_name, &checked, &strategies, most).await?;
    let processing_time_ms = cut.iter().map(|text| text.milliseconds).sum();
    let describe = |(strategy, text): (&Strategy, CutText)| ComparisonResponse {
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
        comparisons: strategies.iter().zip(cut).map(describe).collect(),
        processing_time_ms,
    }))
}
