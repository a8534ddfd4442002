//! The routes.

use axum::Router;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;
use crate::handler;

/// All routes of the search function.
pub fn router(state: State) -> Router {
    let (router, _) = routes().split_for_parts();
    router.with_state(state)
}

pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default().routes(routes!(handler::search)).routes(routes!(handler::search_single))
}
