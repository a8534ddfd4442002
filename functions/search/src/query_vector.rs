//! The query as a vector.

use std::sync::Arc;

use domain::Quantization;
use embedding::Embedders;
use lambda::http::ApiError;

/// The query's vector by this model, as its passages were embedded for collections of this
/// quantization; computed off the thread that answers requests.
///
/// # Errors
/// Always ours, never the caller's: a collection's model belongs to this function's package.
pub(crate) async fn embed_query(
    embedders: &Arc<Embedders>,
    model: &str,
    quantization: Quantization,
    query: &str,
) -> Result<Vec<f32>, ApiError> {
    let (embedders, model, query) = (Arc::clone(embedders), model.to_owned(), query.to_owned());
    let embed = move || embedders.find(&model, quantization)?.embed_query(&query);
    let vector = tokio::task::spawn_blocking(embed).await;
    match vector {
        Ok(Ok(vector)) => Ok(vector),
        Ok(Err(error)) => Err(ApiError::internal(&error)),
        Err(panic) => Err(ApiError::internal(&panic)),
    }
}
