//! Profiles of the MCP (Model Context Protocol) server, which AI assistants search with: `/api/v2/mcp/profiles`.

mod client_config;
mod profiles;
mod settings;

use access::{Access, Route};
use domain::AccessLevel::{Read, Write};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of MCP profiles.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::requires(Access::UnrestrictedKey(Write))
                .idempotent()
                .conflict("The caller has a profile of this name.")
                .handles(routes!(profiles::create_profile)),
        )
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(profiles::list_profiles)))
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(profiles::show_profile)))
        .routes(
            Route::requires(Access::UnrestrictedKey(Write))
                .versioned()
                .conflict("The caller has a profile of this name.")
                .handles(routes!(profiles::update_profile)),
        )
        .routes(Route::requires(Access::UnrestrictedKey(Write)).handles(routes!(profiles::delete_profile)))
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(profiles::show_profile_config)))
}
