//! Operations: `/api/v2/operations`, `/api/v2/collections/{id}/operations`.

mod cancel;
mod list;
mod metrics;
pub(crate) mod response;
mod show;

use access::{Access, Route};
use domain::AccessLevel::{Read, Write};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of operations.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(list::list_of_collection)))
        .routes(Route::requires(Access::UnrestrictedKey(Read)).handles(routes!(list::list)))
        .routes(Route::requires(Access::Operation(Read)).handles(routes!(show::show)))
        .routes(Route::requires(Access::Operation(Read)).handles(routes!(metrics::list_metrics)))
        .routes(
            Route::requires(Access::Operation(Write))
                .conflict("The operation has ended, or its type cannot be cancelled.")
                .handles(routes!(cancel::delete)),
        )
        .routes(
            Route::requires(Access::Operation(Write))
                .conflict("The operation has ended, or its type cannot be cancelled.")
                .handles(routes!(cancel::cancel)),
        )
}
