//! The catalogue of connectors: the types of sources that can be added.

use access::{Access, Route};
use axum::Json;
use connectors::{ConfigField, Connector, SecretField};
use domain::AccessLevel::Read;
use domain::{ErrorKind, SecretType, SourceType};
use lambda::http::{ApiError, ApiPath};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::State;
use crate::openapi::words;

/// Returns the routes of connectors.
pub(crate) fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::default()
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(list)))
        .routes(Route::requires(Access::Caller(Read)).handles(routes!(show)))
}

/// A connector: a type of source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorResponse {
    /// The `source_type` of such a source.
    #[serde(rename = "type")]
    #[schema(value_type = words::ConnectorType)]
    source_type: &'static SourceType,
    #[serde(flatten)]
    definition: ConnectorDefinition,
}

/// What a connector reads, and what it needs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorDefinition {
    /// Its name for users.
    #[schema(example = "Directory")]
    name: &'static str,
    /// What it reads.
    description: &'static str,
    /// The settings in `source_config`; others are refused.
    fields: Vec<ConnectorFieldResponse>,
    /// The secrets that it uses.
    secrets: Vec<ConnectorSecretResponse>,
    /// JSON Schema of `source_config`, from which clients can draw a form.
    #[schema(value_type = Object)]
    config_schema: Value,
    /// JSON Schema of `secrets`.
    #[schema(value_type = Object)]
    secrets_schema: Value,
    /// A valid `source_config`.
    #[schema(value_type = Object)]
    example: Value,
}

/// A setting in `source_config`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorFieldResponse {
    /// Name of the field in `source_config`.
    name: &'static str,
    /// `text` for a string, `boolean`, `integer`, or `text_list` for a list of strings.
    #[serde(rename = "type")]
    #[schema(value_type = words::SettingType)]
    field_type: &'static str,
    /// Whether it must be given.
    required: bool,
    /// The value if it is left out; `null` if it is required.
    #[schema(value_type = Value)]
    default: Option<Value>,
    /// What the field means.
    description: &'static str,
}

/// A secret that a connector uses.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorSecretResponse {
    /// Type of the secret.
    #[schema(value_type = words::SecretType)]
    name: SecretType,
    /// Whether no source can be read without it.
    required: bool,
    /// What the secret is used for.
    description: &'static str,
}

/// One connector.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorDetailResponse {
    /// The `source_type` of such a source.
    #[serde(rename = "type")]
    #[schema(value_type = words::ConnectorType)]
    source_type: &'static SourceType,
    definition: ConnectorDefinition,
}

/// All connectors, by `type`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorsResponse {
    /// The connectors.
    connectors: Vec<ConnectorResponse>,
}

/// List the connectors
///
/// Every type of source that can be added, with its settings. Uploads need no source: see
/// `POST /api/v2/collections/{collection_id}/uploads`.
#[utoipa::path(
    get, path = "/api/v2/connectors", operation_id = "listConnectors", tag = "sources",
    responses((status = 200, body = ConnectorsResponse)),
)]
pub(crate) async fn list() -> Json<ConnectorsResponse> {
    let connectors = Connector::all().iter().map(|connector| ConnectorResponse {
        source_type: &connector.source_type,
        definition: (*connector).into(),
    });
    Json(ConnectorsResponse { connectors: connectors.collect() })
}

/// Show a connector
///
/// Returns its settings and the secrets that it uses.
#[utoipa::path(
    get, path = "/api/v2/connectors/{connector_type}", operation_id = "getConnector", tag = "sources",
    params(("connector_type" = String, Path, description = "The `type` of a connector in the list.", example = "directory")),
    responses((status = 200, body = ConnectorDetailResponse)),
)]
pub(crate) async fn show(
    ApiPath(connector_type): ApiPath<String>,
) -> Result<Json<ConnectorDetailResponse>, ApiError> {
    let Some(connector) = Connector::find(&connector_type) else {
        let message = format!("no connector {connector_type:?}; available: {}", Connector::names());
        return Err(ApiError::new(ErrorKind::NotFound, message));
    };
    Ok(Json(ConnectorDetailResponse { source_type: &connector.source_type, definition: connector.into() }))
}

impl From<&Connector> for ConnectorDefinition {
    fn from(connector: &Connector) -> Self {
        Self {
            name: connector.name,
            description: connector.description,
            fields: connector.fields.iter().map(ConnectorFieldResponse::from).collect(),
            secrets: connector.secrets.iter().map(ConnectorSecretResponse::from).collect(),
            config_schema: connector.config_schema(),
            secrets_schema: connector.secrets_schema(),
            example: (connector.example)(),
        }
    }
}

impl From<&ConfigField> for ConnectorFieldResponse {
    fn from(field: &ConfigField) -> Self {
        Self {
            name: field.name,
            field_type: field.value.type_name(),
            required: field.value.is_required(),
            default: field.value.default(),
            description: field.description,
        }
    }
}

impl From<&SecretField> for ConnectorSecretResponse {
    fn from(secret: &SecretField) -> Self {
        Self { name: secret.secret_type, required: secret.is_required, description: secret.description }
    }
}
