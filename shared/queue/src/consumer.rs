//! Taking messages out of a work queue, for a program that nobody feeds: a Lambda function gets its
//! messages from Lambda.

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
pub struct Received {
    /// The message's id, the same at every delivery.
    pub message_id: String,
    /// This delivery, for what is said about the message later.
    pub receipt_handle: String,
    /// How often it was delivered, from 1.
    pub receive_count: u32,
    /// What was sent.
    pub body: String,
}

/// Takes messages out of one work queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Consumer {
    client: aws_sdk_sqs::Client,
    stage: Stage,
    url: String,
    arn: String,
    visibility: Duration,
}

impl Consumer {
    /// The most messages that one call takes.
    pub const MOST_PER_CALL: usize = MESSAGES_PER_CALL;

    /// Asks the queue of a stage what it is called and how long it hides what was delivered.
    ///
    /// # Errors
    /// When SQS does not answer, or there is no such queue.
    pub async fn open(config: &SdkConfig, stage: Stage, url: &str) -> Result<Self, QueueError> {
        let client = aws_sdk_sqs::Client::new(config);
        let request = client.get_queue_attributes().queue_url(url);
        let request = request
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::VisibilityTimeout);
        let answer = request.send().await;
        let answer = answer.map_err(|error| call_error(stage.as_str(), "GetQueueAttributes", error))?;
        let mut attributes = answer.attributes.unwrap_or_default();
        let arn = attributes.remove(&QueueAttributeName::QueueArn).unwrap_or_default();
        let seconds = attributes.get(&QueueAttributeName::VisibilityTimeout);
        // What SQS gives a queue that says nothing.
        let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(30);
        Ok(Self { client, stage, url: url.to_owned(), arn, visibility: Duration::from_secs(seconds) })
    }

    /// The queue's ARN.
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// How long the queue hides what it has delivered, unless told otherwise.
    pub fn visibility(&self) -> Duration {
        self.visibility
    }

    /// Up to [`Self::MOST_PER_CALL`] messages; none if none came within `wait`, 20 seconds at most.
    /// A call that is given up may have taken messages, which the queue then hides for a while.
    ///
    /// # Errors
    /// When SQS does not answer.
    pub async fn receive(&self, wait: Duration) -> Result<Vec<Received>, QueueError> {
        let request = self.client.receive_message().queue_url(&self.url);
        let request = request
            .max_number_of_messages(i32::try_from(MESSAGES_PER_CALL).unwrap_or(i32::MAX))
            .wait_time_seconds(whole_seconds(wait))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount);
        let answer = request.send().await;
        let answer = answer.map_err(|error| call_error(self.stage.as_str(), "ReceiveMessage", error))?;
        let received = answer.messages.unwrap_or_default().into_iter().map(|message| {
            let attributes = message.attributes.unwrap_or_default();
            let count = attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount);
            Received {
                message_id: message.message_id.unwrap_or_default(),
                receipt_handle: message.receipt_handle.unwrap_or_default(),
                receive_count: count.and_then(|text| text.parse().ok()).unwrap_or(1),
                body: message.body.unwrap_or_default(),
            }
        });
        Ok(received.collect())
    }

    /// Takes messages out of the queue for good.
    ///
    /// # Errors
    /// When SQS does not do that for all of them: the others come again.
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
            let answer = request.send().await;
            let answer =
                answer.map_err(|error| call_error(self.stage.as_str(), "DeleteMessageBatch", error))?;
            self.none_refused(&answer.failed)?;
        }
        Ok(())
    }

    /// Hides delivered messages from everybody else for this long from now on; zero hands them back.
    ///
    /// # Errors
    /// When SQS does not do that for all of them, as for those that were deleted meanwhile.
    pub async fn hide(&self, receipt_handles: &[String], duration: Duration) -> Result<(), QueueError> {
        let call = "ChangeMessageVisibilityBatch";
        let mut refused = Ok(());
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
            let answer = request.send().await;
            let answer = answer.map_err(|error| call_error(self.stage.as_str(), call, error))?;
            // One that is gone must not keep the others from being hidden.
            refused = refused.and(self.none_refused(&answer.failed));
        }
        refused
    }

    fn none_refused(&self, failed: &[BatchResultErrorEntry]) -> Result<(), QueueError> {
        let Some(first) = failed.first() else {
            return Ok(());
        };
        Err(QueueError::Refused {
            queue: self.stage.as_str(),
            refused: failed.len(),
            reason: first.message.clone().unwrap_or_else(|| first.code.clone()),
        })
    }
}

fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
