//! Brings the database's schema up to the version of this release, and the secrets of sources under
//! the newest key.
//!
//! *Triggered by* CloudFormation, as the custom resource `Migration`, before the other functions
//! are created or updated; and by hand, as the command `migrate`, or as an invocation with `{}` or
//! `{"command": "reencrypt-secrets"}`.
//! *Reads* the migrations embedded in the binary.
//! *Writes* the schema, and the answer that CloudFormation waits for.
//! *Safe to repeat because* only missing migrations are applied, under an advisory lock, and a secret
//! is re-encrypted only if it is still the one that was read.
//! *Retries when* the database does not answer yet, until shortly before the function's limit.

mod command;
mod config;
mod custom_resource;
mod handler;
mod reencrypt;
mod state;

pub use command::run_command;
pub use config::Config;
pub use handler::handle;
pub use state::State;
