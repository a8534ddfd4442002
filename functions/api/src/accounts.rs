//! Accounts, sign-in and user sessions: `/api/auth`.

mod login;
mod login_throttle;
mod me;
pub(crate) mod passwords;
mod register;
mod sessions;
pub(crate) mod users;

use access::{Access, Rate, Route};
use domain::AccessLevel::Read;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of accounts.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Public).limit(Rate::per_minute(30)).handles(routes!(register::register)))
        .routes(Route::needs(Access::Public).handles(routes!(login::login)))
        .routes(Route::needs(Access::Public).handles(routes!(login::refresh)))
        .routes(Route::needs(Access::UserSession).handles(routes!(login::logout)))
        .routes(Route::needs(Access::UserSession).handles(routes!(sessions::end_all)))
        .routes(Route::needs(Access::UserSession).handles(routes!(sessions::list)))
        .routes(Route::needs(Access::UserSession).handles(routes!(sessions::end)))
        // Each request hashes up to three passwords.
        .routes(
            Route::needs(Access::UserSession).limit(Rate::per_minute(20)).handles(routes!(passwords::change)),
        )
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(me::me)))
        .routes(Route::needs(Access::UserSession).limit(Rate::per_minute(20)).handles(routes!(me::update_me)))
}
