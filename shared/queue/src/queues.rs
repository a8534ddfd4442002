//! The work queues, by the stage that consumes them.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use domain::{AttemptDelivery, CheckObjects, CheckUploads, ChunkDocument, EmbedBatch, ScanMessage};
use serde::Serialize;

use crate::QueueError;
use crate::sweep::{Armed, SweepQueue};

/// The most messages that SQS accepts in one call.
pub(crate) const MESSAGES_PER_CALL: usize = 10;

/// A stage of the pipeline that consumes a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Turns uploads into operations.
    Intake,
    /// Lists sources and copies their documents to the staging bucket.
    Scan,
    /// Extracts the text of documents that need a parser.
    Extract,
    /// Extracts the text of documents that may need OCR, where it is on.
    Recognize,
    /// Splits documents into chunks.
    Chunk,
    /// Embeds chunks and writes their points.
    Embed,
    /// Tells webhooks of events.
    Notify,
}

impl Stage {
    /// Returns the stage's name, as in logs and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intake => "intake",
            Self::Scan => "scan",
            Self::Extract => "extract",
            Self::Recognize => "recognize",
            Self::Chunk => "chunk",
            Self::Embed => "embed",
            Self::Notify => "notify",
        }
    }
}

/// The URLs of the queues. A function has those that it sends to.
#[derive(Debug, Clone, Default)]
pub struct QueueUrls {
    /// The intake function's queue.
    pub intake: Option<String>,
    /// The scan function's queue.
    pub scan: Option<String>,
    /// The extract function's queue.
    pub extract: Option<String>,
    /// The recognize function's queue.
    pub recognize: Option<String>,
    /// The chunk function's queue.
    pub chunk: Option<String>,
    /// The embed function's queue.
    pub embed: Option<String>,
    /// The notify function's queue.
    pub notify: Option<String>,
    /// The sweep function's queue.
    pub sweep: Option<SweepQueue>,
}

/// A message of a work queue.
trait Message: Serialize {
    /// The group of a fair queue that it belongs to: an operation, or a webhook. SQS delivers messages of other groups first
    /// while one has many in flight or waiting.
    fn group(&self) -> Option<String>;
}

impl Message for ScanMessage {
    fn group(&self) -> Option<String> {
        match self {
            Self::RunOperation { operation_id } | Self::StageItems { operation_id, .. } => {
                Some(operation_id.to_string())
            }
        }
    }
}

impl Message for ChunkDocument {
    fn group(&self) -> Option<String> {
        Some(self.operation_id.to_string())
    }
}

impl Message for EmbedBatch {
    fn group(&self) -> Option<String> {
        Some(self.operation_id.to_string())
    }
}

impl Message for AttemptDelivery {
    fn group(&self) -> Option<String> {
        Some(self.webhook_id.to_string())
    }
}

impl Message for CheckUploads {
    fn group(&self) -> Option<String> {
        None
    }
}

impl Message for CheckObjects {
    fn group(&self) -> Option<String> {
        None
    }
}

/// Sends messages to the work queues. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Queues {
    pub(crate) client: aws_sdk_sqs::Client,
    pub(crate) urls: QueueUrls,
    pub(crate) armed: Armed,
}

impl Queues {
    /// Creates a client of these queues.
    pub fn new(config: &SdkConfig, urls: QueueUrls) -> Self {
        Self { client: aws_sdk_sqs::Client::new(config), urls, armed: Armed::default() }
    }

    /// Sends messages to the intake function.
    ///
    /// # Errors
    /// Returns `Rejected` if SQS rejects some of them; others may have been sent.
    pub async fn send_intake(&self, messages: &[CheckUploads]) -> Result<(), QueueError> {
        self.send(Stage::Intake, messages).await
    }

    /// Sends requests to look at objects to the intake function. Errors as for [`Self::send_intake`].
    pub async fn send_objects(&self, messages: &[CheckObjects]) -> Result<(), QueueError> {
        self.send(Stage::Intake, messages).await
    }

    /// Sends messages to the scan function. Errors as for [`Self::send_intake`].
    pub async fn send_scan(&self, messages: &[ScanMessage]) -> Result<(), QueueError> {
        self.send(Stage::Scan, messages).await
    }

    /// Sends messages to the extract function: documents that it extracts and sends on to chunk. Errors as for
    /// [`Self::send_intake`].
    pub async fn send_extract(&self, messages: &[ChunkDocument]) -> Result<(), QueueError> {
        self.send(Stage::Extract, messages).await
    }

    /// Sends messages to the recognize function: documents that it extracts with OCR and sends on to chunk. Errors as for
    /// [`Self::send_intake`].
    pub async fn send_recognize(&self, messages: &[ChunkDocument]) -> Result<(), QueueError> {
        self.send(Stage::Recognize, messages).await
    }

    /// Sends messages to the chunk function. Errors as for [`Self::send_intake`].
    pub async fn send_chunk(&self, messages: &[ChunkDocument]) -> Result<(), QueueError> {
        self.send(Stage::Chunk, messages).await
    }

