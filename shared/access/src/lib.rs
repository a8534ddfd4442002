//! Access control of HTTP routes: authentication, rate limits, authorization and idempotency.
//!
//! A router declares each route with the [`Access`] that it requires. The middleware rejects all other
//! callers before the request body is read, the OpenAPI document repeats the declaration (`x-access`), and a
//! test calls every route as every kind of caller.
//!
//! Errors of the database are `Unavailable`.

mod access;
mod caller;
mod error;
mod extension;
mod granted;
mod idempotency;
mod middleware;
mod openapi;
mod rate;
mod route;
mod unknown_keys;
pub mod words;

pub use access::Access;
pub use caller::Caller;
pub use error::AccessError;
pub use granted::{Granted, GrantedOperation};
pub use idempotency::{Begun, Idempotency, IdempotentTx};
pub use middleware::AccessState;
pub use openapi::{attribute_value, by_attribute, close_request_bodies, one_of, open_objects};
pub use rate::{Rate, RateFactorError, RateLimits};
pub use route::Route;
pub use unknown_keys::UnknownKeys;
