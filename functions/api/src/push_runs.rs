//! Push runs: `/api/v2/collections/{id}/push-runs`.
//!
//! A client names every document that its source has, by pushing it or as unchanged. When it ends the run, what it has not
//! named is gone.

mod begin;
mod end;
mod response;
mod seen;

use access::{Access, Rate, Route};
use domain::AccessLevel::Write;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of push runs.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::requires(Access::Collection(Write))
                .limit(Rate::per_minute(60))
                .idempotent()
                .conflict("The source has an open run, or the collection as many sources as it may have.")
                .handles(routes!(begin::begin)),
        )
        .routes(Route::requires(Access::Collection(Write)).handles(routes!(end::show)))
        .routes(
            Route::requires(Access::Collection(Write))
                .conflict("The run is not open.")
                .handles(routes!(seen::seen)),
        )
        .routes(
            Route::requires(Access::Collection(Write))
                .limit(Rate::per_minute(60))
                .conflict("The run was replaced or has expired.")
                .handles(routes!(end::end)),
        )
}
