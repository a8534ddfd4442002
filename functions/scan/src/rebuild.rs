//! Rebuilds a collection's index from staged chunks and vectors, without embedding.
//!
//! The points are written into a Qdrant collection of their own, which replaces the old one when all of
//! them are there. Until then searches use the old one, as well as it can answer.

use std::time::Duration;

use artifacts::{ArtifactError, BatchKey, codec};
use db::collections::Collection;
use db::documents::SearchableDocument;
use db::operations::{Operation, RebuiltDocument};
use domain::{DocumentId, ErrorKind, OperationId, vector_store_name};
use futures_util::{StreamExt, TryStreamExt, stream};
use lambda::StageError;
use lambda::event::Invocation;
use vectors::DocumentGeneration;

use crate::State;
use crate::index::ensure_index;
use crate::work_list::{Filled, Page, Producer, close, fill};

/// Documents that are loaded at a time.
const DOCUMENTS_PER_PAGE: i64 = 200;

/// Chunks after which the cursor advances: about a quarter of a minute's work.
const CHUNKS_PER_PAGE: u64 = 10_000;

/// Documents whose points are written concurrently. Each uses the memory of one batch.
const CONCURRENCY: usize = 4;

/// Rebuilds the collection's index, from where an earlier attempt stopped.
pub(crate) async fn rebuild(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    let target = target_name(state, operation.id, collection)?;
    let (from, to) = state
        .db
        .connection()
        .await?
        .operations()
        .record_rebuild(operation.id, &collection.vector_store_name, &target)
        .await?;
    if collection.vector_store_name != to {
        ensure_index(state, &target, &collection.settings).await?;
        let mut documents = RebuiltDocuments { state, operation, collection, target: &target };
        let filled = fill(state, operation, &mut documents, invocation).await?;
        if filled != Filled::Complete {
            return Ok(filled.as_str());
        }
        check_coverage(state, operation.id, &to).await?;
        if !state.db.connection().await?.collections().swap_rebuilt(operation.id, &from, &to).await? {
            // Cancelled meanwhile; or another invocation was faster, which the next delivery finds.
            return Err(StageError::new(
                ErrorKind::Unavailable,
                "the operation ended before its index was swapped",
            ));
        }
        tracing::info!(operation.id = %operation.id, from, to, "the rebuilt index is active");
    }
    if from != to {
        state.vectors.delete_index(&from).await?;
    }
    // Last: once the work list is complete, any stage may end the operation.
    close(state, operation.id).await?;
    Ok("rebuilt")
}

/// Deletes the index that a rebuild which ends early has written; or, if that is active already, the one
/// that it has replaced.
pub(crate) async fn delete_unfinished_index(
    state: &State,
    operation: &Operation,
    collection: &Collection,
) -> Result<(), StageError> {
    let target = target_name(state, operation.id, collection)?;
    if target != collection.vector_store_name {
        state.vectors.delete_index(&target).await?;
        return Ok(());
    }
    let replaced = operation.meta["vector_store"]["from"].as_str();
    if let Some(replaced) = replaced.filter(|replaced| *replaced != target) {
        state.vectors.delete_index(replaced).await?;
    }
    Ok(())
}

/// Returns the name of the index that this operation fills: the same in every attempt, and unique to it.
fn target_name(state: &State, id: OperationId, collection: &Collection) -> Result<String, StageError> {
    let settings = &collection.settings;
    let model = state.models.require(&settings.embedding_model)?;
    let base = vector_store_name(collection.id, &model.manifest.short_name, settings.quantization);
    let suffix = &id.0.simple().to_string()[..12];
    Ok(format!("{base}_{suffix}"))
}

/// Writes the points of the collection's documents and puts the documents on the work list as rebuilt.
struct RebuiltDocuments<'a> {
    state: &'a State,
    operation: &'a Operation,
    collection: &'a Collection,
    target: &'a str,
}

impl Producer for RebuiltDocuments<'_> {
    const PAGE_TIME: Duration = Duration::from_secs(60);
    const NEEDS_STAGING: bool = false;

    async fn produce(&mut self, cursor: Option<&str>) -> Result<Page, StageError> {
        let Self { state, operation, collection, target } = *self;
        let after = cursor.map(str::parse).transpose();
        let after: Option<DocumentId> = after.map_err(|error| StageError::new(ErrorKind::Internal, error))?;
        let mut connection = state.db.connection().await?;
        if !connection.operations().is_wanted(operation.id).await? {
            return Err(StageError::new(ErrorKind::Unavailable, "the rebuild was cancelled"));
        }
        let page = connection.documents().list_searchable(collection.id, after, DOCUMENTS_PER_PAGE).await?;
        drop(connection);
        let page = within_chunk_limit(page);
        let Some(last) = page.last().map(|document| document.id) else {
            return Ok(Page::Last);
        };
        let rebuilt = stream::iter(page).map(|document| async move {
            write_document(state, operation.id, collection, target, document).await
        });
        let rebuilt: Vec<RebuiltDocument> = rebuilt.buffer_unordered(CONCURRENCY).try_collect().await?;
        state.db.connection().await?.operation_items().insert_rebuilt(operation.id, &rebuilt).await?;
        Ok(Page::MoreFrom(last.to_string()))
    }
}