    /// Sends messages to the embed function. Errors as for [`Self::send_intake`].
    pub async fn send_embed(&self, messages: &[EmbedBatch]) -> Result<(), QueueError> {
        self.send(Stage::Embed, messages).await
    }

    /// Sends messages to the embed function that are delivered after `delay`, 15 minutes at most. Errors as for
    /// [`Self::send_intake`].
    pub async fn send_embed_after(&self, delay: Duration, messages: &[EmbedBatch]) -> Result<(), QueueError> {
        self.send_after(delay, Stage::Embed, messages).await
    }

    /// Sends messages to the notify function that are delivered after `delay`, 15 minutes at most. Errors as for
    /// [`Self::send_intake`].
    pub async fn send_notify(&self, delay: Duration, messages: &[AttemptDelivery]) -> Result<(), QueueError> {
        self.send_after(delay, Stage::Notify, messages).await
    }

    /// Returns the approximate number of messages in a stage's queue: visible, delayed and in flight. SQS counts
    /// approximately, so use it only to decide whether to look closer.
    pub async fn depth(&self, stage: Stage) -> Result<u64, QueueError> {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
        ];
        let request = self.client.get_queue_attributes().queue_url(self.url(stage)?);
        let response = request.set_attribute_names(Some(names.to_vec())).send().await;
        let response = response.map_err(|error| call_error(stage.as_str(), "GetQueueAttributes", error))?;
        let counts = response.attributes.unwrap_or_default();
        let count = |name| counts.get(&name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        Ok(names.into_iter().map(count).sum())
    }

    /// Makes a delivered message visible again after `delay` instead of the queue's visibility timeout.
    ///
    /// # Errors
    /// Returns `Call` if the receipt handle is no longer that of the current delivery.
    pub async fn redeliver_after(
        &self,
        queue_arn: &str,
        receipt_handle: &str,
        delay: Duration,
    ) -> Result<(), QueueError> {
        let url = url_from_arn(queue_arn);
        let seconds = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        let request = self.client.change_message_visibility().queue_url(&url);
        let response = request.receipt_handle(receipt_handle).visibility_timeout(seconds).send().await;
        response.map_err(|error| call_error(&url, "ChangeMessageVisibility", error))?;
        Ok(())
    }

    async fn send<M: Message>(&self, stage: Stage, messages: &[M]) -> Result<(), QueueError> {
        self.send_after(Duration::ZERO, stage, messages).await
    }

    async fn send_after<M: Message>(
        &self,
        delay: Duration,
        stage: Stage,
        messages: &[M],
    ) -> Result<(), QueueError> {
        let url = self.url(stage)?;
        let delay = i32::try_from(delay.as_secs()).unwrap_or(i32::MAX);
        // Without a delay of its own, a message has that of the queue.
        let delay = (delay > 0).then_some(delay);
        for group in messages.chunks(MESSAGES_PER_CALL) {
            let mut request = self.client.send_message_batch().queue_url(url);
            for (position, message) in group.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(position.to_string())
                    .message_body(serde_json::to_string(message)?)
                    .set_delay_seconds(delay)
                    .set_message_group_id(message.group())
                    .build()
                    .map_err(|error| call_error(stage.as_str(), "SendMessageBatch", error))?;
                request = request.entries(entry);
            }
            let response = request.send().await;
            let response = response.map_err(|error| call_error(stage.as_str(), "SendMessageBatch", error))?;
            if let Some(first) = response.failed.first() {
                return Err(QueueError::Rejected {
                    queue: stage.as_str(),
                    rejected: response.failed.len(),
                    reason: first.message.clone().unwrap_or_else(|| first.code.clone()),
                });
            }
        }
        Ok(())
    }

    fn url(&self, stage: Stage) -> Result<&str, QueueError> {
        let url = match stage {
            Stage::Intake => &self.urls.intake,
            Stage::Scan => &self.urls.scan,
            Stage::Extract => &self.urls.extract,
            Stage::Recognize => &self.urls.recognize,
            Stage::Chunk => &self.urls.chunk,
            Stage::Embed => &self.urls.embed,
            Stage::Notify => &self.urls.notify,
        };
        url.as_deref().ok_or(QueueError::NotConfigured(stage.as_str()))
    }
}

/// Returns the URL of the queue with the ARN `arn:aws:sqs:{region}:{account}:{name}`. Emulators read account and
/// name from the URL's path.
fn url_from_arn(arn: &str) -> String {
    let mut parts = arn.split(':').skip(3);
    let (region, account, name) = (parts.next(), parts.next(), parts.next());
    match (region, account, name) {
        (Some(region), Some(account), Some(name)) => {
            format!("https://sqs.{region}.amazonaws.com/{account}/{name}")
        }
        _ => arn.to_owned(),
    }
}

pub(crate) fn call_error(
    queue: &str,
    call: &'static str,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> QueueError {
    QueueError::Call { queue: queue.to_owned(), call, source: source.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_arns_are_converted_to_urls() {
        let url = url_from_arn("arn:aws:sqs:us-east-1:000000000000:semantik-EmbedQueue");
        assert_eq!(url, "https://sqs.us-east-1.amazonaws.com/000000000000/semantik-EmbedQueue");
    }
}
