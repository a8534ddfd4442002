//! The chunk function.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use chunk::{Config, State, handle};

/// Documents that are chunked concurrently. Chunking is CPU-bound: more would only wait.
const CONCURRENCY: usize = 2;

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    let state = State::open(&Config::from_env()?).await?;
    lambda::sqs::run(state, CONCURRENCY, handle).await
}
