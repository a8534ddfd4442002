//! The audit log, which records every change with its author: `/api/v2/audit-log`, `/api/v2/collections/{id}/audit-log`.

mod change;
mod log;

use access::{Access, Route};
use domain::AccessLevel::Admin;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::change::{Change, difference, record};
use crate::State;

/// Returns the routes of the audit log.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Collection(Admin)).handles(routes!(log::list_of_collection)))
        .routes(Route::requires(Access::Superuser).handles(routes!(log::list)))
}
