//! The notify function.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use notify::{Config, State, handle};

/// Requests that are made concurrently. They wait for receivers, and a batch of slow ones must end before the function does.
const CONCURRENCY: usize = 10;

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    let state = State::open(&Config::from_env()?).await?;
    lambda::sqs::run(state, CONCURRENCY, handle).await
}
