//! The installation: health, readiness, its description and the page that shows it. `/api/v2/system`, `/api/openapi.json`, `/api/docs`, `/health`, `/readyz`.

mod docs;
mod health;
mod openapi;

use access::{Access, Route};
use axum::routing::get;
use domain::AccessLevel::Read;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Public).handles(routes!(health::system_info)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(health::api_health)))
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(health::system_status)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(health::health)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(health::ready)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(openapi::describe)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(docs::page)))
        // Other names for the same, as clients and load balancers know them, and the parts of a page.
        .route("/healthz", get(health::health))
        .route("/api/health", get(health::health))
        .route("/api/health/", get(health::health))
        .route("/api/docs/{file}", get(docs::part))
}
