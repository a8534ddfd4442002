//! Reindexes a collection into a new index, beside the active one.
//!
//! 1. The new index is recorded, then created; every searchable document is put on the work list.
//! 2. The raw document of each is copied to the generation that it gets in the new index, without reading
//!    its source. The chunk and embed functions process it as usual, with the operation's settings.
//! 3. When no item is open, the stage that finished the last one sends the operation here again. The new
//!    index is checked, and one transaction makes it the active one.
//!
//! Until then searches are unaffected, and an operation that ends early leaves only an index that sweep
//! drops.

use db::collections::Collection;
use db::operations::{Operation, Swap};
use domain::{ErrorKind, OperationId, vector_store_name};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::index::ensure_index;
use crate::reindex_check::{check_coverage, check_neighbours};
use crate::work_list::{Filled, Page, Producer, fill};

/// Advances the reindex as far as possible now.
pub(crate) async fn reindex(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    let new_name = begin(state, operation, collection).await?;
    if operation.scan_finished_at.is_none() {
        ensure_index(state, &new_name, &operation.new_settings()?).await?;
        let mut documents = SearchableDocuments { state, operation };
        let filled = fill(state, operation, &mut documents, invocation).await?;
        if filled != Filled::Complete {
            return Ok(filled.as_str());
        }
        state.db.connection().await?.operations().mark_scan_finished(operation.id).await?;
    }
    let coverage = state.db.connection().await?.operations().reindex_coverage(operation.id).await?;
    if coverage.open > 0 {
        return Ok("waiting for its documents");
    }
    check_coverage(state, operation, &coverage, &new_name).await?;
    if operation.new_settings()?.embedding_model == collection.settings.embedding_model {
        check_neighbours(state, operation, &collection.vector_store_name, &new_name).await?;
    }
    swap(state, operation.id).await
}

/// Records the new index unless that is done already; returns its name.
async fn begin(state: &State, operation: &Operation, collection: &Collection) -> Result<String, StageError> {
    let settings = operation.new_settings()?;
    let model = state.models.require(&settings.embedding_model)?;
    let base_name = vector_store_name(collection.id, &model.manifest.short_name, settings.quantization);
    let name = state.db.connection().await?.operations().begin_reindex(operation.id, &base_name).await?;
    name.ok_or_else(|| {
        StageError::new(ErrorKind::Unavailable, "another index of the collection is being filled")
    })
}

/// Puts every searchable document of the collection on the work list, in one page.
struct SearchableDocuments<'a> {
    state: &'a State,
    operation: &'a Operation,
}

impl Producer for SearchableDocuments<'_> {
    async fn produce(&mut self, _: Option<&str>) -> Result<Page, StageError> {
        let mut connection = self.state.db.connection().await?;
        connection.operation_items().insert_reindexed(self.operation.id).await?;
        Ok(Page::Last)
    }
}

async fn swap(state: &State, operation_id: OperationId) -> Result<&'static str, StageError> {
    let mut tx = state.db.begin().await?;
    match tx.operations().swap(operation_id, state.reindex_grace).await? {
        Swap::Done(finished) => {
            tx.commit().await?;
            tracing::info!(
                operation.id = %operation_id,
                collection.id = %finished.collection_id,
                "the new index is active"
            );
            dispatch::start_next(&state.db, &state.queues, finished.collection_id).await?;
            Ok("swapped")
        }
        Swap::NotWanted => Ok("done before, or cancelled"),
        Swap::Uncovered(documents) => Err(StageError::new(
            ErrorKind::Conflict,
            format!(
                "{documents} documents changed after they were reindexed; the active index is unchanged, start another reindex"
            ),
        )),
    }
}
