//! Counts failed documents.

use axum::Json;
use axum::extract::State as Shared;
use domain::CollectionId;
use lambda::http::{ApiError, ApiPath, ApiQuery};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::State;

/// Which failed documents to count.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CountFailedQuery {
    /// Whether to count only documents worth a retry: not failed permanently, and retried less than three
    /// times.
    #[param(default = false)]
    retryable_only: Option<bool>,
}

/// Counts of failed documents by error category.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FailedCountResponse {
    /// A service was unavailable; a retry may succeed.
    transient: i64,
    /// The document itself cannot be indexed.
    permanent: i64,
    /// The cause is unknown.
    unknown: i64,
    /// Number of failed documents.
    total: i64,
}

/// Count a collection's failed documents
///
/// Counts them by the category of their errors.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/documents/failed/count", operation_id = "countFailedDocuments", tag = "documents",
    params(("collection_id" = Uuid, Path), CountFailedQuery),
    responses((status = 200, body = FailedCountResponse)),
)]
pub(crate) async fn count_failed(
    Shared(state): Shared<State>,
    ApiPath(collection_id): ApiPath<CollectionId>,
    ApiQuery(query): ApiQuery<CountFailedQuery>,
) -> Result<Json<FailedCountResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let retryable_only = query.retryable_only.unwrap_or(false);
    let counts = connection.documents().count_failed(collection_id, retryable_only).await?;
    let total = counts.transient + counts.permanent + counts.unknown;
    Ok(Json(FailedCountResponse {
        transient: counts.transient,
        permanent: counts.permanent,
        unknown: counts.unknown,
        total,
    }))
}
