//! The API at a glance: every resource with its URL prefixes.
//!
//! Each resource declares the access rule and the rate limit of its routes in its `routes` function.

use std::sync::Arc;

use access::{AccessState, UnknownKeys};
use axum::{Extension, Router};
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;

use crate::openapi::{self, OpenApiError};
use crate::system::Readiness;
use crate::{
    State, accounts, admin, api_keys, audit, chunking, collections, connectors, documents, formats, mcp,
    operations, preferences, push_runs, quotas, sharing, sources, sync, system, uploads, webhooks,
};

/// Returns the router of the API function.
pub fn router(state: State) -> Router {
    let access = AccessState {
        db: state.db.clone(),
        tokens: state.tokens.clone(),
        rate_limits: state.limits.rate_limits,
        unknown_keys: UnknownKeys::default(),
    };
    let (router, document) = routes().split_for_parts();
    router
        .layer(Extension(access))
        .layer(Extension(Arc::new(document)))
        .layer(Extension(Readiness::default()))
        .with_state(state)
}

/// Returns the OpenAPI document of all routes, including those of the search function.
///
/// # Errors
/// Returns [`OpenApiError`] if the document of the search function is malformed.
pub fn openapi() -> Result<Value, OpenApiError> {
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
        .merge(sharing::routes())     // /api/v2/collections/{id}/permissions, /api/v2/collections/{id}/owner, /api/v2/ownership-offers
        .merge(sources::routes())     // /api/v2/collections/{id}/sources
        .merge(connectors::routes())  // /api/v2/connectors
        .merge(sync::routes())        // /api/v2/collections/{id}/sync
        .merge(uploads::routes())     // /api/v2/collections/{id}/uploads
        .merge(documents::routes())   // /api/v2/collections/{id}/documents, /api/v2/collections/{id}/chunks
        .merge(push_runs::routes())   // /api/v2/collections/{id}/push-runs
        .merge(formats::routes())     // /api/v2/formats
        .merge(chunking::routes())    // /api/v2/chunking
        .merge(operations::routes())  // /api/v2/operations, /api/v2/collections/{id}/operations
        .merge(webhooks::routes())    // /api/v2/webhooks
        .merge(quotas::routes())      // /api/v2/limits, /api/v2/collections/{id}/limits
        .merge(audit::routes())       // /api/v2/audit-log, /api/v2/collections/{id}/audit-log
        .merge(system::routes())      // /api/v2/system, /api/openapi.json, /api/docs, /health, /readyz
}
