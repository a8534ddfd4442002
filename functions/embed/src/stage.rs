//! The steps of the stage, shared by the function and the job: load the items and their chunks, compute
//! the vectors of a group, store them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use artifacts::BatchKey;
use db::operations::{ItemWork, StagedVersion};
use domain::{DocumentId, EmbedBatch, ErrorKind, ItemId, ItemState};
use futures_util::{StreamExt, stream};
use lambda::StageError;
use lambda::metric::{self, Metric};

use crate::jobs::{Job, Request, tokens, unknown_texts};
use crate::progress::take_up_progress;
use crate::reuse::find_reusable_vectors;
use crate::store::{cancel, delete_useless_points, fail, send_next, store};
use crate::{ChunkEmbedder, State};

/// Batches that are read or written concurrently: as many as the function receives messages. The model
/// is idle meanwhile, and each call is a round trip.
const CONCURRENCY: usize = 10;

/// The result of a request that needs no further work.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) position: usize,
    pub(crate) document_id: Option<DocumentId>,
    /// What was done, as the log names it; or why the message must be handled again.
    pub(crate) result: Result<&'static str, StageError>,
}

impl Outcome {
    pub(crate) fn of(job: &Job, result: Result<&'static str, StageError>) -> Self {
        Self { position: job.request.position, document_id: Some(job.staged.document_id), result }
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
    let batch = request.message.batch;
    if !work.is_wanted {
        cancel(state, &work).await?;
        return Ok(Prepared::Done("cancelled"));
    }
    let staged = match (work.state, work.staged) {
        (ItemState::Chunked, Some(staged)) if work.missing_batches.contains(&batch) => staged,
        (ItemState::Chunked, _) => {
            // A crash may have prevented it.
            send_next(state, request.message, &work.missing_batches).await?;
            return Ok(Prepared::Done("done before"));
        }
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
            let reused = find_reusable_vectors(state, &work, batch, &chunks).await?;
            let mut job = Job::new(request, (work, staged), chunks, reused);
            take_up_progress(state, &mut job).await?;
            Ok(Prepared::Job(Box::new(job)))
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

/// How much of a group is embedded, at most.
pub(crate) struct Limits {
    /// The approximate number of tokens.
    pub(crate) max_tokens: u64,
    /// Called before each run of the model.
    pub(crate) should_stop: Box<dyn Fn() -> bool + Send + Sync>,
}

/// A group whose texts were in the model.
pub(crate) struct EmbeddedGroup {
    /// The jobs, some of which may still lack vectors.
    pub(crate) jobs: Vec<Job>,
    /// The approximate number of tokens of the texts that got a vector.
    pub(crate) tokens: u64,
}

/// Computes missing vectors of a group on a blocking thread, within the limits. Permanent failures are recorded on the
/// documents.
///
/// # Errors
/// Returns the outcomes of the group's messages if the model failed.
pub(crate) async fn embed_group(
    state: &State,
    group: Vec<Job>,
    limits: Limits,
) -> Result<EmbeddedGroup, Vec<Outcome>> {
    let places: Vec<(usize, DocumentId)> =
        group.iter().map(|job| (job.request.position, job.staged.document_id)).collect();
    let embedder = Arc::clone(&state.embedder);
    let embedded = tokio::task::spawn_blocking(move || embed_texts(embedder.as_ref(), group, &limits));
    match embedded.await {
        Ok((jobs, Ok(tokens))) => Ok(EmbeddedGroup { jobs, tokens }),
        Ok((jobs, Err(error))) if error.is_retryable() => Err(fail_all(&jobs, &error)),
        Ok((jobs, Err(error))) => Err(fail_documents(state, &jobs, &error).await),
        Err(panic) => {
            let error = StageError::new(ErrorKind::Internal, panic);
            let failed = |(position, document_id)| Outcome {
                position,
                document_id: Some(document_id),
                result: Err(error.copy()),
            };
            Err(places.into_iter().map(failed).collect())
        }
    }
}

/// Adds vectors to the jobs of a group; returns the approximate number of tokens of their texts.
fn embed_texts(
    embedder: &dyn ChunkEmbedder,
    mut group: Vec<Job>,
    limits: &Limits,
) -> (Vec<Job>, Result<u64, StageError>) {
    let unknown = unknown_texts(&group, limits.max_tokens);
    let texts: Vec<&str> = unknown.texts.iter().map(AsRef::as_ref).collect();
    // Without texts the model is not even opened.
    let started = Instant::now();
    let vectors = match group.first().map(|job| &job.work.settings) {
        Some(settings) if !texts.is_empty() => embedder.embed(settings, &texts, &limits.should_stop),
        _ => Ok(Vec::new()),
    };
    let places = unknown.places;
    let vectors = match vectors {
        Ok(vectors) => vectors,
        Err(error) => return (group, Err(error.into())),
    };
    let seconds = started.elapsed().as_secs_f64();
    let mut embedded = 0;
    for ((position, row), vector) in places.into_iter().zip(vectors) {
        if vector.is_some() {
            embedded += tokens(&group[position].chunks[row]);
            group[position].vectors[row] = vector;
        }
    }
    if embedded > 0 {
        #[expect(clippy::cast_precision_loss, reason = "a group has far fewer than 2^52 tokens")]
        metric::observe(Metric::EmbedTokensPerSecond, embedded as f64 / seconds);
    }
    (group, Ok(embedded))
}

/// Writes the vectors and points of complete jobs and marks their batches as done.
pub(crate) async fn store_group(state: &State, complete: Vec<Job>) -> Vec<Outcome> {
    let stored = stream::iter(complete).map(|mut job| async move {
        let vectors = std::mem::take(&mut job.vectors).into_iter().flatten().collect();
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
