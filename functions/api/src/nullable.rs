//! Request fields whose absence differs from `null`.

use serde::{Deserialize, Deserializer};

/// Deserializes `null` as `Some(None)`; with `#[serde(default)]`, an absent field is `None`.
pub(crate) fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
