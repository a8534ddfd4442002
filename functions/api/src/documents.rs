//! Documents and their chunks: `/api/v2/collections/{id}/documents`, `/api/v2/collections/{id}/chunks`.

mod by_uri;
mod chunks;
mod download;
mod failed;
mod find;
mod list;
pub(crate) mod metadata;
mod push;
pub(crate) mod pushed;
pub(crate) mod removal;
mod response;
mod retry;
mod show;
mod text;

use access::{Access, Route};
use domain::AccessLevel::{Read, Write};
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of documents and chunks.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(list::list)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(failed::count_failed)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(show::show)))
        // Only writers see URIs, so only they look for them.
        .routes(Route::requires(Access::Collection(Write)).handles(routes!(by_uri::show)))
        .routes(
            Route::requires(Access::Collection(Write))
                .conflict(
                    "The document belongs to another source, the push run is not open, a quota is exceeded, or the \
                     caller has too many open announcements.",
                )
                .problem(StatusCode::PAYLOAD_TOO_LARGE, "The content is larger than 1,000,000 bytes, or the body than 2 MiB.")
                .handles(routes!(push::push)),
        )
        .routes(Route::requires(Access::Collection(Write)).handles(routes!(by_uri::delete)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(chunks::list)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(chunks::show)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(chunks::list_of_chunking)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(chunks::show_of_chunking)))
        .routes(Route::requires(Access::Collection(Write)).handles(routes!(removal::delete)))
        .routes(
            Route::requires(Access::Collection(Write))
                .idempotent()
                .conflict("The document is not deleted or is being purged, or a quota is exceeded.")
                .handles(routes!(removal::restore)),
        )
        .routes(
            Route::requires(Access::Collection(Write))
                .idempotent()
                .conflict("The document is neither failed nor cancelled, its bytes cannot be read, or a quota is exceeded.")
                .handles(routes!(retry::retry)),
        )
        .routes(
            Route::requires(Access::Collection(Write))
                .idempotent()
                .conflict("A quota is exceeded.")
                .handles(routes!(retry::retry_failed)),
        )
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(download::download)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(text::text)))
}
