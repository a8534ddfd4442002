//! The endpoints of the running stack, and a client of its API for tests.
//!
//! Everything here panics with a message that says what to do, which is the best way for a test to fail.

mod client;
mod stack;
mod web_server;

pub use client::{Response, TestUser, Upload};
pub use stack::{Stack, unique};
pub use web_server::WebServer;
