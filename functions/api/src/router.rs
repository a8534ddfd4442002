//! All routes of the API function.

use axum::Router;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{
    State, collections, content, docs, documents, health, openapi, operations, sessions, sources, uploads,
    users,
};

/// The routes, each described at `/api/openapi.json`.
pub fn router(state: State) -> Router {
    let (router, _) = routes().split_for_parts();
    router
        // Other names for the same, as clients and load balancers know them, and the parts of a page.
        .route("/healthz", get(health::health))
        .route("/api/health", get(health::health))
        .route("/api/health/", get(health::health))
        .route("/api/docs/{file}", get(docs::part))
        .with_state(state)
}

pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(openapi::frame())
        .routes(routes!(users::register))
        .routes(routes!(sessions::login))
        .routes(routes!(sessions::refresh))
        .routes(routes!(sessions::logout))
        .routes(routes!(users::me))
        .routes(routes!(collections::create, collections::list))
        .routes(routes!(collections::show, collections::delete))
        .routes(routes!(sources::add, sources::list))
        .routes(routes!(sources::show))
        .routes(routes!(uploads::announce, uploads::list))
        .routes(routes!(uploads::show))
        .routes(routes!(documents::list))
        .routes(routes!(documents::show))
        .routes(routes!(content::download))
        .routes(routes!(operations::list_of_collection))
        .routes(routes!(operations::list))
        .routes(routes!(operations::show))
        .routes(routes!(health::system_info))
        .routes(routes!(health::health))
        .routes(routes!(health::ready))
        .routes(routes!(openapi::describe))
        .routes(routes!(docs::page))
}
