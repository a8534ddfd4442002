//! The clients that the extract and recognize functions keep between messages.

use artifacts::ArtifactStore;
use db::Db;
use lambda::sqs::{Delivery, Redeliver, Retry};
use queue::{QueueUrls, Queues};
use sandbox::{OcrFiles, Sandbox};
use std::path::PathBuf;

use crate::{Config, PARSE};

/// Clients, created once per process.
#[derive(Debug)]
pub struct State {
    /// PostgreSQL.
    pub db: Db,
    /// The staging bucket.
    pub artifacts: ArtifactStore,
    /// The work queues of chunk, and of scan for the next operation.
    pub queues: Queues,
    /// Starts the child processes.
    pub sandbox: Sandbox,
    /// The library that reads PDF documents.
    pub pdfium_library: PathBuf,
    /// What OCR needs; `None` in the extract function.
    pub ocr: Option<OcrFiles>,
    /// Whether there is a recognize function to send documents to.
    pub sends_to_recognize: bool,
}

impl State {
    /// Creates the clients, without a network call. The child process is this program.
    ///
    /// # Errors
    /// Names the invalid setting or file.
    pub async fn open(config: &Config) -> Result<Self, lambda::Error> {
        let sdk = aws::sdk_config().await;
        let urls = QueueUrls {
            scan: Some(config.scan_queue_url.clone()),
            notify: Some(config.notify_queue_url.clone()),
            chunk: Some(config.chunk_queue_url.clone()),
            recognize: config.recognize_queue_url.clone(),
            ..QueueUrls::default()
        };
        Ok(Self {
            db: Db::connect(&config.db)?,
            artifacts: ArtifactStore::new(&sdk, &config.staging_bucket),
            queues: Queues::new(&sdk, urls),
            sandbox: Sandbox { executable: std::env::current_exe()?, arguments: vec![PARSE.into()] },
            pdfium_library: config.pdfium_library.clone(),
            ocr: config.ocr.clone(),
            sends_to_recognize: config.recognize_queue_url.is_some(),
        })
    }
}

impl Redeliver for State {
    async fn redeliver(&self, delivery: &Delivery, retry: Retry) {
        dispatch::redeliver(&self.db, &self.queues, delivery, retry).await;
    }
}
