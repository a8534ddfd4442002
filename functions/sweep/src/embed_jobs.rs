//! Jobs that embed on graphics cards: submitted when more waits for the embed function than it should
//! do alone.
//!
//! The function goes on meanwhile. It and the jobs take messages from one queue, which gives each
//! message to one of them; both do the same with it, under the same ids; and what is done is known by
//! its row, whoever did it. So all that a job too many costs is its machine, until it finds the queue
//! empty and ends.

use std::collections::HashSet;
use std::time::Duration;

use batch_jobs::BatchJobs;
use chrono::{DateTime, TimeDelta, Utc};
use lambda::StageError;
use queue::Stage;

use crate::State;

/// Jobs are named by their place, from 1, so that a place is never taken twice.
const NAME: &str = "embed-drain";

/// Where jobs are submitted, and when.
#[derive(Debug, Clone)]
pub struct EmbedJobs {
    /// The job queue and definition.
    pub batch: BatchJobs,
    /// From how many waiting chunks on.
    pub limits: JobLimits,
}

/// When jobs are submitted, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// So many waiting chunks are one job's; fewer are the function's. `EMBED_JOB_CHUNKS`, default 20000.
    pub chunks_per_job: u64,
    /// The most jobs at a time. `EMBED_JOB_MOST`, default 1.
    pub most_jobs: u64,
    /// How long none is submitted after one failed; twice as long after each that failed in the last
    /// hour, too. A card whose image or driver is wrong would be paid for every minute.
    pub after_failure: Duration,
}

/// Failures that lie further back are forgotten, and the longest that none is submitted.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// What waits for the embed stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Backlog {
    /// Chunks without vectors, of documents that are being indexed.
    chunks: u64,
    /// Messages in the queue. Without any a job would find nothing to do, whatever waits.
    messages: u64,
}

/// Submits the jobs that the backlog asks for and that are not under way, and counts them.
pub(crate) async fn submit(state: &State, submitted: &mut usize) -> Result<(), StageError> {
    let Some(jobs) = &state.embed_jobs else {
        return Ok(());
    };
    let chunks = state.db.connection().await?.operation_items().count_pending_chunks().await?;
    if chunks < jobs.limits.chunks_per_job {
        return Ok(());
    }
    let backlog = Backlog { chunks, messages: state.queues.depth(Stage::Embed).await? };
    let under_way = jobs.batch.list_active().await?.into_iter().map(|job| job.name).collect();
    let names = names_to_submit(backlog, jobs.limits, &under_way);
    if names.is_empty() || is_too_soon(jobs, Utc::now()).await? {
        return Ok(());
    }
    for name in names {
        let id = jobs.batch.submit(&name, &[]).await?;
        *submitted += 1;
        tracing::info!(
            job.name = name,
            job.id = id,
            waiting_chunks = backlog.chunks,
            waiting_messages = backlog.messages,
            "embed job submitted"
        );
    }
    Ok(())
}

/// Whether jobs of ours failed too lately for another one; says so in the log.
async fn is_too_soon(jobs: &EmbedJobs, now: DateTime<Utc>) -> Result<bool, StageError> {
    let failed: Vec<_> =
        jobs.batch.list_failed().await?.into_iter().filter(|job| is_ours(&job.name)).collect();
    let Some(last) = failed.iter().max_by_key(|job| job.stopped_at) else {
        return Ok(false);
    };
    let ends: Vec<DateTime<Utc>> = failed.iter().map(|job| job.stopped_at).collect();
    let Some(resume_at) = resume_after(&ends, jobs.limits.after_failure, now) else {
        return Ok(false);
    };
    tracing::warn!(
        job.name = last.name,
        job.id = last.id,
        reason = last.reason,
        %resume_at,
        "embed jobs failed; none is submitted for a while, and the embed function goes on alone"
    );
    Ok(true)
}

/// Until when no job is submitted, given when some failed; nothing if one may be.
fn resume_after(
    ends: &[DateTime<Utc>],
    after_failure: Duration,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let lately = ends.iter().filter(|end| **end + REMEMBERED > now);
    let (times, last) = lately.fold((0_u32, None), |(times, last), end| (times + 1, last.max(Some(*end))));
    let wait = after_failure.saturating_mul(2_u32.saturating_pow(times.saturating_sub(1)));
    let wait = TimeDelta::from_std(wait).unwrap_or(REMEMBERED).min(REMEMBERED);
    last.map(|last| last + wait).filter(|resume_at| *resume_at > now)
}

