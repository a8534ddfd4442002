//! What happens before a handler: who is calling, how often, whether they may, and whether the same
//! was asked before.
//!
//! A router declares each route with what it [`Access`]; that declaration is all there is. The layer
//! that comes with it refuses everybody else before the request's body is read, the API's
//! description says it (`x-access`), and a test tries every route as every kind of caller.

mod caller;
mod description;
mod error;
mod granted;
mod idempotency;
mod rate;
mod requirement;
mod route;

pub use caller::Caller;
pub use description::{attribute_value, by_attribute, problems};
pub use error::AccessError;
pub use granted::{Granted, GrantedOperation};
pub use idempotency::{Begun, Idempotency, IdempotentTx};
pub use rate::{Rate, RateFactorError, RateLimits};
pub use requirement::Access;
pub use route::{AccessState, Route};
