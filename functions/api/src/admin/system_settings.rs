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
    /// Whether anyone can register an account. If `false`, superusers create the accounts.
    registration_open: bool,
    /// When the settings were last changed; `null` if never.
    updated_at: Option<DateTime<Utc>>,
    /// The user who changed them last; `null` if never changed or if the account was deleted.
    #[schema(value_type = Option<i64>)]
    updated_by: Option<UserId>,
}

impl From<Settings> for SystemSettingsResponse {
    fn from(settings: Settings) -> Self {
        Self {
            registration_open: settings.registration_open,
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
    fn of(settings: &Settings) -> Self {
        Self { registration_open: settings.registration_open }
    }
}

/// Show the installation's settings
///
/// Requires a superuser.
#[utoipa::path(
    get, path = "/api/v2/system-settings", operation_id = "administration_show_settings", tag = "administration",
    responses((status = 200, body = SystemSettingsResponse, headers(("ETag" = String, description = "Version of the settings, for `If-Match`.")))),
)]
pub(crate) async fn show(
    Shared(state): Shared<State>,
) -> Result<(ETag, Json<SystemSettingsResponse>), ApiError> {
    let settings = state.db.connection().await?.system_settings().find().await?;
    Ok((ETag::of(&Editable::of(&settings))?, Json(settings.into())))
}

/// Change the installation's settings
///
/// Requires a superuser. Takes effect with the next request.
#[utoipa::path(
    patch, path = "/api/v2/system-settings", operation_id = "administration_update_settings",
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
    let before = tx.system_settings().lock().await?;
    if_match.check(&ETag::of(&Editable::of(&before))?)?;
    let registration_open = request.registration_open.unwrap_or(before.registration_open);
    if registration_open != before.registration_open {
        let by = caller.principal.user_id;
        tx.system_settings().set_registration_open(registration_open, by, Utc::now()).await?;
    }
    let after = tx.system_settings().find().await?;
    if Editable::of(&after) != Editable::of(&before) {
        let details = json!({ "before": Editable::of(&before), "after": Editable::of(&after) });
        let change = Change::of_accounts("system_settings_changed", caller.actor(), details);
        audit::record(&mut tx, &client, change).await?;
    }
    tx.commit().await?;
    Ok((ETag::of(&Editable::of(&after))?, Json(after.into())))
}
