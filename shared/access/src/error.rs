//! Defects in the declarations of a router.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// A defect in a router, which any test of the route finds.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The router has no `Extension(AccessState)` layer.
    #[error("the router has no AccessState extension")]
    NoState,
    /// A handler extracts something that the declaration of its route does not provide.
    #[error("the route's declaration does not provide {0}")]
    NotDeclared(&'static str),
    /// A route requires access to a resource that its path does not name.
    #[error("the route's path has no {{{0}}}")]
    NoPathParameter(&'static str),
    /// A response to store for an idempotency key cannot be serialized.
    #[error("the response cannot be serialized as JSON")]
    Json(#[from] serde_json::Error),
}

impl Classify for AccessError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}
