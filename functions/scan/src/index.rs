//! The Qdrant collections that hold a collection's points.

use db::collections::Collection;
use domain::{DocumentId, Generation, IndexSettings};
use lambda::StageError;
use vectors::IndexSpec;

use crate::State;

/// Creates the index that answers searches of the collection, unless it exists.
pub(crate) async fn ensure_active_index(state: &State, collection: &Collection) -> Result<(), StageError> {
    ensure_index(state, &collection.vector_store_name, &collection.settings).await
}

/// Creates an index for vectors of these settings, unless it exists.
pub(crate) async fn ensure_index(
    state: &State,
    name: &str,
    settings: &IndexSettings,
) -> Result<(), StageError> {
    let model = state.models.require(&settings.embedding_model)?;
    let spec = IndexSpec {
        name: name.to_owned(),
        dimension: u64::from(model.manifest.dimension),
        quantization: settings.quantization,
        storage: state.index_storage.clone(),
    };
    state.vectors.ensure_index(&spec).await?;
    Ok(())
}

/// Returns the names of all indexes with points of the collection: the active one and those kept for a
/// rollback, which must not bring deleted documents back.
pub(crate) async fn list_indexes(state: &State, collection: &Collection) -> Result<Vec<String>, StageError> {
    let mut names = vec![collection.vector_store_name.clone()];
    names.extend(state.db.connection().await?.retired_vector_stores().list_kept(collection.id).await?);
    Ok(names)
}

/// Deletes the points of a document's generations before this one. Search ignores them; this frees their
/// space.
pub(crate) async fn delete_points_before(
    state: &State,
    collection: &Collection,
    document_id: DocumentId,
    generation: Generation,
) -> Result<(), StageError> {
    if generation.has_predecessors() {
        let name = &collection.vector_store_name;
        state.vectors.delete_generations_before(name, document_id, generation).await?;
    }
    Ok(())
}