/// Returns the first documents of the page, with [`CHUNKS_PER_PAGE`] chunks at most; at least one.
fn within_chunk_limit(page: Vec<SearchableDocument>) -> Vec<SearchableDocument> {
    let mut chunks = 0;
    let fits = |document: &SearchableDocument| {
        let is_first = chunks == 0;
        chunks += u64::from(document.chunk_count);
        is_first || chunks <= CHUNKS_PER_PAGE
    };
    page.into_iter().take_while(fits).collect()
}

/// Writes all points of a document, or returns it with the reason why that is impossible.
async fn write_document(
    state: &State,
    operation_id: OperationId,
    collection: &Collection,
    target: &str,
    document: SearchableDocument,
) -> Result<RebuiltDocument, StageError> {
    let SearchableDocument { id, generation, chunk_count, .. } = document;
    let reason = match write_points(state, collection, target, document).await {
        Ok(()) => None,
        Err(WriteError::Unusable(reason)) => {
            tracing::warn!(operation.id = %operation_id, document.id = %id, stage = "scan", reason, "document failed");
            state.vectors.delete_generation(target, id, generation).await?;
            Some(format!(
                "its points were lost and cannot be rebuilt: {reason}; retry it to have it indexed again"
            ))
        }
        Err(WriteError::Failed(error)) => return Err(error),
    };
    Ok(RebuiltDocument { id, generation, chunk_count, reason })
}

/// Why a document's points were not written.
pub(crate) enum WriteError {
    /// Its staged chunks or vectors are missing or wrong; no attempt can succeed.
    Unusable(String),
    /// A store is unavailable.
    Failed(StageError),
}

impl From<ArtifactError> for WriteError {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::NotFound { .. } => Self::Unusable("a staged file is missing".to_owned()),
            ArtifactError::Malformed { .. } => {
                tracing::warn!(error = lambda::error_chain(&error), "a staged file is damaged");
                Self::Unusable("a staged file is damaged".to_owned())
            }
            ArtifactError::Refused { .. } => Self::Unusable(error.to_string()),
            other => Self::Failed(other.into()),
        }
    }
}

/// Writes the points of a document from its staged chunks and vectors.
pub(crate) async fn write_points(
    state: &State,
    collection: &Collection,
    target: &str,
    document: SearchableDocument,
) -> Result<(), WriteError> {
    let origin = codec::vectors_origin(&collection.settings);
    let chunk_count = document.chunk_count as usize;
    let version = DocumentGeneration {
        document_id: document.id,
        collection_id: collection.id,
        source_id: document.source_id,
        generation: document.generation,
        uri: document.uri,
        path: document.file_path,
        file_name: document.file_name,
        mime_type: document.mime_type,
        first_seen_at: document.first_seen_at,
        metadata: document.metadata,
    };
    let (mut batch, mut written) = (0, 0);
    while written < chunk_count {
        let key = BatchKey {
            collection_id: collection.id,
            document_id: version.document_id,
            generation: version.generation,
            batch,
        };
        let (chunks, staged) =
            tokio::try_join!(state.artifacts.read_chunks(key), state.artifacts.read_vectors(key))?;
        if staged.origin != origin {
            return Err(WriteError::Unusable(format!(
                "its staged vectors were computed by {}, not by {origin}",
                staged.origin
            )));
        }
        if chunks.is_empty() || staged.vectors.len() != chunks.len() {
            let (vectors, chunks) = (staged.vectors.len(), chunks.len());
            return Err(WriteError::Unusable(format!("{vectors} vectors are staged for {chunks} chunks")));
        }
        written += chunks.len();
        let points = version.points(&chunks, staged.vectors);
        state.vectors.upsert(target, points).await.map_err(|error| WriteError::Failed(error.into()))?;
        batch += 1;
    }
    if written != chunk_count {
        return Err(WriteError::Unusable(format!("{written} of {chunk_count} chunks are staged")));
    }
    Ok(())
}

/// Checks that the index contains exactly the points that were written.
async fn check_coverage(state: &State, id: OperationId, target: &str) -> Result<(), StageError> {
    let expected = state.db.connection().await?.operation_items().count_rebuilt_chunks(id).await?;
    let found = state.vectors.count(target).await?;
    if found == expected {
        return Ok(());
    }
    let reason = format!("the rebuilt index has {found} points instead of {expected}; start another rebuild");
    Err(StageError::new(ErrorKind::Invalid, reason))
}
