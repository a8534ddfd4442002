//! The scan function.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use scan::{Config, State, handle};

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    let state = State::open(&Config::from_env()?).await?;
    lambda::sqs::run(state, 1, handle).await
}
