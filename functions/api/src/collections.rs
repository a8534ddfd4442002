//! Collections: `/api/v2/collections`.

mod create;
mod delete;
pub(crate) mod fields;
mod index_settings;
mod integrity;
mod list;
mod reindex;
pub(crate) mod response;
mod show;
mod update;

use access::{Access, Rate, Route};
use domain::AccessLevel::{Admin, Owner, Read, Write};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of collections.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::requires(Access::UnrestrictedKey(Write))
                .limit(Rate::per_minute(60))
                .idempotent()
                .conflict("The caller has a collection of that name, or the quota of collections is used up.")
                .handles(routes!(create::create)),
        )
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(list::list)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(show::show)))
        .routes(
            Route::requires(Access::Collection(Admin))
                .versioned()
                .conflict("The owner already has a collection of that name.")
                .handles(routes!(update::update)),
        )
        .routes(
            Route::requires(Access::Collection(Admin))
                .versioned()
                .conflict("The owner already has a collection of that name.")
                .handles(routes!(update::patch)),
        )
        // A reindex changes the settings, and costs as much as indexing every document again.
        .routes(
            Route::requires(Access::Collection(Admin))
                .limit(Rate::per_hour(12))
                .idempotent()
                .conflict("A reindex of the collection is pending or running.")
                .handles(routes!(reindex::start)),
        )
        .routes(
            Route::requires(Access::Collection(Admin))
                .limit(Rate::per_hour(12))
                .conflict("No earlier index is kept, it lacks documents, or an operation is running.")
                .handles(routes!(reindex::roll_back)),
        )
        // It names documents that readers do not see, and lists the bucket.
        .routes(
            Route::requires(Access::Collection(Write))
                .limit(Rate::per_minute(60))
                .handles(routes!(integrity::check)),
        )
        .routes(
            Route::requires(Access::Collection(Write))
                .limit(Rate::per_hour(12))
                .idempotent()
                .handles(routes!(integrity::repair)),
        )
        .routes(
            Route::requires(Access::Collection(Owner))
                .limit(Rate::per_minute(60))
                .handles(routes!(delete::delete)),
        )
}
