//! The steps of the stage, for the function and for the job alike: look which batches are wanted and
//! read their chunks, turn the texts of a group into vectors, store what came of it.

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
use crate::reuse::take_over;
use crate::store::{cancel, clean_up, fail, store};

/// Batches that are read or written at once: as many as the function is given messages. The model waits
/// meanwhile, and each call is a round trip.
const CALLS_IN_FLIGHT: usize = 10;

/// What became of one message, as the log says it.
pub(crate) type StageResult = Result<&'static str, StageError>;

/// A message, and the number by which the caller knows it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) position: usize,
    pub(crate) message: EmbedBatch,
}

/// A message that there is nothing more to do for.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) position: usize,
    pub(crate) document_id: Option<DocumentId>,
    pub(crate) outcome: StageResult,
}

impl Outcome {
    fn of(job: &Job, outcome: StageResult) -> Self {
        Self { position: job.position, document_id: Some(job.staged.document_id), outcome }
    }

    /// Says in the log what became of the message, unless its error is still to be told.
    pub(crate) fn log(&self, message: &EmbedBatch, started: Instant) {
        let Ok(outcome) = self.outcome else {
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
pub(crate) type Embedded = (Job, Vec<Vec<f32>>);

/// Which batches are to be embedded, with their chunks read; and the messages for which nothing is
/// (more) to be done.
pub(crate) async fn prepare(state: &State, asked: &[Request]) -> (Vec<Job>, Vec<Outcome>) {
    let ids: Vec<ItemId> = asked.iter().map(|asked| asked.message.item_id).collect();
    let works: HashMap<ItemId, ItemWork> = match find_work(state, &ids).await {
        Ok(found) => found.into_iter().map(|work| (work.item_id, work)).collect(),
        Err(error) => {
            let failed = |asked: &Request| Outcome {
                position: asked.position,
                document_id: None,
                outcome: Err(copy(&error)),
            };
            return (Vec::new(), asked.iter().map(failed).collect());
        }
    };
    let prepared = stream::iter(asked.iter().copied()).map(|asked| {
        let work = works.get(&asked.message.item_id).cloned();
        async move {
            let document_id = work.as_ref().and_then(|work| work.staged).map(|staged| staged.document_id);
            let prepared = match work {
                Some(work) => prepare_one(state, asked, work).await,
                None => Ok(Prepared::Nothing("gone")),
            };
            (asked.position, document_id, prepared)
        }
    });
    let (mut jobs, mut settled) = (Vec::new(), Vec::new());
    for (position, document_id, prepared) in
        prepared.buffer_unordered(CALLS_IN_FLIGHT).collect::<Vec<_>>().await
    {
        match prepared {
            Ok(Prepared::Job(job)) => jobs.push(*job),
            Ok(Prepared::Nothing(outcome)) => {
                settled.push(Outcome { position, document_id, outcome: Ok(outcome) });
            }
            Err(error) => settled.push(Outcome { position, document_id, outcome: Err(error) }),
        }
    }
    (jobs, settled)
}

enum Prepared {
    Job(Box<Job>),
    /// There is nothing (more) to embed; says why.
    Nothing(&'static str),
}

async fn find_work(state: &State, ids: &[ItemId]) -> Result<Vec<ItemWork>, StageError> {
    Ok(state.db.connection().await?.operation_items().find_work(ids).await?)
}

/// Looks whether the batch is to be embedded at all, and reads its chunks if so.
async fn prepare_one(state: &State, asked: Request, work: ItemWork) -> Result<Prepared, StageError> {
    let (position, batch) = (asked.position, asked.message.batch);
    if !work.is_wanted {
        cancel(state, &work).await?;
        return Ok(Prepared::Nothing("cancelled"));
    }
    let staged = match (work.state, work.staged) {
        (ItemState::Chunked, Some(staged)) if work.missing_batches.contains(&batch) => staged,
        (ItemState::Chunked, _) => return Ok(Prepared::Nothing("done before")),
        // Not chunked yet: whoever chunks it sends another message.
        (ItemState::Listed | ItemState::Staged, _) => return Ok(Prepared::Nothing("too early")),
        _ => {
            clean_up(state, &work).await?;
            return Ok(Prepared::Nothing("done before"));
        }
    };
    let StagedVersion { document_id, generation, .. } = staged;
    let key = BatchKey { collection_id: work.collection_id, document_id, generation, batch };
    match state.artifacts.read_chunks(key).await.map_err(StageError::from) {
        Ok(chunks) => {
            let known = take_over(state, &work, batch, &chunks).await?;
            Ok(Prepared::Job(Box::new(Job { position, work, staged, batch, chunks, known })))
        }
        Err(error) if error.is_retryable() => Err(error),
        Err(error) => {
            fail(
                state,
                &work,
                format!("its staged chunks cannot be read, index it again: {}", error.chain()),
            )
            .await?;
            Ok(Prepared::Nothing("failed"))
        }
    }
}

/// A group that has waited, without the jobs whose operation was cancelled meanwhile: those are
/// cancelled, too.
pub(crate) async fn drop_unwanted(state: &State, group: Vec<Job>) -> (Vec<Job>, Vec<Outcome>) {
    let ids: Vec<ItemId> = group.iter().map(|job| job.work.item_id).collect();
    let now: HashMap<ItemId, ItemWork> = match find_work(state, &ids).await {
        Ok(found) => found.into_iter().map(|work| (work.item_id, work)).collect(),
        Err(error) => return (Vec::new(), fail_all(&group, &error)),
    };
    let (mut wanted, mut settled) = (Vec::with_capacity(group.len()), Vec::new());
    for job in group {
        match now.get(&job.work.item_id) {
            Some(work) if work.is_wanted => wanted.push(job),
            Some(work) => {
                let outcome = cancel(state, work).await.map(|()| "cancelled");
                settled.push(Outcome::of(&job, outcome));
            }
            None => settled.push(Outcome::of(&job, Ok("gone"))),
        }
    }
    (wanted, settled)
}

/// Runs the model over all texts of the group that have no vector yet, on a thread of its own, until
/// it is given up. What cannot be embedded is recorded on the documents.
///
/// # Errors
/// What became of the group's messages, if it has no vectors.
pub(crate) async fn embed_group(
    state: &State,
    group: Vec<Job>,
    given_up: &Arc<AtomicBool>,
) -> Result<Vec<Embedded>, Vec<Outcome>> {
    let places: Vec<(usize, DocumentId)> =
        group.iter().map(|job| (job.position, job.staged.document_id)).collect();
    let embedders = Arc::clone(&state.embedders);
    let given_up = Arc::clone(given_up);
    let embedded = tokio::task::spawn_blocking(move || {
        let texts: Vec<&str> = group.iter().flat_map(Job::unknown_texts).collect();
        // Without texts the model need not even be there.
        let vectors = match group.first().map(|job| &job.work.settings) {
            Some(settings) if !texts.is_empty() => embedders
                .find(&settings.embedding_model, settings.quantization)
                .and_then(|embedder| embedder.embed_chunks_cancellable(&texts, &given_up))
                .map_err(StageError::from),
            _ => Ok(Vec::new()),
        };
        (group, vectors)
    });
    let (group, vectors) = match embedded.await {
        Ok(embedded) => embedded,
        Err(panic) => {
            let error = StageError::new(ErrorKind::Internal, panic);
            let failed = |(position, document_id)| Outcome {
                position,
                document_id: Some(document_id),
                outcome: Err(copy(&error)),
            };
            return Err(places.into_iter().map(failed).collect());
        }
    };
    match vectors {
        Ok(vectors) => {
            let mut vectors = vectors.into_iter();
            let own = |job: Job| {
                let own = job.vectors(&mut vectors);
                (job, own)
            };
            Ok(group.into_iter().map(own).collect())
        }
        Err(error) if error.is_retryable() => Err(fail_all(&group, &error)),
        Err(error) => Err(fail_group(state, &group, &error).await),
    }
}

/// Writes what was embedded and counts it.
pub(crate) async fn store_group(state: &State, embedded: Vec<Embedded>) -> Vec<Outcome> {
    let stored = stream::iter(embedded).map(|(job, vectors)| async move {
        let outcome = store(state, &job, vectors).await.map(|done| match done {
            Some(done) if done.replaced_generation.is_some() => "completed",
            Some(_) => "batch embedded",
            None => "ended meanwhile",
        });
        Outcome::of(&job, outcome)
    });
    stored.buffer_unordered(CALLS_IN_FLIGHT).collect().await
}

/// The same error for every message of a group.
pub(crate) fn fail_all(group: &[Job], error: &StageError) -> Vec<Outcome> {
    group.iter().map(|job| Outcome::of(job, Err(copy(error)))).collect()
}

/// Records on each document why it cannot be embedded.
async fn fail_group(state: &State, group: &[Job], error: &StageError) -> Vec<Outcome> {
    let mut settled = Vec::with_capacity(group.len());
    for job in group {
        let failed = fail(state, &job.work, error.chain()).await;
        settled.push(Outcome::of(job, failed.map(|()| "failed")));
    }
    settled
}

/// The same error for one more message.
fn copy(error: &StageError) -> StageError {
    StageError::new(error.kind(), error.chain())
}
