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
use http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of accounts.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Public).limit(Rate::per_minute(30)).problem(StatusCode::FORBIDDEN, "Registration is disabled.").conflict("The username is taken.").handles(routes!(register::register)))
        .routes(Route::requires(Access::Public).problem(StatusCode::UNAUTHORIZED, "The username or the password is wrong.").problem(StatusCode::FORBIDDEN, "The account is deactivated.").problem(StatusCode::TOO_MANY_REQUESTS, "Too many failed attempts; retry after the number of seconds in `Retry-After`.").handles(routes!(login::login)))
        .routes(Route::requires(Access::Public).problem(StatusCode::BAD_REQUEST, "The refresh token is missing, or the request body is not valid JSON.").problem(StatusCode::UNAUTHORIZED, "The refresh token is unknown, used, revoked or expired.").problem(StatusCode::FORBIDDEN, "The account is deactivated.").handles(routes!(login::refresh)))
        .routes(Route::requires(Access::UserSession).handles(routes!(login::logout)))
        .routes(Route::requires(Access::UserSession).handles(routes!(sessions::end_all)))
        .routes(Route::requires(Access::UserSession).handles(routes!(sessions::list)))
        .routes(Route::requires(Access::UserSession).handles(routes!(sessions::end)))
        // Each request hashes up to three passwords.
        .routes(
            Route::requires(Access::UserSession).limit(Rate::per_minute(20)).conflict("Another request changed the password at the same time.").problem(StatusCode::TOO_MANY_REQUESTS, "Too many failed attempts; retry after the number of seconds in `Retry-After`.").handles(routes!(passwords::change)),
        )
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(me::me)))
        .routes(Route::requires(Access::UserSession).limit(Rate::per_minute(20)).versioned().problem(StatusCode::TOO_MANY_REQUESTS, "Too many requests or wrong passwords; retry after the number of seconds in `Retry-After`.").handles(routes!(me::update_me)))
}
