//! Receiving messages from a work queue, for programs outside Lambda. A Lambda function does not need this:
//! Lambda polls the queue and invokes it.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    MessageSystemAttributeName, QueueAttributeName,
};

use crate::QueueError;
use crate::queues::{MESSAGES_PER_CALL, Stage, call_error};

/// A message as SQS delivered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The message's id, the same at every delivery.
    pub message_id: String,
    /// Identifies this delivery in later calls.
    pub receipt_handle: String,
    /// The number of deliveries so far, from 1.
    pub receive_count: u32,
    /// The message body.
    pub body: String,
}

/// Receives messages from one work queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Consumer {
    client: aws_sdk_sqs::Client,
    stage: Stage,
    url: String,
    arn: String,
    visibility_timeout: Duration,
}

impl Consumer {
    /// The most messages that one call receives.
    pub const MAX_MESSAGES_PER_CALL: usize = MESSAGES_PER_CALL;

    /// Connects to the queue of a stage and reads its ARN and visibility timeout.
    ///
    /// # Errors
    /// Returns `Call` if there is no such queue.
    pub async fn open(config: &SdkConfig, stage: Stage, url: &str) -> Result<Self, QueueError> {
        let client = aws_sdk_sqs::Client::new(config);
        let request = client.get_queue_attributes().queue_url(url);
        let request = request
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::VisibilityTimeout);
        let response = request.send().await;
        let response = response.map_err(|error| call_error(stage.as_str(), "GetQueueAttributes", error))?;
        let mut attributes = response.attributes.unwrap_or_default();
        let arn = attributes.remove(&QueueAttributeName::QueueArn).unwrap_or_default();
        let seconds = attributes.get(&QueueAttributeName::VisibilityTimeout);
        // The default of SQS, in seconds.
        let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(30);
        let visibility_timeout = Duration::from_secs(seconds);
        Ok(Self { client, stage, url: url.to_owned(), arn, visibility_timeout })
    }

    /// Returns the queue's ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns how long a delivered message stays invisible to other consumers.
    pub fn visibility_timeout(&self) -> Duration {
        self.visibility_timeout
    }

    /// Receives up to [`Self::MAX_MESSAGES_PER_CALL`] messages, long polling for `wait`, 20 seconds at most.
    /// If the future is dropped, messages may have been delivered already; the queue delivers them again after
    /// the visibility timeout.
    pub async fn receive(&self, wait: Duration) -> Result<Vec<ReceivedMessage>, QueueError> {
        let request = self.client.receive_message().queue_url(&self.url);
        let request = request
            .max_number_of_messages(i32::try_from(MESSAGES_PER_CALL).unwrap_or(i32::MAX))
            .wait_time_seconds(whole_seconds(wait))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let response = request.send().await;
        let response = response.map_err(|error| call_error(self.stage.as_str(), "ReceiveMessage", error))?;
        let received = response.messages.unwrap_or_default().into_iter().map(|message| {
            let attributes = message.attributes.unwrap_or_default();
            let count = attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount);
            ReceivedMessage {
                message_id: message.message_id.unwrap_or_default(),
                receipt_handle: message.receipt_handle.unwrap_or_default(),
                receive_count: count.and_then(|text| text.parse().ok()).unwrap_or(1),
                body: message.body.unwrap_or_default(),
            }
        });
        Ok(received.collect())
    }

    /// Deletes messages from the queue.
    ///
    /// # Errors
    /// Returns `Rejected` if SQS deletes only some of them; it delivers the others again.
    pub async fn delete(&self, receipt_handles: &[String]) -> Result<(), QueueError> {
        for group in receipt_handles.chunks(MESSAGES_PER_CALL) {
            let mut request = self.client.delete_message_batch().queue_url(&self.url);
            for (position, handle) in group.iter().enumerate() {
                let entry = DeleteMessageBatchRequestEntry::builder()
                    .id(position.to_string())
                    .receipt_handle(handle)
                    .build()
                    .map_err(|error| call_error(self.stage.as_str(), "DeleteMessageBatch", error))?;
                request = request.entries(entry);
            }
            let response = request.send().await;
            let response =
                response.map_err(|error| call_error(self.stage.as_str(), "DeleteMessageBatch", error))?;
            self.check_failures(&response.failed)?;
        }
        Ok(())
    }

    /// Keeps delivered messages invisible to other consumers for `duration` from now; zero makes them visible
    /// at once.
    ///
    /// # Errors
    /// Returns `Rejected` if SQS rejects some of them, for example because they were deleted meanwhile.
    pub async fn change_visibility(
        &self,
        receipt_handles: &[String],
        duration: Duration,
    ) -> Result<(), QueueError> {
        let call = "ChangeMessageVisibilityBatch";
        let mut outcome = Ok(());
        for group in receipt_handles.chunks(MESSAGES_PER_CALL) {
            let mut request = self.client.change_message_visibility_batch().queue_url(&self.url);
            for (position, handle) in group.iter().enumerate() {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(position.to_string())
                    .receipt_handle(handle)
                    .visibility_timeout(whole_seconds(duration))
                    .build()
                    .map_err(|error| call_error(self.stage.as_str(), call, error))?;
                request = request.entries(entry);
            }
            let response = request.send().await;
            let response = response.map_err(|error| call_error(self.stage.as_str(), call, error))?;
            // A failure must not keep the other groups from being changed.
            outcome = outcome.and(self.check_failures(&response.failed));
        }
        outcome
    }

    fn check_failures(&self, failed: &[BatchResultErrorEntry]) -> Result<(), QueueError> {
        let Some(first) = failed.first() else {
            return Ok(());
        };
        Err(QueueError::Rejected {
            queue: self.stage.as_str(),
            rejected: failed.len(),
            reason: first.message.clone().unwrap_or_else(|| first.code.clone()),
        })
    }
}

fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
