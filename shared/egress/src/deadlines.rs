//! The time limits of one request.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::EgressError;

/// When a request must have ended, and how long its server may be silent.
#[derive(Debug, Clone)]
pub(crate) struct Deadlines {
    idle: Duration,
    total: Duration,
    end: Instant,
}

impl Deadlines {
    /// Starts the clock.
    pub(crate) fn start(idle: Duration, total: Duration) -> Self {
        Self { idle, total, end: Instant::now() + total }
    }

    /// Waits for the next sign of life of a server.
    pub(crate) async fn next<T>(
        &self,
        target: &str,
        what: &'static str,
        future: impl Future<Output = T>,
    ) -> Result<T, EgressError> {
        let silent_at = Instant::now() + self.idle;
        timeout_at(silent_at.min(self.end), future).await.map_err(|_| {
            let (what, limit) = if silent_at < self.end {
                (what, self.idle)
            } else {
                ("did not complete its response", self.total)
            };
            EgressError::TimedOut { target: target.to_owned(), what, limit }
        })
    }
}
