//! What those are not told who may only read: where the sources of a collection are. Paths, buckets and
//! hosts tell of its owner's machines.

use domain::AccessLevel;
use serde_json::Value;

/// What an operation's `config` says of its source.
const SOURCE_FIELDS: [&str; 2] = ["source_path", "source_config"];

/// Whether a caller with this access is told where sources are.
fn knows_sources(access: AccessLevel) -> bool {
    access >= AccessLevel::Write
}

/// An operation's `config` as this caller may see it.
pub(crate) fn config(access: AccessLevel, mut config: Value) -> Value {
    if let Some(config) = config.as_object_mut().filter(|_| !knows_sources(access)) {
        config.retain(|field, _| !SOURCE_FIELDS.contains(&field.as_str()));
    }
    config
}

/// Why something did not go well with sources, as this caller may know it.
pub(crate) fn reason(access: AccessLevel, reason: Option<String>) -> Option<String> {
    reason.map(|reason| {
        if knows_sources(access) {
            return reason;
        }
        "those who may write to the collection are told why".to_owned()
    })
}
