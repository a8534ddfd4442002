//! The messages of one event, embedded together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use artifacts::codec;
use db::item_work::{ItemWork, StagedVersion};
use domain::{ArtifactKey, EmbedBatch, ErrorKind, ItemId, ItemState};
use futures_util::{StreamExt, stream};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::jobs::{Job, groups};
use crate::store::{cancel, clean_up, fail, store};

/// Calls to S3, Qdrant and PostgreSQL that are on their way at once.
const CALLS_IN_FLIGHT: usize = 4;

/// What a group may take, with room to spare: no group is begun with less time left.
const GROUP_TIME: Duration = Duration::from_secs(60);

/// What became of one message, as the log says it.
type Outcome = Result<&'static str, StageError>;

/// Embeds the batches that the messages name. Texts of different documents share the model's
/// batches, which is what makes small documents cheap.
pub async fn handle(
    state: Arc<State>,
    messages: Vec<EmbedBatch>,
    invocation: Invocation,
) -> Vec<Result<(), StageError>> {
    let started = Instant::now();
    let ids: Vec<ItemId> = messages.iter().map(|message| message.item_id).collect();
    let works: HashMap<ItemId, ItemWork> = match find_work(&state, &ids).await {
        Ok(found) => found.into_iter().map(|work| (work.item_id, work)).collect(),
        Err(error) => return messages.iter().map(|_| Err(copy(&error))).collect(),
    };
    let mut outcomes: Vec<Option<Outcome>> = messages.iter().map(|_| None).collect();
    let mut asked = Vec::new();
    for (position, message) in messages.iter().enumerate() {
        match works.get(&message.item_id) {
            Some(work) => asked.push((position, message.batch, work.clone())),
            None => outcomes[position] = Some(Ok("gone")),
        }
    }
    let state = state.as_ref();
    let prepared = stream::iter(asked).map(|(position, batch, work)| async move {
        (position, prepare(state, position, batch, work).await)
    });
    let mut jobs = Vec::new();
    for (position, prepared) in prepared.buffer_unordered(CALLS_IN_FLIGHT).collect::<Vec<_>>().await {
        match prepared {
            Ok(Prepared::Job(job)) => jobs.push(*job),
            Ok(Prepared::Nothing(outcome)) => outcomes[position] = Some(Ok(outcome)),
            Err(error) => outcomes[position] = Some(Err(error)),
        }
    }
    for (number, group) in groups(jobs).into_iter().enumerate() {
        // The first group was looked at just now.
        let (group, dropped) =
            if number == 0 { (group, Vec::new()) } else { drop_unwanted(state, group).await };
        let embedded = embed_group(state, group, &invocation).await;
        for (position, outcome) in dropped.into_iter().chain(embedded) {
            outcomes[position] = Some(outcome);
        }
    }
    let mut results = Vec::with_capacity(messages.len());
    for (message, outcome) in messages.iter().zip(outcomes) {
        let outcome =
            outcome.unwrap_or_else(|| Err(StageError::new(ErrorKind::Internal, "the batch was left out")));
        if let Ok(outcome) = &outcome {
            let document = works.get(&message.item_id).and_then(|work| work.staged);
            tracing::info!(
                operation.id = %message.operation_id,
                item.id = %message.item_id,
                document.id = document.map(|staged| tracing::field::display(staged.document_id)),
                batch = message.batch,
                outcome,
                ms = started.elapsed().as_millis(),
                "embed message handled"
            );
        }
        results.push(outcome.map(drop));
    }
    results
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
async fn prepare(state: &State, position: usize, batch: u32, work: ItemWork) -> Result<Prepared, StageError> {
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
    let key = ArtifactKey::Chunks { collection_id: work.collection_id, document_id, generation, batch };
    let read = async {
        let bytes = state.artifacts.read(&key).await?;
        codec::decode_chunks(&bytes).map_err(|error| StageError::new(ErrorKind::Internal, error))
    };
    match read.await {
        Ok(chunks) => Ok(Prepared::Job(Box::new(Job { position, work, staged, batch, chunks }))),
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

/// Cancels the jobs of a group whose operation was cancelled meanwhile.
async fn drop_unwanted(state: &State, group: Vec<Job>) -> (Vec<Job>, Vec<(usize, Outcome)>) {
    let ids: Vec<ItemId> = group.iter().map(|job| job.work.item_id).collect();
    let now: HashMap<ItemId, ItemWork> = match find_work(state, &ids).await {
        Ok(found) => found.into_iter().map(|work| (work.item_id, work)).collect(),
        Err(error) => {
            let outcomes = group.iter().map(|job| (job.position, Err(copy(&error)))).collect();
            return (Vec::new(), outcomes);
        }
    };
    let mut wanted = Vec::with_capacity(group.len());
    let mut outcomes = Vec::new();
    for job in group {
        match now.get(&job.work.item_id) {
            Some(work) if work.is_wanted => wanted.push(job),
            Some(work) => outcomes.push((job.position, cancel(state, work).await.map(|()| "cancelled"))),
            None => outcomes.push((job.position, Ok("gone"))),
        }
    }
    (wanted, outcomes)
}

async fn embed_group(state: &State, group: Vec<Job>, invocation: &Invocation) -> Vec<(usize, Outcome)> {
    if group.is_empty() {
        return Vec::new();
    }
    if invocation.remaining() < GROUP_TIME {
        let late = || StageError::new(ErrorKind::Unavailable, "no time is left for this batch");
        return group.into_iter().map(|job| (job.position, Err(late()))).collect();
    }
    let positions: Vec<usize> = group.iter().map(|job| job.position).collect();
    let (group, vectors) = match embed(state, group).await {
        Ok((group, Ok(vectors))) => (group, vectors),
        Ok((group, Err(error))) if !error.is_retryable() => return fail_group(state, &group, &error).await,
        Ok((_, Err(error))) | Err(error) => {
            return positions.into_iter().map(|position| (position, Err(copy(&error)))).collect();
        }
    };
    let mut vectors = vectors.into_iter();
    let mut embedded = Vec::with_capacity(group.len());
    for job in group {
        let own: Vec<Vec<f32>> = vectors.by_ref().take(job.chunks.len()).collect();
        embedded.push((job, own));
    }
    let stored = stream::iter(embedded).map(|(job, vectors)| async move {
        let outcome = store(state, &job, &vectors).await.map(|done| match done {
            Some(done) if done.replaced_generation.is_some() => "completed",
            Some(_) => "batch embedded",
            None => "ended meanwhile",
        });
        (job.position, outcome)
    });
    stored.buffer_unordered(CALLS_IN_FLIGHT).collect().await
}

/// Runs the model over all texts of the group, on a thread of its own.
async fn embed(
    state: &State,
    group: Vec<Job>,
) -> Result<(Vec<Job>, Result<Vec<Vec<f32>>, StageError>), StageError> {
    let embedders = Arc::clone(&state.embedders);
    let embedded = tokio::task::spawn_blocking(move || {
        let texts: Vec<&str> =
            group.iter().flat_map(|job| &job.chunks).map(|chunk| chunk.text.as_str()).collect();
        let vectors = match group.first().map(|job| &job.work.settings) {
            Some(settings) => embedders
                .find(&settings.embedding_model, settings.quantization)
                .and_then(|embedder| embedder.embed_passages(&texts))
                .map_err(StageError::from),
            None => Ok(Vec::new()),
        };
        (group, vectors)
    });
    embedded.await.map_err(|panic| StageError::new(ErrorKind::Internal, panic))
}

/// Records on each document why it cannot be embedded.
async fn fail_group(state: &State, group: &[Job], error: &StageError) -> Vec<(usize, Outcome)> {
    let mut outcomes = Vec::with_capacity(group.len());
    for job in group {
        let failed = fail(state, &job.work, error.chain()).await;
        outcomes.push((job.position, failed.map(|()| "failed")));
    }
    outcomes
}

/// The same error for one more message.
fn copy(error: &StageError) -> StageError {
    StageError::new(error.kind(), error.chain())
}
