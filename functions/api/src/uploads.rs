//! Uploads: `/api/v2/collections/{id}/uploads`.

mod announce;
mod list;
mod withdraw;

use access::{Access, Route};
use domain::AccessLevel::{Read, Write};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of uploads.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::requires(Access::Collection(Write))
                .idempotent()
                .conflict(
                    "The storage or document quota of the collection or its owner is used up, the announcer has \
                     too many open announcements, a document belongs to another source, or the push run is not open.",
                )
                .handles(routes!(announce::announce)),
        )
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(list::list)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(list::show)))
        .routes(
            Route::requires(Access::Collection(Write))
                .conflict("The file has arrived.")
                .handles(routes!(withdraw::withdraw)),
        )
}
