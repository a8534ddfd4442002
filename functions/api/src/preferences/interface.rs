//! Preferences of the user interface.

use lambda::http::FieldErrors;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Settings of the user interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct InterfacePreferences {
    /// Polling interval of pages in milliseconds, 10,000 to 60,000.
    data_refresh_interval_ms: i64,
    /// Maximum number of points in the visualization of a collection, 10,000 to 500,000.
    visualization_sample_limit: i64,
    /// Whether pages use animations.
    animation_enabled: bool,
}

impl Default for InterfacePreferences {
    fn default() -> Self {
        Self {
            data_refresh_interval_ms: 30_000,
            visualization_sample_limit: 200_000,
            animation_enabled: true,
        }
    }
}

/// Changes of the user interface settings. Absent fields stay unchanged.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub(crate) struct InterfaceChanges {
    /// Polling interval of pages in milliseconds.
    #[schema(minimum = 10_000, maximum = 60_000)]
    data_refresh_interval_ms: Option<i64>,
    /// Maximum number of points in the visualization of a collection.
    #[schema(minimum = 10_000, maximum = 500_000)]
    visualization_sample_limit: Option<i64>,
    /// Whether pages use animations.
    animation_enabled: Option<bool>,
}

impl InterfacePreferences {
    /// Applies and validates the changes.
    pub(super) fn change(self, changes: &InterfaceChanges, errors: &mut FieldErrors) -> Self {
        let changed = Self {
            data_refresh_interval_ms: changes
                .data_refresh_interval_ms
                .unwrap_or(self.data_refresh_interval_ms),
            visualization_sample_limit: changes
                .visualization_sample_limit
                .unwrap_or(self.visualization_sample_limit),
            animation_enabled: changes.animation_enabled.unwrap_or(self.animation_enabled),
        };
        errors.range("interface.data_refresh_interval_ms", changed.data_refresh_interval_ms, 10_000..=60_000);
        errors.range(
            "interface.visualization_sample_limit",
            changed.visualization_sample_limit,
            10_000..=500_000,
        );
        changed
    }
}
