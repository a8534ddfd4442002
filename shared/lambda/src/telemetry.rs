//! Structured logs: one JSON object a line on standard output.

use tracing_subscriber::EnvFilter;

use crate::env;

/// Starts logging. `LOG_LEVEL` takes `tracing`'s filter syntax; the default is `info`.
pub fn init() {
    let filter = env::optional("LOG_LEVEL").unwrap_or_else(|| "info".to_owned());
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(EnvFilter::new(filter));
    subscriber.init();
}
