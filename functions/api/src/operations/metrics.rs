//! Metrics of an operation.

use access::GrantedOperation;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use domain::OperationId;
use lambda::http::{ApiError, Page};
use serde::Serialize;
use utoipa::ToSchema;

use crate::State;

/// One metric of an operation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "name": "embedding_seconds", "value": 12.8, "unit": "seconds", "recorded_at": "2026-11-25T12:00:00Z",
}))]
pub(crate) struct MetricResponse {
    /// Name of the metric. Stages run concurrently: the duration of each is from its first document to
    /// its last.
    name: String,
    /// The measured value, in `unit`.
    value: f64,
    /// `seconds`, `documents`, `chunks` or `bytes`.
    unit: String,
    /// When the operation ended.
    recorded_at: DateTime<Utc>,
}

/// A page of metrics.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricsResponse {
    /// The operation.
    #[schema(value_type = Uuid)]
    operation_id: OperationId,
    /// The metrics of this page.
    metrics: Vec<MetricResponse>,
    /// Number of metrics on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Maximum number of entries per page.
    per_page: i64,
}

/// List an operation's metrics
///
/// Numbers of documents, chunks and bytes, and the durations of waiting, listing, reading, chunking and
/// embedding. Empty until the operation has ended.
#[utoipa::path(
    get, path = "/api/v2/operations/{operation_id}/metrics", operation_id = "listOperationMetrics", tag = "operations",
    params(("operation_id" = Uuid, Path), Page),
    responses((status = 200, body = MetricsResponse)),
)]
pub(crate) async fn list_metrics(
    Shared(state): Shared<State>,
    GrantedOperation { operation, .. }: GrantedOperation,
    paging: Page,
) -> Result<Json<MetricsResponse>, ApiError> {
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
