//! A collection's points, written again from staged chunks and vectors. Nothing is embedded.
//!
//! They are written into a Qdrant collection of their own, which takes the old one's place when all
//! of them are there: searches answer from the old one until then, as well as it can.

use std::time::Duration;

use artifacts::{ArtifactError, BatchKey, codec};
use db::collections::Collection;
use db::documents::SearchableDocument;
use db::operations::{Operation, RebuiltDocument};
use domain::{DocumentId, ErrorKind, OperationId, ScanMessage, vector_store_name};
use futures_util::{StreamExt, TryStreamExt, stream};
use lambda::StageError;
use lambda::event::Invocation;
use vectors::{DocumentGeneration, IndexSpec};

use crate::State;

/// Documents that are looked up at a time.
const PAGE: i64 = 200;

/// Chunks after which it is written down what was done: a quarter of a minute's work.
const CHUNKS_PER_STEP: u64 = 10_000;

/// Documents whose points are written side by side. Each holds one batch.
const CONCURRENCY: usize = 4;

/// With less time than this left, another invocation goes on.
const RESERVE: Duration = Duration::from_secs(60);

/// Rebuilds the collection, from where an earlier try stopped.
pub(crate) async fn rebuild(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    invocation: &Invocation,
) -> Result<&'static str, StageError> {
    let spec = target(state, operation.id, collection)?;
    let (from, to) = state
        .db
        .connection()
        .await?
        .operations()
        .note_rebuild(operation.id, &collection.vector_store_name, &spec.name)
        .await?;
    if collection.vector_store_name != to {
        state.vectors.ensure_index(&spec).await?;
        match write_documents(state, operation, collection, &spec.name, invocation).await? {
            Written::All => {}
            Written::Part => return Ok("rebuilt in part"),
            Written::ByAnother => return Ok("another rebuilds it"),
        }
        check_coverage(state, operation.id, &to).await?;
        if !state.db.connection().await?.collections().swap_rebuilt(operation.id, &from, &to).await? {
            // Cancelled meanwhile; or another was faster, and the next delivery sees that.
            return Err(StageError::new(
                ErrorKind::Unavailable,
                "the rebuilt collection is not wanted any more",
            ));
        }
        tracing::info!(operation.id = %operation.id, from, to, "the rebuilt collection answers from now on");
    }
    if from != to {
        state.vectors.delete_index(&from).await?;
    }
    // Last: an operation whose listing has ended may be ended by anybody.
    state.db.connection().await?.operations().mark_scan_finished(operation.id).await?;
    dispatch::end_operation(&state.db, &state.queues, operation.id).await?;
    Ok("rebuilt")
}

/// Deletes what a rebuild that ends early has written.
pub(crate) async fn take_back(
    state: &State,
    operation: &Operation,
    collection: &Collection,
) -> Result<(), StageError> {
    let name = target(state, operation.id, collection)?.name;
    if name != collection.vector_store_name {
        state.vectors.delete_index(&name).await?;
        return Ok(());
    }
    // It answers already: then the one that it took the place of is left.
    let replaced = operation.meta["vector_store"]["from"].as_str();
    if let Some(replaced) = replaced.filter(|replaced| *replaced != name) {
        state.vectors.delete_index(replaced).await?;
    }
    Ok(())
}

/// The Qdrant collection that this operation fills: the same at every try, and no other's.
fn target(state: &State, id: OperationId, collection: &Collection) -> Result<IndexSpec, StageError> {
    let settings = &collection.settings;
    let model = state.models.require(&settings.embedding_model)?;
    let manifest = &model.manifest;
    let base = vector_store_name(collection.id, &manifest.short_name, settings.quantization);
    let suffix = &id.0.simple().to_string()[..12];
    Ok(IndexSpec {
        name: format!("{base}_{suffix}"),
        dimension: u64::from(manifest.dimension),
        quantization: settings.quantization,
    })
}

/// How far the writing came.
enum Written {
    All,
    /// A message was sent to go on.
    Part,
    /// Somebody else is further and goes on.
    ByAnother,
}

