//! Entry point of the console function.

use console::{Config, router};

#[tokio::main]
async fn main() -> Result<(), lambda::Error> {
    lambda::telemetry::init();
    lambda::http::run(router(&Config::from_env()?)).await
}
