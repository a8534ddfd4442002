//! The search function.

use search::{Config, State, router};

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    let state = State::open(&Config::from_env()?)?;
    lambda::http::run(router(state)).await
}
