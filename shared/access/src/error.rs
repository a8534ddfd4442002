//! How a router can be put together wrongly.

use domain::{Classify, ErrorKind};
use thiserror::Error;

/// A defect in a router: a test that calls the route once finds it.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The router has no `Extension(AccessState)` layer.
    #[error("the router was not given its AccessState")]
    NoState,
    /// A handler asks for what its route's declaration does not provide.
    #[error("the route's declaration does not provide {0}")]
    NotDeclared(&'static str),
    /// A route needs access to something that its path does not name.
    #[error("the route's path has no {{{0}}}")]
    NoPathParameter(&'static str),
    /// An answer that is to be kept cannot be written as JSON.
    #[error("an answer cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl Classify for AccessError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }
}
