//! The embed job: drains the embed function's queue in one process, on a GPU if there is one.

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
    // AWS reclaims a spot instance with SIGTERM; Ctrl-C sends SIGINT.
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop_signal = async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let config = DrainConfig::from_env()?;
    let state = State::open(&config.function).await?;
    drain(state, &config, stop_signal).await
}
