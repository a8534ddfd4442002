//! Why the job ends, shared by all of its tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Why the job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// The queue stayed empty.
    QueueEmpty,
    /// A signal, such as the SIGTERM before a spot instance is reclaimed.
    Signal,
    /// Receive calls kept failing.
    QueueUnavailable,
    /// A task of the job panicked.
    Panic,
}

impl StopReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::QueueEmpty => "the queue stayed empty",
            Self::Signal => "stopped by a signal",
            Self::QueueUnavailable => "the queue is unavailable",
            Self::Panic => "a task panicked",
        }
    }

    /// Whether leased messages are released rather than finished first.
    const fn aborts(self) -> bool {
        !matches!(self, Self::QueueEmpty)
    }
}

/// The stop reason, once there is one. A reason that aborts replaces one that does not; otherwise the first
/// one stays.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    reason: watch::Sender<Option<StopReason>>,
    is_aborted: Arc<AtomicBool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { reason: watch::Sender::new(None), is_aborted: Arc::default() }
    }
}

impl Stop {
    pub(crate) fn set(&self, reason: StopReason) {
        self.reason.send_if_modified(|current| {
            let is_change = current.is_none_or(|current| reason.aborts() && !current.aborts());
            if is_change {
                *current = Some(reason);
                self.is_aborted.store(reason.aborts(), Ordering::Relaxed);
            }
            is_change
        });
    }

    pub(crate) fn reason(&self) -> Option<StopReason> {
        *self.reason.borrow()
    }

    /// Whether a running embedding is to stop early.
    pub(crate) fn is_aborted(&self) -> bool {
        self.is_aborted.load(Ordering::Relaxed)
    }

    /// Waits until the job is to end.
    pub(crate) async fn stopped(&self) {
        self.until(Option::is_some).await;
    }

    /// Waits until leased messages are to be released.
    pub(crate) async fn aborted(&self) {
        self.until(|reason| reason.is_some_and(StopReason::aborts)).await;
    }

    async fn until(&self, holds: impl FnMut(&Option<StopReason>) -> bool) {
        // The sender is `self`, which outlives this call.
        let _ = self.reason.subscribe().wait_for(holds).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_overrides_an_empty_queue_and_nothing_overrides_a_signal() {
        let stop = Stop::default();
        stop.set(StopReason::QueueEmpty);
        assert!(!stop.is_aborted());
        stop.set(StopReason::Signal);
        assert!(stop.is_aborted());
        stop.set(StopReason::QueueEmpty);
        stop.set(StopReason::Panic);
        assert_eq!(stop.reason(), Some(StopReason::Signal));
        assert!(stop.is_aborted());
    }
}
