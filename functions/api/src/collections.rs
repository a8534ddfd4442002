//! Collections: `/api/v2/collections`.

mod create;
mod delete;
mod fields;
mod index_settings;
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

pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::needs(Access::UnrestrictedKey(Write))
                .limit(Rate::per_minute(60))
                .idempotent()
                .handles(routes!(create::create)),
        )
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(list::list)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(show::show)))
        .routes(Route::needs(Access::Collection(Admin)).handles(routes!(update::update)))
        .routes(Route::needs(Access::Collection(Admin)).handles(routes!(update::patch)))
        // A reindex changes the settings, and costs as much as indexing every document again.
        .routes(
            Route::needs(Access::Collection(Admin))
                .limit(Rate::per_hour(12))
                .idempotent()
                .handles(routes!(reindex::start)),
        )
        .routes(
            Route::needs(Access::Collection(Admin))
                .limit(Rate::per_hour(12))
                .handles(routes!(reindex::roll_back)),
        )
        .routes(
            Route::needs(Access::Collection(Owner))
                .limit(Rate::per_minute(60))
                .handles(routes!(delete::delete)),
        )
}
