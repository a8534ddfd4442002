//! Administration of the installation by superusers: `/api/v2/admin`, `/api/v2/system-settings`.

mod limits;
mod rebuild;
mod source_grants;
mod system_settings;
mod users;

use access::{Access, Rate, Route};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes for superusers.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Superuser).handles(routes!(users::list)))
        .routes(
            Route::requires(Access::Superuser)
                .idempotent()
                .conflict("The username is taken.")
                .handles(routes!(users::create)),
        )
        .routes(Route::requires(Access::Superuser).handles(routes!(users::show)))
        .routes(
            Route::requires(Access::Superuser)
                .versioned()
                .conflict("The account is the last active superuser.")
                .handles(routes!(users::update)),
        )
        .routes(
            Route::requires(Access::Superuser)
                .conflict("The account is the caller's own.")
                .handles(routes!(users::set_password)),
        )
        .routes(
            Route::requires(Access::Superuser).limit(Rate::per_minute(20)).handles(routes!(rebuild::rebuild)),
        )
        .routes(
            Route::requires(Access::Superuser)
                .idempotent()
                .conflict("The place is already granted to this user, or to everyone.")
                .handles(routes!(source_grants::grant_source)),
        )
        .routes(Route::requires(Access::Superuser).handles(routes!(source_grants::list_source_grants)))
        .routes(Route::requires(Access::Superuser).handles(routes!(source_grants::revoke_source_grant)))
        .routes(Route::requires(Access::Superuser).handles(routes!(system_settings::show)))
        .routes(Route::requires(Access::Superuser).versioned().handles(routes!(system_settings::update)))
        .routes(Route::requires(Access::Superuser).handles(routes!(limits::show_for_collection)))
        .routes(Route::requires(Access::Superuser).versioned().handles(routes!(limits::set_for_collection)))
        .routes(Route::requires(Access::Superuser).handles(routes!(limits::show_for_user)))
        .routes(Route::requires(Access::Superuser).versioned().handles(routes!(limits::set_for_user)))
}
