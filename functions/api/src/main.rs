//! Entry point of the API function.

use api::{Config, State, router};

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    let state = State::open(&Config::from_env()?).await?;
    lambda::http::run(router(state)).await
}
