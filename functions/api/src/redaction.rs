//! Redaction for callers with read access: locations of sources (paths, buckets, hosts) reveal the owner's
//! infrastructure, so only callers with write access see them.

use domain::AccessLevel;
use serde_json::Value;

/// The fields of an operation's `config` that locate its source.
const SOURCE_FIELDS: [&str; 2] = ["source_path", "source_config"];

/// Returns whether callers with this access level may see the locations of sources.
fn may_see_sources(access: AccessLevel) -> bool {
    access >= AccessLevel::Write
}

/// Removes the location of the source from an operation's `config`, unless the access level permits it.
pub(crate) fn redact_config(access: AccessLevel, mut config: Value) -> Value {
    if let Some(config) = config.as_object_mut().filter(|_| !may_see_sources(access)) {
        config.retain(|field, _| !SOURCE_FIELDS.contains(&field.as_str()));
    }
    config
}

/// Removes the absolute path or URL of a document, unless the access level permits it.
pub(crate) fn redact_uri(access: AccessLevel, uri: Option<String>) -> Option<String> {
    uri.filter(|_| may_see_sources(access))
}

/// Replaces an error message about sources, unless the access level permits it.
pub(crate) fn redact_error(access: AccessLevel, message: Option<String>) -> Option<String> {
    message.map(|message| {
        if may_see_sources(access) {
            return message;
        }
        "hidden; write access to the collection is required to see the error".to_owned()
    })
}
