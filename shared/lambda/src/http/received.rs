//! The time at which a request was received.

use std::convert::Infallible;
use std::time::Instant;

use axum::extract::FromRequestParts;
use http::request::Parts;

/// The time at which the function received the request, before its caller was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedAt(pub Instant);

impl<S: Sync> FromRequestParts<S> for ReceivedAt {
    type Rejection = Infallible;

    /// Falls back to the current time where the router runs without [`super::wrap`].
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or_else(|| Self(Instant::now())))
    }
}
