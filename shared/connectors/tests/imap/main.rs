//! The connector `imap` against a real server: what a sync lists, reads and costs.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]

mod listing;
mod proxy;
mod reading;
mod signing_in;
mod source;
