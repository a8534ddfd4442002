//! The catalogue of connectors: which types of sources can be added, and what each is told.

use axum::Json;
use connectors::{ConfigField, ConnectorType, SecretField};
use domain::{ErrorKind, SecretType, SourceType};
use lambda::http::{ApiError, ApiPath, Problem};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::openapi::words;

/// A type of source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorResponse {
    /// The `source_type` of such a source.
    #[serde(rename = "type")]
    #[schema(schema_with = words::source_type)]
    source_type: SourceType,
    #[serde(flatten)]
    definition: ConnectorDefinition,
}

/// What a type of source is, and what it is told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorDefinition {
    /// Its name for people.
    #[schema(example = "Directory")]
    name: &'static str,
    /// What it reads.
    description: &'static str,
    /// The settings in `source_config`; others are refused.
    fields: Vec<ConnectorFieldResponse>,
    /// The secrets that it can use.
    secrets: Vec<ConnectorSecretResponse>,
    /// A `source_config` that is accepted.
    #[schema(value_type = Object)]
    example: Value,
}

/// A setting in `source_config`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorFieldResponse {
    name: &'static str,
    /// `text`, `boolean` or `text_list`.
    #[serde(rename = "type")]
    field_type: &'static str,
    required: bool,
    /// What counts where nothing stands.
    #[schema(value_type = Value)]
    default: Option<Value>,
    description: &'static str,
}

/// A secret that a type of source can use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorSecretResponse {
    #[schema(schema_with = words::secret_type)]
    name: SecretType,
    required: bool,
    description: &'static str,
}

/// One type of source.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorDetailResponse {
    /// The `source_type` of such a source.
    #[serde(rename = "type")]
    #[schema(schema_with = words::source_type)]
    source_type: SourceType,
    definition: ConnectorDefinition,
}

/// All types of sources, by name.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorsResponse {
    connectors: Vec<ConnectorResponse>,
}

/// List the types of sources
///
/// All that this version can read, with the settings that each takes. Uploads are no type to add: see
/// `POST /api/v2/collections/{collection_id}/uploads`.
#[utoipa::path(
    get, path = "/api/v2/connectors", operation_id = "sources_connectors", tag = "sources",
    responses((status = 200, body = ConnectorsResponse)),
)]
pub(crate) async fn list() -> Json<ConnectorsResponse> {
    let connectors = ConnectorType::ALL.iter().map(|connector| ConnectorResponse {
        source_type: connector.source_type,
        definition: connector.into(),
    });
    Json(ConnectorsResponse { connectors: connectors.collect() })
}

/// Show a type of source
#[utoipa::path(
    get, path = "/api/v2/connectors/{connector_type}", operation_id = "sources_connector", tag = "sources",
    params(("connector_type" = String, Path, description = "`directory`, `file` or `s3`.")),
    responses(
        (status = 200, body = ConnectorDetailResponse),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "There is no such type."),
    ),
)]
pub(crate) async fn show(
    ApiPath(connector_type): ApiPath<String>,
) -> Result<Json<ConnectorDetailResponse>, ApiError> {
    let Some(connector) = ConnectorType::find(&connector_type) else {
        let message =
            format!("there is no connector {connector_type:?}; there are {}", ConnectorType::names());
        return Err(ApiError::new(ErrorKind::NotFound, message));
    };
    Ok(Json(ConnectorDetailResponse { source_type: connector.source_type, definition: connector.into() }))
}

impl From<&ConnectorType> for ConnectorDefinition {
    fn from(connector: &ConnectorType) -> Self {
        Self {
            name: connector.name,
            description: connector.description,
            fields: connector.fields.iter().map(ConnectorFieldResponse::from).collect(),
            secrets: connector.secrets.iter().map(ConnectorSecretResponse::from).collect(),
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
