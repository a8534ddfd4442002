//! Turns one staged document of a format that needs a parser into its text.
//!
//! *Triggered by* ExtractQueue: one message for each such document, sent by chunk; and RecognizeQueue: one for each that
//! may need OCR, sent by extract if it is on in the document's collection.
//! Files inside it (members of archives, mails of mailboxes, attachments) become documents of their own.
//! *Reads* the item in PostgreSQL and the document's bytes in S3. The parser runs in a child process without
//! credentials, with limits on memory, time and files.
//! *Writes* the frames of the document to S3; a message to ChunkQueue, or to RecognizeQueue; the item's state if the
//! document cannot be read. For each file inside it an item, its bytes in S3 and a message to ChunkQueue; for files that
//! are gone since the document's earlier version an item and a message to ScanQueue.
//! *Safe to repeat because* the same bytes yield the same frames and files under the same keys, a work list has each
//! file once, the text is written after all files are staged, and a document whose text is there is only sent on.
//! *Retries when* PostgreSQL, S3 or SQS is unavailable. A document that its parser refuses, or that crashes it or
//! exceeds a limit, is recorded as failed, with the reason.
//!
//! There are two functions with the same code, extract and recognize: ONNX Runtime and the OCR models are three times as
//! large as everything else here, and OCR needs more memory and time than documents with text.

mod config;
mod handler;
mod members;
mod names;
mod parse;
mod readable;
mod recognize;
mod state;

pub use config::Config;
pub use handler::handle;
pub use state::State;

use std::process::ExitCode;

use lambda::env::EnvError;

/// The argument by which the function's program is the child process that parses one document.
pub const PARSE: &str = "parse";

/// Documents that are parsed concurrently: each has a process of its own, and the memory of the function is for one.
const CONCURRENCY: usize = 1;

/// Runs the function, or the child process that parses one document if the program's first argument is [`PARSE`].
pub fn run(config: impl FnOnce() -> Result<Config, EnvError>) -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == PARSE) {
        return parsers::child::run(arguments);
    }
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve(config: impl FnOnce() -> Result<Config, EnvError>) -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    let state = State::open(&config()?).await?;
    lambda::sqs::run(state, CONCURRENCY, handle).await
}
