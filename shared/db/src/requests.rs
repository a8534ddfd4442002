//! HTTP requests: idempotency keys and rate limits.

mod idempotency_keys;
mod rate_limits;

pub use idempotency_keys::{IdempotencyKeys, NewKey, StoredKey, StoredResponse};
pub use rate_limits::{Bucket, RateLimitBuckets};
