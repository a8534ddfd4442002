//! The migrate function, and the command of the same name.

// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

use std::process::ExitCode;

use migrate::{State, handle, run_command};

#[tokio::main]
async fn main() -> ExitCode {
    // Set by AWS Lambda, and not in a shell.
    if lambda::env::optional("AWS_LAMBDA_RUNTIME_API").is_none() {
        return run_command().await;
    }
    lambda::telemetry::init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the migrate function cannot start");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), lambda::Error> {
    lambda::event::run(State::open()?, handle).await
}
