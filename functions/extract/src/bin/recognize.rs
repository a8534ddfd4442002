//! The recognize function: extracts documents with OCR. It is also the child process that it starts for each document.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use std::process::ExitCode;

use extract::{Config, PARSE, State, handle};

/// Documents that are parsed concurrently: each has a process of its own, and the memory of the function is for one.
const CONCURRENCY: usize = 1;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|argument| argument == PARSE) {
        return parsers::child::run(arguments);
    }
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn serve() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    let state = State::open(&Config::from_env_with_ocr()?).await?;
    lambda::sqs::run(state, CONCURRENCY, handle).await
}
