//! Quotas: how much collections and users may hold and do. `/api/v2/limits`, `/api/v2/collections/{id}/limits`.

pub(crate) mod enforce;
pub(crate) mod limits;

use access::{Access, Route};
use domain::AccessLevel::Read;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of quotas.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(limits::show)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(limits::show_of_collection)))
}
