//! Uploads: `/api/v2/collections/{id}/uploads`.

mod announce;
mod list;
mod name;

use access::{Access, Route};
use domain::AccessLevel::{Read, Write};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Collection(Write)).idempotent().handles(routes!(announce::announce)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(list::list)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(list::show)))
}
