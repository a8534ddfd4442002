//! The declaration of a route.

use http::StatusCode;

use crate::access::Access;
use crate::rate::Rate;

/// The declaration of one route.
///
/// Access, rate limit and idempotency are enforced before the handler runs. The OpenAPI document is completed
/// from the same declaration: security, headers, and every problem response. Query parameters that the
/// document does not list are rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub(crate) rules: Rules,
    pub(crate) is_versioned: bool,
    /// Problems that only this route has, or describes more exactly.
    pub(crate) problems: Vec<(StatusCode, &'static str)>,
}

/// What the middleware enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) access: Access,
    pub(crate) rate: Option<Rate>,
    pub(crate) is_idempotent: bool,
}

impl Route {
    /// Declares a route that requires this access, with the default rate limit.
    pub const fn requires(access: Access) -> Self {
        let rules = Rules { access, rate: Some(access.default_rate()), is_idempotent: false };
        Self { rules, is_versioned: false, problems: Vec::new() }
    }

    /// Sets the rate limit per caller.
    #[must_use]
    pub const fn limit(mut self, rate: Rate) -> Self {
        self.rules.rate = Some(rate);
        self
    }

    /// Removes the rate limit: the route costs nothing.
    #[must_use]
    pub const fn unlimited(mut self) -> Self {
        self.rules.rate = None;
        self
    }

    /// Accepts an `Idempotency-Key`, so that a repeated request does not create anything twice.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.rules.is_idempotent = true;
        self
    }

    /// Accepts `If-Match`; the handler checks it and answers 412.
    #[must_use]
    pub const fn versioned(mut self) -> Self {
        self.is_versioned = true;
        self
    }

    /// Describes when the route answers 409.
    #[must_use]
    pub fn conflict(self, description: &'static str) -> Self {
        self.problem(StatusCode::CONFLICT, description)
    }

    /// Describes when the route answers with this status. Most problems follow from the declaration: only
    /// those need this that the handler adds.
    #[must_use]
    pub fn problem(mut self, status: StatusCode, description: &'static str) -> Self {
        self.problems.push((status, description));
        self
    }
}
