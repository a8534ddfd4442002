//! Finds as many passages as a page needs.

use std::collections::HashMap;
use std::time::Instant;

use db::collections::Collection;
use db::documents::LiveDocument;
use domain::{DocumentId, SearchMode};
use lambda::http::ApiError;

use crate::State;
use crate::merge::{Merged, RankedList, ScoreType, merge};
use crate::plan::Plan;
use crate::response::{FailedCollection, Timings};
use crate::results::{Ranking, count, keep_live, passages};
use crate::retrieve::{Encoder, Hit, Retrieved, retrieve};
use crate::search_query::SearchQuery;

/// The collections to search, and the query's embedding by each of their models.
#[derive(Clone, Copy)]
pub(crate) struct Encoded<'a, 'v> {
    pub(crate) collections: &'a [Collection],
    pub(crate) vectors: &'v HashMap<Encoder<'a>, Vec<f32>>,
}

/// The best passages, best first: at least as many as the page needs, if there are so many.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) passages: Ranking<'a>,
    pub(crate) score_type: ScoreType,
    pub(crate) mode_used: SearchMode,
    /// The documents of the passages and of their duplicates.
    pub(crate) documents: HashMap<DocumentId, LiveDocument>,
    pub(crate) failed: Vec<FailedCollection>,
    pub(crate) warnings: Vec<String>,
}

/// Retrieves hits, more and more of them until the page has as many passages as it needs. How many are
/// retrieved does not change the ranking, so pages neither repeat nor skip passages. Returns `None` if the
/// index of a collection was swapped meanwhile; the inner error if no collection can be searched.
pub(crate) async fn find<'a>(
    state: &State,
    search: &SearchQuery,
    plan: &Plan,
    encoded: Encoded<'a, '_>,
    timings: &mut Timings,
) -> Result<Option<Result<Found<'a>, ApiError>>, ApiError> {
    let mut depth = plan.depth();
    loop {
        let qdrant_started = Instant::now();
        let retrieved = retrieve(state, encoded.collections, encoded.vectors, search, plan, depth).await;
        timings.qdrant_ms += millis_since(qdrant_started);
        let Retrieved { lists, failed, warnings } = match retrieved {
            Ok(retrieved) => retrieved,
            Err(error) => return Ok(Some(Err(error))),
        };

        let documents_started = Instant::now();
        let documents = find_documents(state, &lists).await?;
        timings.postgres_ms += millis_since(documents_started);
        if lists.iter().flat_map(|list| &list.hits).any(|(_, hit)| is_in_another_index(hit, &documents)) {
            return Ok(None);
        }

        let mode_used = mode_used(&lists, plan.mode);
        let live =
            lists.into_iter().map(|list| RankedList { hits: keep_live(list.hits, &documents), ..list });
        let Merged { hits, score_type, is_complete } = merge(live.collect(), plan.rank_constant);
        let passages = passages(hits, plan.collapses);
        if is_complete || count(&passages, plan.group_size) >= plan.needed() {
            return Ok(Some(Ok(Found { passages, score_type, mode_used, documents, failed, warnings })));
        }
        depth = Plan::deeper(depth);
    }
}

/// Returns the milliseconds since then.
pub(crate) fn millis_since(started: Instant) -> f64 {
    started.elapsed().as_secs_f64() * 1000.0
}

/// Returns whether the hit's document is in another index now. Generations are read together with their
/// index, so all other hits are consistent.
fn is_in_another_index(hit: &Hit<'_>, documents: &HashMap<DocumentId, LiveDocument>) -> bool {
    let document = documents.get(&hit.chunk.payload.document_id);
    document.is_some_and(|document| document.vector_store_name != hit.collection.vector_store_name)
}

/// Returns the mode of the search: the requested one, unless no collection supports it.
fn mode_used(lists: &[RankedList<Hit<'_>>], requested: SearchMode) -> SearchMode {
    let is_used = lists.is_empty() || lists.iter().any(|list| list.mode == requested);
    if is_used { requested } else { SearchMode::Dense }
}

async fn find_documents(
    state: &State,
    lists: &[RankedList<Hit<'_>>],
) -> Result<HashMap<DocumentId, LiveDocument>, ApiError> {
    let hits = lists.iter().flat_map(|list| &list.hits);
    let mut ids: Vec<DocumentId> = hits.map(|(_, hit)| hit.chunk.payload.document_id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut connection = state.db.connection().await?;
    let documents = connection.search_documents().find_live(&ids).await?;
    Ok(documents.into_iter().map(|document| (document.id, document)).collect())
}
