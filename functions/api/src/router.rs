//! All routes of the API function, and what each asks of its caller.

use access::{Access, AccessState, Rate, Route};
use axum::routing::get;
use axum::{Extension, Router};
use domain::AccessLevel::{Admin, Owner, Read, Write};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{
    State, api_keys, audit_log, chunks, collections, connectors, content, docs, documents, health, limits,
    mcp_profiles, open_sessions, openapi, operation_cancel, operation_metrics, operations, ownership,
    passwords, permissions, preferences, rebuild, sessions, sources, sync, system_settings, trials, uploads,
    user_administration, users,
};

/// The routes, each described at `/api/openapi.json`.
pub fn router(state: State) -> Router {
    let guard = AccessState {
        db: state.db.clone(),
        tokens: state.tokens.clone(),
        rate_limits: state.limits.rate_limits,
    };
    let (router, _) = routes().split_for_parts();
    router
        // Other names for the same, as clients and load balancers know them, and the parts of a page.
        .route("/healthz", get(health::health))
        .route("/api/health", get(health::health))
        .route("/api/health/", get(health::health))
        .route("/api/docs/{file}", get(docs::part))
        .layer(Extension(guard))
        .with_state(state)
}

pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::with_openapi(openapi::frame())
        .merge(accounts())
        .merge(api_keys())
        .merge(administration())
        .merge(preferences())
        .merge(mcp_profiles())
        .merge(collections())
        .merge(sharing())
        .merge(sources())
        .merge(syncs())
        .merge(documents())
        .merge(chunking())
        .merge(operations())
        .merge(limits())
        .merge(audit())
        .merge(system())
}

fn accounts() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Public).limit(Rate::per_minute(30)).handles(routes!(users::register)))
        .routes(Route::needs(Access::Public).handles(routes!(sessions::login)))
        .routes(Route::needs(Access::Public).handles(routes!(sessions::refresh)))
        .routes(Route::needs(Access::UserSession).handles(routes!(sessions::logout)))
        .routes(Route::needs(Access::UserSession).handles(routes!(open_sessions::end_all)))
        .routes(Route::needs(Access::UserSession).handles(routes!(open_sessions::list)))
        .routes(Route::needs(Access::UserSession).handles(routes!(open_sessions::end)))
        // Each costs the work of three passwords.
        .routes(
            Route::needs(Access::UserSession).limit(Rate::per_minute(20)).handles(routes!(passwords::change)),
        )
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(users::me)))
        .routes(
            Route::needs(Access::UserSession).limit(Rate::per_minute(20)).handles(routes!(users::update_me)),
        )
}

fn api_keys() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        // A key that leaked must not be able to make others.
        .routes(
            Route::needs(Access::UserSession)
                .limit(Rate::per_hour(30))
                .idempotent()
                .handles(routes!(api_keys::create)),
        )
        .routes(Route::needs(Access::UserSession).handles(routes!(api_keys::list)))
        .routes(Route::needs(Access::UserSession).handles(routes!(api_keys::show)))
        .routes(Route::needs(Access::UserSession).handles(routes!(api_keys::update)))
        .routes(Route::needs(Access::UserSession).handles(routes!(api_keys::delete)))
        .routes(
            Route::needs(Access::UserSession)
                .limit(Rate::per_hour(30))
                .idempotent()
                .handles(routes!(api_keys::rotate)),
        )
}

fn administration() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Superuser).handles(routes!(user_administration::list)))
        .routes(Route::needs(Access::Superuser).idempotent().handles(routes!(user_administration::create)))
        .routes(Route::needs(Access::Superuser).handles(routes!(user_administration::show)))
        .routes(Route::needs(Access::Superuser).handles(routes!(user_administration::update)))
        .routes(Route::needs(Access::Superuser).handles(routes!(user_administration::set_password)))
        .routes(
            Route::needs(Access::Superuser).limit(Rate::per_minute(20)).handles(routes!(rebuild::rebuild)),
        )
        .routes(Route::needs(Access::Superuser).handles(routes!(system_settings::show)))
        .routes(Route::needs(Access::Superuser).handles(routes!(system_settings::update)))
}

fn mcp_profiles() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::needs(Access::Caller(Write)).idempotent().handles(routes!(mcp_profiles::create_profile)),
        )
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(mcp_profiles::list_profiles)))
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(mcp_profiles::show_profile)))
        .routes(Route::needs(Access::Caller(Write)).handles(routes!(mcp_profiles::update_profile)))
        .routes(Route::needs(Access::Caller(Write)).handles(routes!(mcp_profiles::delete_profile)))
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(mcp_profiles::show_profile_config)))
}

fn preferences() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(preferences::show)))
        .routes(Route::needs(Access::Caller(Write)).handles(routes!(preferences::update)))
        .routes(Route::needs(Access::Caller(Write)).handles(routes!(preferences::reset_search)))
        .routes(Route::needs(Access::Caller(Write)).handles(routes!(preferences::reset_collection_defaults)))
        .routes(Route::needs(Access::Caller(Write)).handles(routes!(preferences::reset_interface)))
}

