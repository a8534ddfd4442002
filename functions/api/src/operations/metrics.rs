//! Metrics of an operation.

use access::GrantedOperation;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use domain::OperationId;
use lambda::http::{ApiError, ApiQuery, Problem};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::paging::Paging;

/// Which metrics to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListMetricsQuery {
    /// Page number, from 1.
    #[param(minimum = 1, maximum = 1_000_000, default = 1)]
    page: Option<i64>,
    /// Metrics per page.
    #[param(minimum = 1, maximum = 100, default = 50)]
    per_page: Option<i64>,
}

/// One metric of an operation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "name": "embedding_seconds", "value": 12.8, "unit": "seconds", "recorded_at": "2026-11-25T12:00:00Z",
}))]
pub(crate) struct MetricResponse {
    /// Name of the metric. Stages run concurrently: the duration of each is from its first document to
    /// its last.
    name: String,
    value: f64,
    /// `seconds`, `documents`, `chunks` or `bytes`.
    unit: String,
    /// When the operation ended.
    recorded_at: DateTime<Utc>,
}

/// A page of metrics.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricsResponse {
    #[schema(value_type = Uuid)]
    operation_id: OperationId,
    metrics: Vec<MetricResponse>,
    total: i64,
    page: i64,
    per_page: i64,
}

/// List an operation's metrics
///
/// Numbers of documents, chunks and bytes, and the durations of waiting, listing, reading, chunking and
/// embedding. Empty until the operation has ended.
#[utoipa::path(
    get, path = "/api/v2/operations/{operation_id}/metrics", tag = "operations",
    params(("operation_id" = Uuid, Path), ListMetricsQuery),
    responses(
        (status = 200, body = MetricsResponse),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "A parameter is wrong."),
    ),
)]
pub(crate) async fn list_metrics(
    Shared(state): Shared<State>,
    GrantedOperation { operation, .. }: GrantedOperation,
    ApiQuery(query): ApiQuery<ListMetricsQuery>,
) -> Result<Json<MetricsResponse>, ApiError> {
    let paging = Paging::new(query.page, query.per_page)?;
    let mut connection = state.db.connection().await?;
    let page = connection.operation_metrics().list(operation.id, paging.per_page, paging.offset()).await?;
    let metrics = page.items.into_iter().map(|metric| MetricResponse {
        name: metric.name,
        value: metric.value,
        unit: metric.unit,
        recorded_at: metric.recorded_at,
    });
    Ok(Json(MetricsResponse {
        operation_id: operation.id,
        metrics: metrics.collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}