async fn write_documents(
    state: &State,
    operation: &Operation,
    collection: &Collection,
    target: &str,
    invocation: &Invocation,
) -> Result<Written, StageError> {
    let mut cursor = operation.scan_cursor.clone();
    loop {
        let after = cursor.as_deref().map(str::parse).transpose();
        let after: Option<DocumentId> = after.map_err(|error| StageError::new(ErrorKind::Internal, error))?;
        let mut connection = state.db.connection().await?;
        if !connection.operations().is_wanted(operation.id).await? {
            return Err(StageError::new(ErrorKind::Unavailable, "the rebuild is not wanted any more"));
        }
        let page = connection.documents().list_searchable(collection.id, after, PAGE).await?;
        drop(connection);
        let step = first_step(page);
        let Some(last) = step.last().map(|document| document.id) else {
            return Ok(Written::All);
        };
        let done = stream::iter(step).map(|document| async move {
            write_document(state, operation.id, collection, target, document).await
        });
        let done: Vec<RebuiltDocument> = done.buffer_unordered(CONCURRENCY).try_collect().await?;
        let mut connection = state.db.connection().await?;
        connection.operation_items().insert_rebuilt(operation.id, &done).await?;
        let next = last.to_string();
        let is_mine =
            connection.operations().advance_cursor(operation.id, cursor.as_deref(), Some(&next)).await?;
        drop(connection);
        if !is_mine {
            return Ok(Written::ByAnother);
        }
        cursor = Some(next);
        if invocation.remaining() < RESERVE {
            state.queues.send_scan(&[ScanMessage::RunOperation { operation_id: operation.id }]).await?;
            return Ok(Written::Part);
        }
    }
}

/// As many of the documents as are written before the next look at the time; at least one.
fn first_step(page: Vec<SearchableDocument>) -> Vec<SearchableDocument> {
    let mut chunks = 0;
    let fits = |document: &SearchableDocument| {
        let is_first = chunks == 0;
        chunks += u64::from(document.chunk_count);
        is_first || chunks <= CHUNKS_PER_STEP
    };
    page.into_iter().take_while(fits).collect()
}

/// Writes all points of a document, or says why that cannot be.
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
        Err(Unwritten::Lost(reason)) => {
            tracing::warn!(operation.id = %operation_id, document.id = %id, stage = "scan", reason, "document failed");
            state.vectors.delete_generation(target, id, generation).await?;
            Some(format!(
                "its points were lost and cannot be rebuilt: {reason}; try it again to have it indexed anew"
            ))
        }
        Err(Unwritten::Later(error)) => return Err(error),
    };
    Ok(RebuiltDocument { id, generation, chunk_count, reason })
}

/// Why a document's points were not written.
enum Unwritten {
    /// What is staged of it is not what is needed, at any try.
    Lost(String),
    /// Something does not answer.
    Later(StageError),
}

impl From<ArtifactError> for Unwritten {
    fn from(error: ArtifactError) -> Self {
        match error {
            ArtifactError::NotFound { .. } | ArtifactError::Malformed { .. } => Self::Lost(error.to_string()),
            other => Self::Later(other.into()),
        }
    }
}

async fn write_points(
    state: &State,
    collection: &Collection,
    target: &str,
    document: SearchableDocument,
) -> Result<(), Unwritten> {
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
        attributes: document.attributes,
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
            return Err(Unwritten::Lost(format!(
                "its staged vectors are of {}, not of {origin}",
                staged.origin
            )));
        }
        if chunks.is_empty() || staged.vectors.len() != chunks.len() {
            let (vectors, chunks) = (staged.vectors.len(), chunks.len());
            return Err(Unwritten::Lost(format!("{vectors} vectors are staged for {chunks} chunks")));
        }
        written += chunks.len();
        let points = version.points(&chunks, staged.vectors);
        state.vectors.upsert(target, points).await.map_err(|error| Unwritten::Later(error.into()))?;
        batch += 1;
    }
    if written != chunk_count {
        return Err(Unwritten::Lost(format!("{written} chunks are staged of {chunk_count}")));
    }
    Ok(())
}

/// Every point that was to be written is there, and no other.
async fn check_coverage(state: &State, id: OperationId, target: &str) -> Result<(), StageError> {
    let expected = state.db.connection().await?.operation_items().count_rebuilt_chunks(id).await?;
    let there = state.vectors.count(target).await?;
    if there == expected {
        return Ok(());
    }
    let reason = format!("the rebuilt collection has {there} points instead of {expected}; rebuild it again");
    Err(StageError::new(ErrorKind::Invalid, reason))
}
