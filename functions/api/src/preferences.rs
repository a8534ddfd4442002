//! Preferences, stored per user on behalf of the clients: `/api/v2/preferences`. They never change how the
//! API interprets a request.

mod collection_defaults;
mod interface;
mod search;

use access::{Access, Caller, Route};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use db::Tx;
use db::accounts::StoredPreferences;
use domain::AccessLevel::{Read, Write};
use lambda::http::{ApiError, ApiJson, ClientInfo, ETag, FieldErrors, IfMatch};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::collection_defaults::{CollectionDefaults, CollectionDefaultsChanges};
use self::interface::{InterfaceChanges, InterfacePreferences};
use self::search::{SearchChanges, SearchPreferences};
use crate::State;
use crate::audit::{self, Change};

/// Returns the routes of preferences.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(show)))
        .routes(Route::requires(Access::UnrestrictedKey(Write)).versioned().handles(routes!(update)))
        .routes(Route::requires(Access::UnrestrictedKey(Write)).handles(routes!(reset_search)))
        .routes(Route::requires(Access::UnrestrictedKey(Write)).handles(routes!(reset_collection_defaults)))
        .routes(Route::requires(Access::UnrestrictedKey(Write)).handles(routes!(reset_interface)))
}

/// The preferences of a user.
#[derive(Debug, Clone, PartialEq, Default, Serialize, ToSchema)]
pub(crate) struct PreferencesResponse {
    /// Defaults of the search form.
    search: SearchPreferences,
    /// Defaults of the form for new collections.
    collection_defaults: CollectionDefaults,
    /// Settings of the user interface.
    interface: InterfacePreferences,
}

/// Changes of preferences. Absent groups and fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "search": { "top_k": 20, "similarity_threshold": 0.3 } }))]
pub(crate) struct UpdatePreferencesRequest {
    /// Defaults of the search form.
    search: Option<SearchChanges>,
    /// Defaults of the form for new collections.
    collection_defaults: Option<CollectionDefaultsChanges>,
    /// Settings of the user interface.
    interface: Option<InterfaceChanges>,
}

/// Show the caller's preferences
///
/// Returns the defaults before the first change.
#[utoipa::path(
    get, path = "/api/v2/preferences", operation_id = "getPreferences", tag = "preferences",
    responses((
        status = 200, body = PreferencesResponse,
        headers(("ETag" = String, description = "Version of the preferences, for `If-Match`.")),
    )),
)]
pub(crate) async fn show(Shared(state): Shared<State>, caller: Caller) -> Result<Response, ApiError> {
    let mut connection = state.db.connection().await?;
    let stored = connection.user_preferences().find(caller.principal.user_id).await?;
    respond(stored.map_or_else(|| Ok(PreferencesResponse::default()), PreferencesResponse::read)?)
}

/// Change the caller's preferences
///
/// Requires the scope `write`, of a key that is not limited to some collections. Only groups in the request are validated.
#[utoipa::path(
    put, path = "/api/v2/preferences", operation_id = "updatePreferences", tag = "preferences", request_body = UpdatePreferencesRequest,
    responses((
            status = 200, body = PreferencesResponse,
            headers(("ETag" = String, description = "Version of the preferences, for `If-Match`.")),
        )),
)]
pub(crate) async fn update(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    if_match: IfMatch,
    ApiJson(request): ApiJson<UpdatePreferencesRequest>,
) -> Result<Response, ApiError> {
    let mut tx = state.db.begin().await?;
    let stored = tx.user_preferences().lock(caller.principal.user_id).await?;
    let before = PreferencesResponse::read(stored)?;
    if_match.check(&ETag::of(&before)?)?;
    let mut checks = FieldErrors::default();
    let mut after = before.clone();
    // Stored groups are not validated again: a model that was since removed must not block other changes.
    if let Some(changes) = request.search {
        after.search = after.search.change(changes, &mut checks);
    }
    if let Some(changes) = request.collection_defaults {
        after.collection_defaults = after.collection_defaults.change(changes, &state, &mut checks);
    }
    if let Some(changes) = request.interface {
        after.interface = after.interface.change(&changes, &mut checks);
    }
    checks.finish()?;
    store(tx, &caller, &client, &before, after).await
}

