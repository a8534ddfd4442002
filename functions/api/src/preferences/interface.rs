//! How pages look to a user.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::validation::Checks;

/// How pages look to this user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct InterfacePreferences {
    /// How often pages ask for news, in milliseconds.
    data_refresh_interval_ms: i64,
    /// The most points that a picture of a collection shows.
    visualization_sample_limit: i64,
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

/// What to change of it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InterfaceChanges {
    #[schema(minimum = 10_000, maximum = 60_000)]
    data_refresh_interval_ms: Option<i64>,
    #[schema(minimum = 10_000, maximum = 500_000)]
    visualization_sample_limit: Option<i64>,
    animation_enabled: Option<bool>,
}

impl InterfacePreferences {
    pub(super) fn change(self, changes: &InterfaceChanges, checks: &mut Checks) -> Self {
        let changed = Self {
            data_refresh_interval_ms: changes
                .data_refresh_interval_ms
                .unwrap_or(self.data_refresh_interval_ms),
            visualization_sample_limit: changes
                .visualization_sample_limit
                .unwrap_or(self.visualization_sample_limit),
            animation_enabled: changes.animation_enabled.unwrap_or(self.animation_enabled),
        };
        checks.range("interface.data_refresh_interval_ms", changed.data_refresh_interval_ms, 10_000..=60_000);
        checks.range(
            "interface.visualization_sample_limit",
            changed.visualization_sample_limit,
            10_000..=500_000,
        );
        changed
    }
}
