//! The web console: a page that calls the API with the tokens of the user who signs in to it.
//!
//! *Triggered by* API Gateway, `GET /` and `GET /console/{proxy+}`.
//! *Reads* nothing but the files in its binary; it has no database, no secrets and no permissions.
//! *Writes* nothing.
//! *Safe to repeat because* it is read-only.
//! *Retries when* never: the browser decides.

mod assets;
mod config;
mod handler;

pub use config::{Config, InvalidUploadUrl, UploadUrl};
pub use handler::router;
