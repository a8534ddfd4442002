//! Reranking by a cross-encoder.

use std::sync::Arc;

use embedding::Reranker;

use crate::results::Ranking;

/// Reranks `hits`, best first, and replaces their scores. Returns them unchanged with the error if the model
/// fails.
pub(crate) async fn rerank<'a>(
    reranker: &Arc<Reranker>,
    query: &str,
    hits: Ranking<'a>,
) -> Result<Ranking<'a>, (Ranking<'a>, String)> {
    let texts: Vec<String> =
        hits.iter().map(|(_, passage)| passage.hit.chunk.payload.content.clone()).collect();
    let (reranker, query) = (Arc::clone(reranker), query.to_owned());
    let scored = tokio::task::spawn_blocking(move || {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        reranker.scores(&query, &texts).map_err(|error| lambda::error_chain(&error))
    });
    let scores = match scored.await {
        Ok(Ok(scores)) => scores,
        Ok(Err(error)) => return Err((hits, error)),
        Err(panic) => return Err((hits, panic.to_string())),
    };
    let mut reranked: Ranking<'a> =
        hits.into_iter().zip(scores).map(|((_, passage), score)| (score, passage)).collect();
    // The sort is stable: hits of equal score keep the order of the search.
    reranked.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    Ok(reranked)
}