/// The names of the jobs that are to be submitted: those of the first places, as many as the backlog
/// fills, that no job under way has. Jobs that are no longer needed end by themselves.
fn names_to_submit(backlog: Backlog, limits: JobLimits, under_way: &HashSet<String>) -> Vec<String> {
    if backlog.messages == 0 {
        return Vec::new();
    }
    let wanted = (backlog.chunks / limits.chunks_per_job.max(1)).min(limits.most_jobs);
    let ours = under_way.iter().filter(|name| is_ours(name)).count() as u64;
    let places = (1..=limits.most_jobs).map(|place| format!("{NAME}-{place}"));
    let free = places.filter(|name| !under_way.contains(name));
    free.take(usize::try_from(wanted.saturating_sub(ours)).unwrap_or(usize::MAX)).collect()
}

/// Whether a job of that name is one of sweep's, also of a time when there were more places.
fn is_ours(name: &str) -> bool {
    let place = name.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('-'));
    place.is_some_and(|place| place.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: JobLimits = JobLimits { chunks_per_job: 1000, most_jobs: 3, after_failure: Duration::ZERO };

    fn names(chunks: u64, messages: u64, under_way: &[&str]) -> Vec<String> {
        let under_way = under_way.iter().map(|name| (*name).to_owned()).collect();
        names_to_submit(Backlog { chunks, messages }, LIMITS, &under_way)
    }

    #[test]
    fn small_backlogs_stay_with_the_function() {
        assert_eq!(names(0, 0, &[]), [""; 0]);
        assert_eq!(names(999, 50, &[]), [""; 0]);
        assert_eq!(names(1000, 50, &[]), ["embed-drain-1"]);
    }

    #[test]
    fn more_work_is_more_jobs_up_to_the_most() {
        assert_eq!(names(2500, 50, &[]), ["embed-drain-1", "embed-drain-2"]);
        assert_eq!(names(1_000_000, 50, &[]).len(), 3);
    }

    #[test]
    fn what_is_under_way_is_not_submitted_again() {
        assert_eq!(names(1500, 50, &["embed-drain-1"]), [""; 0]);
        assert_eq!(names(1500, 50, &["embed-drain-2"]), [""; 0], "one is enough, whichever place it has");
        assert_eq!(names(2500, 50, &["embed-drain-2"]), ["embed-drain-1"]);
        assert_eq!(names(9000, 50, &["embed-drain-1", "embed-drain-7"]), ["embed-drain-2"]);
        assert_eq!(names(9000, 50, &["somebody else's", "embed-drain-by-hand"]).len(), 3);
    }

    #[test]
    fn chunks_whose_messages_are_lost_start_no_job() {
        assert_eq!(names(9000, 0, &[]), [""; 0]);
    }

    #[test]
    fn each_failure_doubles_the_wait_for_the_next_try() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let ago = |minutes| now - TimeDelta::minutes(minutes);
        let wait = |minutes: &[i64]| {
            let ends: Vec<_> = minutes.iter().map(|minutes| ago(*minutes)).collect();
            resume_after(&ends, Duration::from_secs(300), now).map(|at| (at - now).num_minutes())
        };
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&[0]), Some(5));
        assert_eq!(wait(&[4]), Some(1));
        assert_eq!(wait(&[5]), None);
        assert_eq!(wait(&[7, 2]), Some(8));
        assert_eq!(wait(&[50, 30, 20, 1]), Some(39));
        assert_eq!(wait(&[50, 40, 30, 20, 10, 1]), Some(59), "an hour is the longest");
        assert_eq!(wait(&[61, 120, 3]), Some(2), "what lies far back is forgotten");
    }

    proptest! {
        #[test]
        fn a_second_sweep_submits_nothing_more(
            chunks in 0..20_000_u64, messages in 0..3_u64, per_job in 0..5000_u64, most_jobs in 0..6_u64,
            running in prop::collection::hash_set(1..8_u64, 0..6),
        ) {
            let limits = JobLimits { chunks_per_job: per_job, most_jobs, ..LIMITS };
            let backlog = Backlog { chunks, messages };
            let mut under_way: HashSet<String> = running.iter().map(|place| format!("{NAME}-{place}")).collect();
            let before = under_way.len() as u64;
            let submitted = names_to_submit(backlog, limits, &under_way);
            for name in &submitted {
                prop_assert!(under_way.insert(name.clone()), "{name} runs already");
            }
            prop_assert!(under_way.len() as u64 <= before.max(most_jobs), "more than the most");
            prop_assert_eq!(names_to_submit(backlog, limits, &under_way), Vec::<String>::new());
        }
    }
}
