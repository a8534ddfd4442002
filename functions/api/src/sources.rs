//! Sources of a collection: `/api/v2/collections/{id}/sources`.

mod add;
mod list;
mod remove;
mod request;
mod response;
mod secrets;
mod test;
mod update;

use access::{Access, Rate, Route};
use domain::AccessLevel::Write;
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of sources.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::requires(Access::Collection(Write))
                .limit(Rate::per_minute(60))
                .idempotent()
                .problem(
                    StatusCode::BAD_REQUEST,
                    "The request body is not valid JSON, or this installation has no key to encrypt secrets with.",
                )
                .handles(routes!(add::add)),
        )
        .routes(
            Route::requires(Access::Collection(Write)).limit(Rate::per_minute(20)).handles(routes!(test::test)),
        )
        // Paths and buckets reveal internals of the owner's systems, so that readers do not see them.
        .routes(Route::requires(Access::Collection(Write)).handles(routes!(list::list)))
        .routes(Route::requires(Access::Collection(Write)).handles(routes!(list::show)))
        .routes(Route::requires(Access::Collection(Write)).handles(routes!(remove::remove)))
        .routes(Route::requires(Access::Collection(Write)).handles(routes!(remove::remove_by_path)))
        .routes(
            Route::requires(Access::Collection(Write))
                .limit(Rate::per_minute(60))
                .versioned()
                .conflict("Another source has that path, or this one is being read.")
                .problem(
                    StatusCode::BAD_REQUEST,
                    "The request body is not valid JSON, or this installation has no key to encrypt secrets with.",
                )
                .handles(routes!(update::update)),
        )
}
