//! The `qdrant-local` server; [`qdrant_local::Config`] is its command line.

use std::process::ExitCode;

use clap::Parser;
use qdrant_local::{Config, run};
use tracing_subscriber::EnvFilter;

/// The engine logs its maintenance at "info", and warns about settings that only a server makes.
const DEFAULT_LOG: &str =
    "info,qdrant_edge=warn,qdrant_edge::common::flags=error,qdrant_edge::common::mmap=error";

#[tokio::main]
async fn main() -> ExitCode {
    let config = Config::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_LOG));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
