//! Webhooks, by which accounts are notified of events: `/api/v2/webhooks`.

mod create;
mod deliveries;
mod fields;
mod find;
mod manage;
mod response;
mod rotate;
mod test;

use access::{Access, Rate, Route};
use domain::AccessLevel::{Admin, Read};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;

/// Returns the routes of webhooks. A key that is limited to some collections is refused: a webhook tells of all that its
/// account owns.
pub(crate) fn routes() -> OpenApiRouter<State> {
    let change = || Route::requires(Access::UnrestrictedKey(Admin));
    OpenApiRouter::default()
        .routes(
            change()
                .limit(Rate::per_hour(60))
                .idempotent()
                .conflict("The caller has 20 webhooks.")
                .handles(routes!(create::create)),
        )
        .routes(Route::requires(Access::UnrestrictedKey(Read)).handles(routes!(manage::list)))
        .routes(Route::requires(Access::UnrestrictedKey(Read)).handles(routes!(manage::show)))
        .routes(change().versioned().handles(routes!(manage::update)))
        .routes(change().handles(routes!(manage::delete)))
        .routes(change().limit(Rate::per_hour(60)).idempotent().handles(routes!(rotate::rotate_secret)))
        .routes(change().idempotent().conflict("The webhook is disabled.").handles(routes!(test::send_test)))
        .routes(Route::requires(Access::UnrestrictedKey(Read)).handles(routes!(deliveries::list)))
        .routes(
            change()
                .conflict("The webhook is disabled, or the delivery is still being attempted.")
                .handles(routes!(deliveries::redeliver)),
        )
}
