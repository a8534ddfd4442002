//! Tells webhooks of events: one HTTP request for each attempt of a delivery.
//!
//! *Triggered by* NotifyQueue: one message for each attempt.
//! *Reads* the delivery, its webhook and secrets in PostgreSQL.
//! *Writes* a signed request to the webhook's URL, through `egress`; the outcome, and a message for the next attempt.
//! *Safe to repeat because* beginning an attempt counts it, and a message about an attempt that has begun has no effect.
//! Receivers know a repeated delivery by its `webhook-id`.
//! *Retries when* PostgreSQL or the keys of secrets are unavailable: the queue delivers the message again. An attempt that
//! the receiver did not accept is followed by others over a day (`schedule`), each with a message of its own.

mod attempt;
mod config;
mod handler;
mod schedule;
mod state;

pub use config::Config;
pub use handler::handle;
pub use state::State;
