//! The query as a vector.

use std::sync::Arc;

use embedding::Embedders;
use lambda::http::ApiError;

/// The query's vector by this model, computed off the thread that answers requests.
///
/// # Errors
/// Always ours, never the caller's: a collection's model belongs to this function's package.
pub(crate) async fn embed_query(
    embedders: &Arc<Embedders>,
    model: &str,
    query: &str,
) -> Result<Vec<f32>, ApiError> {
    let (embedders, model, query) = (Arc::clone(embedders), model.to_owned(), query.to_owned());
    let vector = tokio::task::spawn_blocking(move || embedders.find(&model)?.embed_query(&query)).await;
    match vector {
        Ok(Ok(vector)) => Ok(vector),
        Ok(Err(error)) => Err(ApiError::internal(&error)),
        Err(panic) => Err(ApiError::internal(&panic)),
    }
}
