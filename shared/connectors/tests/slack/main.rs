//! The connector `slack` against a workspace that answers as Slack's Web API does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

mod changes;
mod errors;
mod fake;
mod files;
mod listing;
mod methods;
mod source;
mod state;
