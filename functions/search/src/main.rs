//! The search function.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use search::{Config, State, router};

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    let state = State::open(&Config::from_env()?).await?;
    lambda::http::run(router(state)).await
}
