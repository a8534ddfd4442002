//! Settings of the installation that superusers change at run time.

use access::Caller;
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, Utc};
use db::system::Settings;
use domain::UserId;
use lambda::http::{ApiError, ApiJson, ClientInfo, ETag, IfMatch};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use crate::State;
use crate::audit::{self, Change};

/// Settings of the installation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemSettingsResponse {
    /// Whether anyone can register an account. If `false`, superusers create the accounts. Until a superuser sets it, the
    /// deployment's parameter `Registration` decides.
    registration_open: bool,
    /// When the settings were last changed; `null` if never.
    updated_at: Option<DateTime<Utc>>,
    /// The user who changed them last; `null` if never changed or if the account was deleted.
    #[schema(value_type = Option<i64>)]
    updated_by: Option<UserId>,
}

impl SystemSettingsResponse {
    fn new(state: &State, settings: &Settings) -> Self {
        Self {
            registration_open: state.is_registration_open(settings),
            updated_at: settings.updated_at,
            updated_by: settings.updated_by,
        }
    }
}

/// Changes of the settings. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct UpdateSystemSettingsRequest {
    /// Whether anyone can register an account.
    #[schema(example = true)]
    registration_open: Option<bool>,
}

/// The fields that can be changed: hashed into the `ETag`, and recorded in the audit log.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Editable {
    registration_open: bool,
}

impl Editable {
    fn of(state: &State, settings: &Settings) -> Self {
        Self { registration_open: state.is_registration_open(settings) }
    }
}

/// Show the installation's settings
///
/// Requires a superuser.
#[utoipa::path(
    get, path = "/api/v2/system-settings", operation_id = "getSystemSettings", tag = "administration",
    responses((status = 200, body = SystemSettingsResponse, headers(("ETag" = String, description = "Version of the settings, for `If-Match`.")))),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
) -> Result<(ETag, Json<SystemSettingsResponse>), ApiError> {
    let settings = state.db.connection().await?.system_settings().find().await?;
    let response = SystemSettingsResponse::new(&state, &settings);
    Ok((ETag::of(&Editable::of(&state, &settings))?, Json(response)))
}

/// Change the installation's settings
///
/// Requires a superuser. Takes effect with the next request.
#[utoipa::path(
    patch, path = "/api/v2/system-settings", operation_id = "updateSystemSettings",
    tag = "administration", request_body = UpdateSystemSettingsRequest,
    responses((status = 200, body = SystemSettingsResponse, headers(("ETag" = String, description = "Version of the settings, for `If-Match`.")))),
)]
pub(crate) async fn update(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    if_match: IfMatch,
    ApiJson(request): ApiJson<UpdateSystemSettingsRequest>,
) -> Result<(ETag, Json<SystemSettingsResponse>), ApiError> {
    let mut tx = state.db.begin().await?;
    let stored = tx.system_settings().lock().await?;
    let before = Editable::of(&state, &stored);
    if_match.check(&ETag::of(&before)?)?;
    // A decision that agrees with the deployment is stored, too: it outlasts a change of the deployment.
    if let Some(is_open) =
        request.registration_open.filter(|wanted| stored.registration_open != Some(*wanted))
    {
        tx.system_settings().set_registration_open(is_open, caller.principal.user_id, Utc::now()).await?;
    }
    let stored = tx.system_settings().find().await?;
    let after = Editable::of(&state, &stored);
    if after != before {
        let details = json!({ "before": before, "after": after });
        let change = Change::of_accounts("system_settings_changed", caller.actor(), details);
        audit::record(&mut tx, &client, change).await?;
    }
    tx.commit().await?;
    Ok((ETag::of(&after)?, Json(SystemSettingsResponse::new(&state, &stored))))
}