/// Reset the search preferences
///
/// Requires the scope `write`, of a key that is not limited to some collections. Restores the defaults of the group `search`.
#[utoipa::path(
    post, path = "/api/v2/preferences/reset/search", operation_id = "resetSearchPreferences", tag = "preferences",
    responses((status = 200, body = PreferencesResponse)),
)]
pub(crate) async fn reset_search(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
) -> Result<Response, ApiError> {
    reset(&state, &caller, &client, |all| all.search = SearchPreferences::default()).await
}

/// Reset the collection defaults
///
/// Requires the scope `write`, of a key that is not limited to some collections. Restores the defaults of the group `collection_defaults`.
#[utoipa::path(
    post, path = "/api/v2/preferences/reset/collection-defaults", operation_id = "resetCollectionDefaults", tag = "preferences",
    responses((status = 200, body = PreferencesResponse)),
)]
pub(crate) async fn reset_collection_defaults(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
) -> Result<Response, ApiError> {
    reset(&state, &caller, &client, |all| all.collection_defaults = CollectionDefaults::default()).await
}

/// Reset the interface preferences
///
/// Requires the scope `write`, of a key that is not limited to some collections. Restores the defaults of the group `interface`.
#[utoipa::path(
    post, path = "/api/v2/preferences/reset/interface", operation_id = "resetInterfacePreferences", tag = "preferences",
    responses((status = 200, body = PreferencesResponse)),
)]
pub(crate) async fn reset_interface(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
) -> Result<Response, ApiError> {
    reset(&state, &caller, &client, |all| all.interface = InterfacePreferences::default()).await
}

async fn reset(
    state: &State,
    caller: &Caller,
    client: &ClientInfo,
    to_default: impl FnOnce(&mut PreferencesResponse),
) -> Result<Response, ApiError> {
    let mut tx = state.db.begin().await?;
    let stored = tx.user_preferences().lock(caller.principal.user_id).await?;
    let before = PreferencesResponse::read(stored)?;
    let mut after = before.clone();
    to_default(&mut after);
    store(tx, caller, client, &before, after).await
}

/// Stores and audits the preferences if they changed, and returns the response.
async fn store(
    mut tx: Tx,
    caller: &Caller,
    client: &ClientInfo,
    before: &PreferencesResponse,
    after: PreferencesResponse,
) -> Result<Response, ApiError> {
    if after != *before {
        tx.user_preferences().update(caller.principal.user_id, &after.write()?).await?;
        let change = Change {
            action: "preferences_changed",
            actor: caller.actor(),
            collection: None,
            operation_id: None,
            details: audit::difference(&before.flatten()?, &after.flatten()?),
        };
        audit::record(&mut tx, client, change).await?;
    }
    tx.commit().await?;
    respond(after)
}

fn respond(preferences: PreferencesResponse) -> Result<Response, ApiError> {
    Ok((ETag::of(&preferences)?, Json(preferences)).into_response())
}

impl PreferencesResponse {
    fn read(stored: StoredPreferences) -> Result<Self, ApiError> {
        fn group<T: DeserializeOwned>(stored: Value) -> Result<T, ApiError> {
            serde_json::from_value(stored).map_err(|error| ApiError::internal(&error))
        }
        Ok(Self {
            search: group(stored.search)?,
            collection_defaults: group(stored.collection_defaults)?,
            interface: group(stored.interface)?,
        })
    }

    fn write(&self) -> Result<StoredPreferences, ApiError> {
        fn group(preferences: &impl Serialize) -> Result<Value, ApiError> {
            serde_json::to_value(preferences).map_err(|error| ApiError::internal(&error))
        }
        Ok(StoredPreferences {
            search: group(&self.search)?,
            collection_defaults: group(&self.collection_defaults)?,
            interface: group(&self.interface)?,
        })
    }

    /// Returns all fields in one object, keyed `group.field` as in field errors.
    fn flatten(&self) -> Result<Value, ApiError> {
        let StoredPreferences { search, collection_defaults, interface } = self.write()?;
        let groups =
            [("search", search), ("collection_defaults", collection_defaults), ("interface", interface)];
        let mut fields = json!({});
        for (name, group) in groups {
            for (field, value) in group.as_object().into_iter().flatten() {
                fields[format!("{name}.{field}")] = value.clone();
            }
        }
        Ok(fields)
    }
}
