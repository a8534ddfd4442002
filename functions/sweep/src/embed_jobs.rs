//! Embed jobs on GPUs, submitted when the backlog of the embed stage is too large for the function.
//!
//! The function keeps working meanwhile. It and the jobs consume one queue and write the same points
//! under the same ids, and the item's row tells what is done. An unnecessary job therefore costs only
//! its machine, until it finds the queue empty and exits.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lambda::StageError;
use queue::Stage;

use crate::State;
use crate::config::JobLimits;
use crate::state::EmbedJobs;

/// Prefix of the job names. Jobs are numbered slots, from 1, so that no slot runs twice.
const NAME: &str = "embed-drain";

/// Failures before this are ignored; also the longest backoff.
const FAILURE_WINDOW: TimeDelta = TimeDelta::hours(1);

/// The backlog of the embed stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Backlog {
    /// Chunks without vectors, of documents that are being indexed.
    chunks: u64,
    /// Messages in the queue. Without any, a job would exit at once.
    messages: u64,
}

/// Submits the jobs that the backlog needs and that are not running, and counts them.
pub(crate) async fn submit(state: &State, submitted: &mut usize) -> Result<(), StageError> {
    let Some(jobs) = &state.embed_jobs else {
        return Ok(());
    };
    let chunks = state.db.connection().await?.operation_items().count_pending_chunks().await?;
    if chunks < jobs.limits.chunks_per_job {
        return Ok(());
    }
    let backlog = Backlog { chunks, messages: state.queues.depth(Stage::Embed).await? };
    let running = jobs.batch.list_active().await?.into_iter().map(|job| job.name).collect();
    let names = names_to_submit(backlog, jobs.limits, &running);
    if names.is_empty() || is_backing_off(jobs, Utc::now()).await? {
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

/// Whether a job failed too recently to submit another one; logs it if so.
async fn is_backing_off(jobs: &EmbedJobs, now: DateTime<Utc>) -> Result<bool, StageError> {
    let failed: Vec<_> =
        jobs.batch.list_failed().await?.into_iter().filter(|job| is_ours(&job.name)).collect();
    let Some(last) = failed.iter().max_by_key(|job| job.stopped_at) else {
        return Ok(false);
    };
    let ends: Vec<DateTime<Utc>> = failed.iter().map(|job| job.stopped_at).collect();
    let Some(resume_at) = resume_after(&ends, jobs.limits.backoff, now) else {
        return Ok(false);
    };
    tracing::warn!(
        job.name = last.name,
        job.id = last.id,
        reason = last.reason,
        %resume_at,
        "embed jobs failed; no more are submitted until the backoff ends, and the embed function works alone"
    );
    Ok(true)
}

/// When the backoff ends, given the times of failures; `None` if there is none.
fn resume_after(ends: &[DateTime<Utc>], backoff: Duration, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let lately = ends.iter().filter(|end| **end + FAILURE_WINDOW > now);
    let (times, last) = lately.fold((0_u32, None), |(times, last), end| (times + 1, last.max(Some(*end))));
    let wait = backoff.saturating_mul(2_u32.saturating_pow(times.saturating_sub(1)));
    let wait = TimeDelta::from_std(wait).unwrap_or(FAILURE_WINDOW).min(FAILURE_WINDOW);
    last.map(|last| last + wait).filter(|resume_at| *resume_at > now)
}

/// The names of the jobs to submit: the first free slots, as many as the backlog needs. Jobs that are no
/// longer needed exit by themselves.
fn names_to_submit(backlog: Backlog, limits: JobLimits, running: &HashSet<String>) -> Vec<String> {
    if backlog.messages == 0 {
        return Vec::new();
    }
    let wanted = (backlog.chunks / limits.chunks_per_job.max(1)).min(limits.max_jobs);
    let ours = running.iter().filter(|name| is_ours(name)).count() as u64;
    let slots = (1..=limits.max_jobs).map(|slot| format!("{NAME}-{slot}"));
    let free = slots.filter(|name| !running.contains(name));
    free.take(usize::try_from(wanted.saturating_sub(ours)).unwrap_or(usize::MAX)).collect()
}

/// Whether sweep submitted the job of this name, also when more slots were configured.
fn is_ours(name: &str) -> bool {
    let slot = name.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('-'));
    slot.is_some_and(|slot| slot.parse::<u64>().is_ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: JobLimits = JobLimits { chunks_per_job: 1000, max_jobs: 3, backoff: Duration::ZERO };

    fn names(chunks: u64, messages: u64, running: &[&str]) -> Vec<String> {
        let running = running.iter().map(|name| (*name).to_owned()).collect();
        names_to_submit(Backlog { chunks, messages }, LIMITS, &running)
    }

    #[test]
    fn small_backlogs_are_left_to_the_function() {
        assert_eq!(names(0, 0, &[]), [""; 0]);
        assert_eq!(names(999, 50, &[]), [""; 0]);
        assert_eq!(names(1000, 50, &[]), ["embed-drain-1"]);
    }

    #[test]
    fn larger_backlogs_start_more_jobs_up_to_the_limit() {
        assert_eq!(names(2500, 50, &[]), ["embed-drain-1", "embed-drain-2"]);
        assert_eq!(names(1_000_000, 50, &[]).len(), 3);
    }

    #[test]
    fn running_jobs_are_not_submitted_again() {
        assert_eq!(names(1500, 50, &["embed-drain-1"]), [""; 0]);
        assert_eq!(names(1500, 50, &["embed-drain-2"]), [""; 0], "one is enough, whichever slot it has");
        assert_eq!(names(2500, 50, &["embed-drain-2"]), ["embed-drain-1"]);
        assert_eq!(names(9000, 50, &["embed-drain-1", "embed-drain-7"]), ["embed-drain-2"]);
        assert_eq!(names(9000, 50, &["of another system", "embed-drain-by-hand"]).len(), 3);
    }

    #[test]
    fn a_backlog_without_messages_starts_no_job() {
        assert_eq!(names(9000, 0, &[]), [""; 0]);
    }

    #[test]
    fn each_failure_doubles_the_backoff() {
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
        assert_eq!(wait(&[61, 120, 3]), Some(2), "older failures are ignored");
    }

    proptest! {
        #[test]
        fn a_second_sweep_submits_nothing_more(
            chunks in 0..20_000_u64, messages in 0..3_u64, per_job in 0..5000_u64, max_jobs in 0..6_u64,
            slots in prop::collection::hash_set(1..8_u64, 0..6),
        ) {
            let limits = JobLimits { chunks_per_job: per_job, max_jobs, ..LIMITS };
            let backlog = Backlog { chunks, messages };
            let mut running: HashSet<String> = slots.iter().map(|slot| format!("{NAME}-{slot}")).collect();
            let before = running.len() as u64;
            let submitted = names_to_submit(backlog, limits, &running);
            for name in &submitted {
                prop_assert!(running.insert(name.clone()), "{name} is running already");
            }
            prop_assert!(running.len() as u64 <= before.max(max_jobs), "more than the limit");
            prop_assert_eq!(names_to_submit(backlog, limits, &running), Vec::<String>::new());
        }
    }
}
