//! Sharing collections with users and API keys: `/api/v2/collections/{id}/permissions`, `/api/v2/collections/{id}/owner`.

mod grantee;
mod ownership;
mod permissions;

use access::{Access, Route};
use domain::AccessLevel::{Admin, Owner, Read};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of permissions and ownership.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Collection(Admin)).handles(routes!(permissions::list)))
        .routes(Route::requires(Access::Collection(Admin)).idempotent().handles(routes!(permissions::grant)))
        .routes(Route::requires(Access::Collection(Admin)).handles(routes!(permissions::revoke)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(permissions::show_own)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(permissions::leave)))
        .routes(
            Route::requires(Access::CollectionUserSession(Owner))
                .conflict("The new owner has a collection of this name, or would exceed a quota.")
                .handles(routes!(ownership::transfer)),
        )
}
