//! The steps of the stage, shared by the function and the job: load the items and their chunks, compute
//! the vectors of a group, store them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use artifacts::BatchKey;
use db::operations::{ItemWork, StagedVersion};
use domain::{DocumentId, EmbedBatch, ErrorKind, ItemId, ItemState};
use futures_util::{StreamExt, stream};
use lambda::StageError;

use crate::State;
use crate::jobs::Job;
use crate::reuse::find_reusable_vectors;
use crate::store::{cancel, delete_useless_points, fail, store};

/// Batches that are read or written concurrently: as many as the function receives messages. The model
/// is idle meanwhile, and each call is a round trip.
const CONCURRENCY: usize = 10;

/// A message, with the position by which the caller identifies it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) position: usize,
    pub(crate) message: EmbedBatch,
}

/// The result of a request that needs no further work.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) position: usize,
    pub(crate) document_id: Option<DocumentId>,
    /// What was done, as the log names it; or why the message must be handled again.
    pub(crate) result: Result<&'static str, StageError>,
}

impl Outcome {
    fn of(job: &Job, result: Result<&'static str, StageError>) -> Self {
        Self { position: job.position, document_id: Some(job.staged.document_id), result }
    }

    /// Logs a successful outcome. Errors are logged by the message loop.
    pub(crate) fn log(&self, message: &EmbedBatch, started: Instant) {
        let Ok(outcome) = self.result else {
            return;
        };
        tracing::info!(
            operation.id = %message.operation_id,
            item.id = %message.item_id,
            document.id = self.document_id.map(tracing::field::display),
            batch = message.batch,
            outcome,
            ms = started.elapsed().as_millis(),
            "embed message handled"
        );
    }
}

/// A job with the vectors of all its chunks.
pub(crate) type EmbeddedJob = (Job, Vec<Vec<f32>>);

/// Returns the batches to embed, with their chunks loaded, and the outcomes of requests that need no
/// embedding.
pub(crate) async fn prepare(state: &State, requests: &[Request]) -> (Vec<Job>, Vec<Outcome>) {
    let ids: Vec<ItemId> = requests.iter().map(|request| request.message.item_id).collect();
    let works: HashMap<ItemId, ItemWork> = match find_work(state, &ids).await {
        Ok(found) => found.into_iter().map(|work| (work.item_id, work)).collect(),
        Err(error) => {
            let failed = |request: &Request| Outcome {
                position: request.position,
                document_id: None,
                result: Err(error.copy()),
            };
            return (Vec::new(), requests.iter().map(failed).collect());
        }
    };
    let prepared = stream::iter(requests.iter().copied()).map(|request| {
        let work = works.get(&request.message.item_id).cloned();
        async move {
            let document_id = work.as_ref().and_then(|work| work.staged).map(|staged| staged.document_id);
            let prepared = match work {
                Some(work) => prepare_one(state, request, work).await,
                None => Ok(Prepared::Done("gone")),
            };
            (request.position, document_id, prepared)
        }
    });
    let (mut jobs, mut outcomes) = (Vec::new(), Vec::new());
    for (position, document_id, prepared) in prepared.buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await
    {
        match prepared {
            Ok(Prepared::Job(job)) => jobs.push(*job),
            Ok(Prepared::Done(outcome)) => {
                outcomes.push(Outcome { position, document_id, result: Ok(outcome) });
            }
            Err(error) => outcomes.push(Outcome { position, document_id, result: Err(error) }),
        }
    }
    (jobs, outcomes)
}

