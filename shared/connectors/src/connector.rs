//! What a connector declares.

use std::sync::Arc;

use domain::SourceType;
use serde_json::Value;

use crate::settings::Settings;
use crate::source::Source;
use crate::{ConfigField, ConnectorError, SecretField};

/// A type of source.
#[derive(Debug)]
pub struct Connector {
    /// The `source_type` of its sources.
    pub source_type: SourceType,
    /// Its name for users.
    pub name: &'static str,
    /// What it reads.
    pub description: &'static str,
    /// The settings in `source_config`; others are refused.
    pub fields: &'static [ConfigField],
    /// The secrets that it uses.
    pub secrets: &'static [SecretField],
    /// A valid `source_config`.
    pub example: fn() -> Value,
    /// The settings that a path stands for, if the connector reads such paths.
    pub(crate) settings_of_path: fn(&str) -> Option<Value>,
    /// Validates settings whose names and types are right, and may normalise them.
    pub(crate) parse: fn(&mut Settings) -> Result<Arc<dyn Source>, ConnectorError>,
}
