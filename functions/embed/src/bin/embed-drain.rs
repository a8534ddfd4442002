//! The embed job: drains the embed function's queue in one process, on a graphics card where there is one.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use embed::{DrainConfig, State, drain};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
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
