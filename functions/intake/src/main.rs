//! The intake function.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use intake::{Config, State, handle};

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    let state = State::open(&Config::from_env()?).await?;
    lambda::sqs::run_together(state, |state, received, invocation| {
        handle(state, received.into_iter().map(|received| received.message).collect(), invocation)
    })
    .await
}