fn collections() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::needs(Access::UnrestrictedKey(Write))
                .limit(Rate::per_minute(60))
                .idempotent()
                .handles(routes!(collections::create::create)),
        )
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(collections::list::list)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(collections::show)))
        .routes(Route::needs(Access::Collection(Admin)).handles(routes!(collections::update::update)))
        .routes(Route::needs(Access::Collection(Admin)).handles(routes!(collections::update::patch)))
        // It changes the settings, and costs as much as all uploads together.
        .routes(
            Route::needs(Access::Collection(Admin))
                .limit(Rate::per_hour(12))
                .idempotent()
                .handles(routes!(collections::reindex::start)),
        )
        .routes(
            Route::needs(Access::Collection(Admin))
                .limit(Rate::per_hour(12))
                .handles(routes!(collections::reindex::roll_back)),
        )
        .routes(
            Route::needs(Access::Collection(Owner))
                .limit(Rate::per_minute(60))
                .handles(routes!(collections::delete)),
        )
}

fn sharing() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Collection(Admin)).handles(routes!(permissions::list)))
        .routes(Route::needs(Access::Collection(Admin)).idempotent().handles(routes!(permissions::grant)))
        .routes(Route::needs(Access::Collection(Admin)).handles(routes!(permissions::revoke)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(permissions::show_own)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(permissions::give_up)))
        .routes(Route::needs(Access::CollectionUserSession(Owner)).handles(routes!(ownership::hand_over)))
}

fn sources() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::needs(Access::Collection(Write))
                .limit(Rate::per_minute(60))
                .idempotent()
                .handles(routes!(sources::add)),
        )
        // Paths and buckets tell of the owner's machines: readers of a public collection need them not.
        .routes(Route::needs(Access::Collection(Write)).handles(routes!(sources::list)))
        .routes(Route::needs(Access::Collection(Write)).handles(routes!(sources::show)))
        .routes(Route::needs(Access::Collection(Write)).handles(routes!(sources::removal::remove)))
        .routes(Route::needs(Access::Collection(Write)).handles(routes!(sources::removal::remove_by_path)))
        .routes(
            Route::needs(Access::Collection(Write))
                .limit(Rate::per_minute(60))
                .handles(routes!(sources::update::update)),
        )
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(connectors::list)))
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(connectors::show)))
}

fn syncs() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(
            Route::needs(Access::Collection(Write))
                .limit(Rate::per_minute(60))
                .idempotent()
                .handles(routes!(sync::run)),
        )
        .routes(Route::needs(Access::Collection(Admin)).handles(routes!(sync::pause)))
        .routes(Route::needs(Access::Collection(Admin)).handles(routes!(sync::resume)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(sync::list)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(sync::show)))
}

fn documents() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Collection(Write)).idempotent().handles(routes!(uploads::announce)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(uploads::list)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(uploads::show)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(documents::list::list)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(documents::failed::count_failed)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(documents::show)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(chunks::list)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(chunks::show)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(chunks::list_of_chunking)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(chunks::show_of_chunking)))
        .routes(Route::needs(Access::Collection(Write)).handles(routes!(documents::removal::delete)))
        .routes(
            Route::needs(Access::Collection(Write))
                .idempotent()
                .handles(routes!(documents::removal::restore)),
        )
        .routes(
            Route::needs(Access::Collection(Write)).idempotent().handles(routes!(documents::retry::retry)),
        )
        .routes(
            Route::needs(Access::Collection(Write))
                .idempotent()
                .handles(routes!(documents::retry::retry_failed)),
        )
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(content::download)))
}

fn chunking() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(trials::strategies::list)))
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(trials::strategies::show)))
        // Up to a megabyte goes through a tokenizer, once or several times.
        .routes(
            Route::needs(Access::Caller(Read))
                .limit(Rate::per_minute(30))
                .handles(routes!(trials::preview::preview)),
        )
        .routes(
            Route::needs(Access::Caller(Read))
                .limit(Rate::per_minute(10))
                .handles(routes!(trials::compare::compare)),
        )
}

fn operations() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(operations::list_of_collection)))
        .routes(Route::needs(Access::UnrestrictedKey(Read)).handles(routes!(operations::list)))
        .routes(Route::needs(Access::Operation(Read)).handles(routes!(operations::show)))
        .routes(Route::needs(Access::Operation(Read)).handles(routes!(operation_metrics::list_metrics)))
        .routes(Route::needs(Access::Operation(Write)).handles(routes!(operation_cancel::delete)))
        .routes(Route::needs(Access::Operation(Write)).handles(routes!(operation_cancel::cancel)))
}

fn limits() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(limits::show)))
        .routes(Route::needs(Access::Collection(Read)).handles(routes!(limits::show_of_collection)))
        .routes(Route::needs(Access::Superuser).handles(routes!(limits::administer_collection)))
        .routes(Route::needs(Access::Superuser).handles(routes!(limits::set_for_collection)))
        .routes(Route::needs(Access::Superuser).handles(routes!(limits::administer_user)))
        .routes(Route::needs(Access::Superuser).handles(routes!(limits::set_for_user)))
}

fn audit() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Collection(Admin)).handles(routes!(audit_log::list_of_collection)))
        .routes(Route::needs(Access::Superuser).handles(routes!(audit_log::list)))
}

fn system() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::needs(Access::Public).handles(routes!(health::system_info)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(health::api_health)))
        .routes(Route::needs(Access::Caller(Read)).handles(routes!(health::system_status)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(health::health)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(health::ready)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(openapi::describe)))
        .routes(Route::needs(Access::Public).unlimited().handles(routes!(docs::page)))
}
