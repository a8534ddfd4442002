//! The embed job: drains the embed function's queue in one process, on a graphics card where there is one.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use std::process::ExitCode;

use embed::{DrainConfig, State, drain};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> ExitCode {
    lambda::telemetry::init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = lambda::error_chain(error.as_ref()), "the job failed");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), lambda::Error> {
    // AWS takes a spot instance back with SIGTERM; a person ends the job with Ctrl-C.
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let told_to_stop = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let config = DrainConfig::from_env()?;
    let state = State::open(&config.function).await?;
    drain(state, &config, told_to_stop).await
}
