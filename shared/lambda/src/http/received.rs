//! When a request came.

use std::convert::Infallible;
use std::time::Instant;

use axum::extract::FromRequestParts;
use http::request::Parts;

/// The moment at which the function was given the request, before anything was asked about its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedAt(pub Instant);

impl<S: Sync> FromRequestParts<S> for ReceivedAt {
    type Rejection = Infallible;

    /// Now, where nothing around the router noted it.
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or_else(|| Self(Instant::now())))
    }
}
