//! Structured logging: one JSON object per line on standard output.

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::env;

/// Installs the logger. `LOG_LEVEL` has `tracing`'s filter syntax; the default is `info`.
pub fn init() {
    let filter = env::optional("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
    subscriber(&filter, std::io::stdout).init();
}

/// Builds the logger of [`init`] with another writer. Public so that tests can read the lines.
pub fn subscriber<W>(filter: &str, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(writer)
        .finish()
}
