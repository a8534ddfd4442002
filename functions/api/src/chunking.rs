//! Chunking strategies and previews: `/api/v2/chunking`.

mod compare;
mod preview;
pub(crate) mod settings;
mod split;
mod statistics;
mod strategies;

use access::{Access, Rate, Route};
use domain::AccessLevel::Read;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of chunking strategies and previews.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(strategies::list)))
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(strategies::show)))
        // Each request tokenizes up to 1 MiB, once or several times.
        .routes(
            Route::requires(Access::Caller(Read))
                .limit(Rate::per_minute(30))
                .handles(routes!(preview::preview)),
        )
        .routes(
            Route::requires(Access::Caller(Read))
                .limit(Rate::per_minute(10))
                .handles(routes!(compare::compare)),
        )
}
