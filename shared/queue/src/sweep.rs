//! The queue that makes sweep run: a run is a message that is due at a multiple of the interval.
//!
//! The queue is a FIFO queue. The time of the run is the message's deduplication id, so that whoever arms sweep, and
//! however often, there is one message for each time; and its group id, so that a message that waits for its time holds
//! up no other. SQS remembers deduplication ids for five minutes: a run that is armed longer ahead may happen twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How far ahead a run can be armed: SQS keeps a message invisible for 12 hours at most, and sweep runs by its schedule
/// every hour.
pub const MAX_ARMED: Duration = Duration::from_secs(3600);

/// The queue of the sweep function, and how often it runs while there is work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepQueue {
    /// The queue's URL.
    pub url: String,
    /// The time between two runs.
    pub interval: Duration,
}

/// The latest run that this process has armed, in seconds since 1970. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Armed(Arc<AtomicI64>);

impl Armed {
    pub(crate) fn is(&self, at: i64) -> bool {
        self.0.load(Ordering::Relaxed) == at
    }

    pub(crate) fn set(&self, at: i64) {
        self.0.store(at, Ordering::Relaxed);
    }
}

impl SweepQueue {
    /// Returns the time of the first run at least `delay` from `now`, and not within half an interval: whoever arms
    /// sweep before a commit has that long to commit, since the run must see what was committed.
    pub(crate) fn next_run(&self, now: i64, delay: Duration) -> i64 {
        let interval = i64::try_from(self.interval.as_secs()).unwrap_or(i64::MAX).max(1);
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        let delay = i64::try_from(seconds).unwrap_or(i64::MAX).max((interval + 1) / 2);
        let earliest = now.saturating_add(delay);
        earliest.saturating_add((interval - earliest.rem_euclid(interval)) % interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(interval: u64) -> SweepQueue {
        SweepQueue { url: String::new(), interval: Duration::from_secs(interval) }
    }

    #[test]
    fn a_run_is_at_a_multiple_of_the_interval_and_not_sooner_than_half_of_it() {
        let soon = Duration::ZERO;
        // Seconds of a minute: what is committed until the run has at least 30 s to commit.
        for (now, run) in [(0, 60), (30, 60), (31, 120), (59, 120), (60, 120), (90, 120), (91, 180)] {
            assert_eq!(queue(60).next_run(now, soon), run, "armed at {now}");
        }
        assert_eq!(queue(1).next_run(7, soon), 8);
    }

    #[test]
    fn a_run_that_is_due_later_is_armed_for_its_time() {
        for (delay, run) in [(29.9, 60), (30.0, 60), (30.2, 120), (899.5, 960), (3600.0, 3660)] {
            let delay = Duration::from_secs_f64(delay);
            assert_eq!(queue(60).next_run(30, delay), run, "due in {delay:?}");
        }
    }
}
