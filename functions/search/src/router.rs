//! The routes.

use access::{Access, AccessState, Route, UnknownKeys};
use axum::{Extension, Router};
use domain::AccessLevel::Read;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{State, handler, mcp};

/// Builds the router of the search function, with the access that each route requires.
pub fn router(state: State) -> Router {
    let access = AccessState {
        db: state.db.clone(),
        tokens: state.tokens.clone(),
        rate_limits: state.rate_limits,
        unknown_keys: UnknownKeys::default(),
    };
    let (router, _) = routes().split_for_parts();
    router.layer(Extension(access)).with_state(state)
}

pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Collections(Read)).handles(routes!(handler::search)))
        .routes(Route::requires(Access::Collections(Read)).handles(routes!(handler::search_single)))
        .merge(mcp::routes())
}
