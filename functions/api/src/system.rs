//! The installation: `/health`, `/readyz`, `/api/v2/system`, the OpenAPI document at `/api/openapi.json`, and
//! the page that renders it at `/api/docs`.

mod docs;
mod health;
mod openapi;

use access::{Access, Route};
use axum::routing::get;
use domain::AccessLevel::Read;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

pub(crate) use health::Readiness;

/// Returns the routes of the installation.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Public).handles(routes!(health::system_info)))
        .routes(Route::requires(Access::Public).unlimited().handles(routes!(health::api_health)))
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(health::system_status)))
        .routes(Route::requires(Access::Public).unlimited().handles(routes!(health::health)))
        .routes(
            Route::requires(Access::Public)
                .unlimited()
                .problem(StatusCode::SERVICE_UNAVAILABLE, "A dependency is unreachable; `detail` names it.")
                .handles(routes!(health::ready)),
        )
        .routes(Route::requires(Access::Public).unlimited().handles(routes!(openapi::describe)))
        .routes(Route::requires(Access::Public).unlimited().handles(routes!(docs::page)))
        // Aliases that clients and load balancers use, and the assets of the page; not in the OpenAPI document.
        .route("/healthz", get(health::health))
        .route("/api/health", get(health::health))
        .route("/api/health/", get(health::health))
        .route("/api/docs/{file}", get(docs::asset))
}
