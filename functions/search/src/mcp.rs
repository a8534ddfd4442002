//! The Model Context Protocol (MCP), by which AI assistants search: `/mcp`, and `/mcp/{profile}` for an MCP profile.
//!
//! Streamable HTTP without sessions: each POST has one JSON-RPC message, and its response is JSON. Tools call the
//! functions of the HTTP routes and the repositories that the API reads, so an assistant has the rights and limits of its
//! credential, and no others.

mod definitions;
mod description;
mod endpoint;
mod failure;
mod message;
mod resources;
mod result_id;
mod revision;
mod sender;
mod tools;
mod view;

use access::{Access, Route};
use domain::AccessLevel::Read;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of MCP.
pub(crate) fn routes() -> OpenApiRouter<State> {
    let route = || Route::requires(Access::Caller(Read));
    OpenApiRouter::default()
        .routes(route().handles(routes!(endpoint::serve)))
        .routes(route().handles(routes!(endpoint::serve_profile)))
}
