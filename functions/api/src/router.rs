//! The whole API at a glance: each resource, and the URLs under which it lies.
//!
//! What each route asks of its caller stands beside it, in `routes()` of its resource.

use std::sync::Arc;

use access::AccessState;
use axum::{Extension, Router};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

use crate::openapi::{self, DescriptionError};
use crate::{
    State, accounts, admin, api_keys, audit, chunking, collections, connectors, documents, mcp, operations,
    preferences, quotas, sharing, sources, sync, system, uploads,
};

/// The routes, each described at `/api/openapi.json`.
pub fn router(state: State) -> Router {
    let guard = AccessState {
        db: state.db.clone(),
        tokens: state.tokens.clone(),
        rate_limits: state.limits.rate_limits,
    };
    let (router, description) = routes().split_for_parts();
    router.layer(Extension(guard)).layer(Extension(Arc::new(description))).with_state(state)
}

/// The description of all routes, the search function's included, generated from the handlers.
///
/// # Errors
/// When the search function's part cannot be read.
pub fn openapi() -> Result<Value, DescriptionError> {
    openapi::complete(&routes().into_openapi())
}

#[rustfmt::skip]
fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(accounts::routes())    // /api/auth
        .merge(api_keys::routes())    // /api/v2/api-keys
        .merge(admin::routes())       // /api/v2/admin, /api/v2/system-settings
        .merge(preferences::routes()) // /api/v2/preferences
        .merge(mcp::routes())         // /api/v2/mcp/profiles
        .merge(collections::routes()) // /api/v2/collections
        .merge(sharing::routes())     // /api/v2/collections/{id}/permissions, /api/v2/collections/{id}/owner
        .merge(sources::routes())     // /api/v2/collections/{id}/sources
        .merge(connectors::routes())  // /api/v2/connectors
        .merge(sync::routes())        // /api/v2/collections/{id}/sync
        .merge(uploads::routes())     // /api/v2/collections/{id}/uploads
        .merge(documents::routes())   // /api/v2/collections/{id}/documents, /api/v2/collections/{id}/chunks
        .merge(chunking::routes())    // /api/v2/chunking
        .merge(operations::routes())  // /api/v2/operations, /api/v2/collections/{id}/operations
        .merge(quotas::routes())      // /api/v2/limits, /api/v2/collections/{id}/limits
        .merge(audit::routes())       // /api/v2/audit-log, /api/v2/collections/{id}/audit-log
        .merge(system::routes())      // /api/v2/system, /api/openapi.json, /api/docs, /health, /readyz
}
