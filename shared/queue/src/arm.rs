//! Arming sweep.

use std::time::Duration;

use chrono::Utc;
use domain::RunSweep;

use crate::QueueError;
use crate::queues::{Queues, call_error};
use crate::sweep::MAX_ARMED;

impl Queues {
    /// Arms sweep: it runs once, after `delay` or half the interval, whichever is longer, at the next multiple of the
    /// interval. Call it before the transaction that creates work for sweep commits. Sends nothing if this process has
    /// armed the same run before.
    pub async fn arm_sweep(&self, delay: Duration) -> Result<(), QueueError> {
        let queue = self.urls.sweep.as_ref().ok_or(QueueError::NotConfigured("sweep"))?;
        let at = queue.next_run(Utc::now().timestamp(), delay.min(MAX_ARMED));
        if self.armed.is(at) {
            return Ok(());
        }
        let request = self.client.send_message().queue_url(&queue.url);
        let request = request.message_body(serde_json::to_string(&RunSweep { sweep_at: at })?);
        let request = request.message_group_id(at.to_string()).message_deduplication_id(at.to_string());
        request.send().await.map_err(|error| call_error("sweep", "SendMessage", error))?;
        self.armed.set(at);
        Ok(())
    }
}
