//! Sharing collections with users and API keys: `/api/v2/collections/{id}/permissions`; handing them over:
//! `/api/v2/collections/{id}/owner`, `/api/v2/ownership-offers`.

mod grantee;
mod ownership;
mod permissions;

use access::{Access, Rate, Route};
use domain::AccessLevel::{Admin, Owner, Read};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::grantee::find_active as find_active_user;
use crate::State;

/// Returns the routes of permissions and ownership.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Collection(Admin)).handles(routes!(permissions::list)))
        // Not by API keys: a leaked key could give access that outlives it. The rate bounds guessing of names.
        .routes(
            Route::requires(Access::CollectionUserSession(Admin))
                .limit(Rate::per_minute(30))
                .idempotent()
                .handles(routes!(permissions::grant)),
        )
        .routes(Route::requires(Access::CollectionUserSession(Admin)).handles(routes!(permissions::revoke)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(permissions::show_own)))
        .routes(Route::requires(Access::Collection(Read)).handles(routes!(permissions::leave)))
        // The rate bounds guessing of names.
        .routes(
            Route::requires(Access::CollectionUserSession(Owner))
                .limit(Rate::per_minute(30))
                .conflict("Another user owns the collection by now.")
                .handles(routes!(ownership::offer)),
        )
        .routes(Route::requires(Access::CollectionUserSession(Owner)).handles(routes!(ownership::show_offer)))
        .routes(
            Route::requires(Access::CollectionUserSession(Owner))
                .conflict("Another user owns the collection by now.")
                .handles(routes!(ownership::withdraw)),
        )
        .routes(Route::requires(Access::UserSession).handles(routes!(ownership::list_offers)))
        .routes(
            Route::requires(Access::UserSession)
                .conflict("The caller has a collection of this name, or would exceed a quota.")
                .handles(routes!(ownership::accept)),
        )
        .routes(Route::requires(Access::UserSession).handles(routes!(ownership::decline)))
}
