//! Why the job ends, known to all of its parts at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Why the job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The queue stayed empty.
    Empty,
    /// A signal: the machine is needed elsewhere.
    Told,
    /// The queue does not answer.
    Unreachable,
    /// A part of the job panicked.
    Defect,
}

impl Ending {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "the queue stayed empty",
            Self::Told => "told to stop",
            Self::Unreachable => "the queue does not answer",
            Self::Defect => "a defect",
        }
    }

    /// Whether what is held is handed back, rather than done first.
    const fn hands_back(self) -> bool {
        !matches!(self, Self::Empty)
    }
}

/// The ending, once there is one. The first one stays.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    ending: watch::Sender<Option<Ending>>,
    given_up: Arc<AtomicBool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { ending: watch::Sender::new(None), given_up: Arc::default() }
    }
}

impl Stop {
    pub(crate) fn set(&self, ending: Ending) {
        self.ending.send_if_modified(|known| {
            let is_news = known.is_none_or(|known| ending.hands_back() && !known.hands_back());
            if is_news {
                *known = Some(ending);
                self.given_up.store(ending.hands_back(), Ordering::Relaxed);
            }
            is_news
        });
    }

    pub(crate) fn ending(&self) -> Option<Ending> {
        *self.ending.borrow()
    }

    /// For the model: whether what it works on is handed back.
    pub(crate) fn given_up(&self) -> &Arc<AtomicBool> {
        &self.given_up
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Waits until there is an ending.
    pub(crate) async fn ended(&self) {
        self.until(Option::is_some).await;
    }

    /// Waits until what is held is to be handed back.
    pub(crate) async fn handing_back(&self) {
        self.until(|ending| ending.is_some_and(Ending::hands_back)).await;
    }

    async fn until(&self, holds: impl FnMut(&Option<Ending>) -> bool) {
        // Its sender is `self`, which outlives this.
        let _ = self.ending.subscribe().wait_for(holds).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_comes_before_an_empty_queue_and_nothing_comes_before_the_first_reason_to_hand_back() {
        let stop = Stop::default();
        stop.set(Ending::Empty);
        assert!(!stop.is_given_up());
        stop.set(Ending::Told);
        assert!(stop.is_given_up());
        stop.set(Ending::Empty);
        stop.set(Ending::Defect);
        assert_eq!(stop.ending(), Some(Ending::Told));
        assert!(stop.is_given_up());
    }
}