enum Prepared {
    Job(Box<Job>),
    /// There is nothing to embed, for this reason.
    Done(&'static str),
}

async fn find_work(state: &State, ids: &[ItemId]) -> Result<Vec<ItemWork>, StageError> {
    Ok(state.db.connection().await?.operation_items().find_work(ids).await?)
}

/// Checks whether the batch still has to be embedded, and loads its chunks if so.
async fn prepare_one(state: &State, request: Request, work: ItemWork) -> Result<Prepared, StageError> {
    let (position, batch) = (request.position, request.message.batch);
    if !work.is_wanted {
        cancel(state, &work).await?;
        return Ok(Prepared::Done("cancelled"));
    }
    let staged = match (work.state, work.staged) {
        (ItemState::Chunked, Some(staged)) if work.missing_batches.contains(&batch) => staged,
        (ItemState::Chunked, _) => return Ok(Prepared::Done("done before")),
        // Not chunked yet: the chunk stage sends another message when it is.
        (ItemState::Listed | ItemState::Staged, _) => return Ok(Prepared::Done("too early")),
        _ => {
            delete_useless_points(state, &work).await?;
            return Ok(Prepared::Done("done before"));
        }
    };
    let StagedVersion { document_id, generation, .. } = staged;
    let key = BatchKey { collection_id: work.collection_id, document_id, generation, batch };
    match state.artifacts.read_chunks(key).await.map_err(StageError::from) {
        Ok(chunks) => {
            let known = find_reusable_vectors(state, &work, batch, &chunks).await?;
            Ok(Prepared::Job(Box::new(Job { position, work, staged, batch, chunks, known })))
        }
        Err(error) if error.is_retryable() => Err(error),
        Err(error) => {
            fail(state, &work, &error).await?;
            Ok(Prepared::Done("failed"))
        }
    }
}

/// Removes from a group that has waited the jobs whose operation was cancelled meanwhile, and cancels
/// their items.
pub(crate) async fn drop_cancelled(state: &State, group: Vec<Job>) -> (Vec<Job>, Vec<Outcome>) {
    let ids: Vec<ItemId> = group.iter().map(|job| job.work.item_id).collect();
    let now: HashMap<ItemId, ItemWork> = match find_work(state, &ids).await {
        Ok(found) => found.into_iter().map(|work| (work.item_id, work)).collect(),
        Err(error) => return (Vec::new(), fail_all(&group, &error)),
    };
    let (mut wanted, mut outcomes) = (Vec::with_capacity(group.len()), Vec::new());
    for job in group {
        match now.get(&job.work.item_id) {
            Some(work) if work.is_wanted => wanted.push(job),
            Some(work) => {
                let result = cancel(state, work).await.map(|()| "cancelled");
                outcomes.push(Outcome::of(&job, result));
            }
            None => outcomes.push(Outcome::of(&job, Ok("gone"))),
        }
    }
    (wanted, outcomes)
}

/// Computes the missing vectors of a group on a blocking thread, unless `is_aborted` becomes true.
/// Permanent failures are recorded on the documents.
///
/// # Errors
/// Returns the outcomes of the group's messages if there are no vectors.
pub(crate) async fn embed_group(
    state: &State,
    group: Vec<Job>,
    is_aborted: &Arc<AtomicBool>,
) -> Result<Vec<EmbeddedJob>, Vec<Outcome>> {
    let places: Vec<(usize, DocumentId)> =
        group.iter().map(|job| (job.position, job.staged.document_id)).collect();
    let embedder = Arc::clone(&state.embedder);
    let is_aborted = Arc::clone(is_aborted);
    let embedded = tokio::task::spawn_blocking(move || {
        let texts: Vec<Cow<'_, str>> = group.iter().flat_map(Job::unknown_texts).collect();
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        // Without texts the model is not even opened.
        let vectors = match group.first().map(|job| &job.work.settings) {
            Some(settings) if !texts.is_empty() => embedder.embed(settings, &texts, &is_aborted),
            _ => Ok(Vec::new()),
        };
        (group, vectors.map_err(StageError::from))
    });
    let (group, vectors) = match embedded.await {
        Ok(embedded) => embedded,
        Err(panic) => {
            let error = StageError::new(ErrorKind::Internal, panic);
            let failed = |(position, document_id)| Outcome {
                position,
                document_id: Some(document_id),
                result: Err(error.copy()),
            };
            return Err(places.into_iter().map(failed).collect());
        }
    };
    match vectors {
        Ok(vectors) => {
            let mut vectors = vectors.into_iter();
            let with_vectors = |job: Job| {
                let vectors = job.vectors(&mut vectors);
                (job, vectors)
            };
            Ok(group.into_iter().map(with_vectors).collect())
        }
        Err(error) if error.is_retryable() => Err(fail_all(&group, &error)),
        Err(error) => Err(fail_documents(state, &group, &error).await),
    }
}

/// Writes the vectors and points of embedded jobs and marks their batches as done.
pub(crate) async fn store_group(state: &State, embedded: Vec<EmbeddedJob>) -> Vec<Outcome> {
    let stored = stream::iter(embedded).map(|(job, vectors)| async move {
        let result = store(state, &job, vectors).await.map(|done| match done {
            Some(done) if done.replaced_generation.is_some() => "completed",
            Some(_) => "batch embedded",
            None => "ended meanwhile",
        });
        Outcome::of(&job, result)
    });
    stored.buffer_unordered(CONCURRENCY).collect().await
}

/// Returns the same error for every message of a group.
pub(crate) fn fail_all(group: &[Job], error: &StageError) -> Vec<Outcome> {
    group.iter().map(|job| Outcome::of(job, Err(error.copy()))).collect()
}

/// Records on each document why it cannot be embedded.
async fn fail_documents(state: &State, group: &[Job], error: &StageError) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        let failed = fail(state, &job.work, error).await;
        outcomes.push(Outcome::of(job, failed.map(|()| "failed")));
    }
    outcomes
}
