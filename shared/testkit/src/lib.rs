//! The endpoints of the running stack, and a client of its API for tests.
//!
//! Everything here panics with a message that says what to do, which is the best way for a test to fail.

mod client;
#[expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]
mod dovecot;
#[expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]
mod git_repository;
#[expect(clippy::unwrap_used, reason = "helpers of tests fail the test, as tests do")]
mod git_server;
mod stack;
mod web_server;

pub use client::{Response, TestUser, Upload, http_client};
pub use dovecot::{DOVECOT_PASSWORD, DOVECOT_USER, Dovecot};
pub use git_repository::{GitChange, GitRepository};
pub use git_server::{GitFault, GitServer, run_git_backend};
pub use stack::{Stack, unique};
pub use web_server::WebServer;
