//! Recording changes in the audit log, within the transaction that makes them.

use db::audit::AuditEntry;
use db::{DbError, Tx};
use domain::{Actor, CollectionId, OperationId};
use lambda::http::ClientInfo;
use serde_json::{Map, Value, json};

/// Longer values are truncated in the audit log.
const MAX_CHARS: usize = 200;

/// A change to record.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// The action, for example `collection_created`.
    pub action: &'static str,
    /// The user and, if one was used, the API key.
    pub actor: Actor,
    /// The changed collection and its name.
    pub collection: Option<(CollectionId, &'a str)>,
    /// The operation that the change started.
    pub operation_id: Option<OperationId>,
    /// A JSON object with the essentials of the change. Must not contain secrets.
    pub details: Value,
}

impl Change<'static> {
    /// Returns a change that concerns no collection: of accounts, API keys, sessions or settings.
    pub(crate) fn of_accounts(action: &'static str, actor: Actor, details: Value) -> Self {
        Self { action, actor, collection: None, operation_id: None, details }
    }
}

/// Inserts the change into the audit log.
pub(crate) async fn record(tx: &mut Tx, client: &ClientInfo, change: Change<'_>) -> Result<(), DbError> {
    let entry = AuditEntry {
        collection_id: change.collection.map(|(id, _)| id),
        collection_name: change.collection.map(|(_, name)| name),
        operation_id: change.operation_id,
        actor: Some(change.actor),
        action: change.action,
        details: &change.details,
        ip_address: client.ip_address.as_deref(),
        user_agent: client.user_agent.as_deref(),
        request_id: Some(&client.request_id),
    };
    tx.audit_log().insert(&entry).await
}

/// Returns the fields that differ as `{"before": {..}, "after": {..}}`, with long values truncated.
pub(crate) fn difference(before: &Value, after: &Value) -> Value {
    let mut difference = [Map::new(), Map::new()];
    for (fields, [old, new]) in [(before, [before, after]), (after, [before, after])] {
        for key in fields.as_object().into_iter().flat_map(Map::keys) {
            if old.get(key) == new.get(key) {
                continue;
            }
            for (side, fields) in difference.iter_mut().zip([old, new]) {
                side.insert(key.clone(), fields.get(key).map_or(Value::Null, shorten));
            }
        }
    }
    let [before, after] = difference;
    json!({ "before": before, "after": after })
}

/// Truncates long strings; replaces large objects and arrays by their size.
fn shorten(value: &Value) -> Value {
    match value {
        Value::String(text) if text.chars().count() > MAX_CHARS => {
            format!("{}…", text.chars().take(MAX_CHARS).collect::<String>()).into()
        }
        Value::Object(fields) if value.to_string().len() > MAX_CHARS => {
            format!("{} fields", fields.len()).into()
        }
        Value::Array(entries) if value.to_string().len() > MAX_CHARS => {
            format!("{} entries", entries.len()).into()
        }
        short => short.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn difference_lists_changed_fields_with_long_values_truncated() {
        let before = json!({ "name": "a", "kept": 1, "text": "x".repeat(1000), "notes": {}, "gone": true });
        let many: Map<String, Value> = (0..100).map(|n| (format!("key {n}"), n.into())).collect();
        let after = json!({ "name": "b", "kept": 1, "text": null, "notes": many });
        assert_eq!(
            difference(&before, &after),
            json!({
                "before": { "name": "a", "text": format!("{}…", "x".repeat(200)), "notes": {}, "gone": true },
                "after": { "name": "b", "text": null, "notes": "100 fields", "gone": null },
            })
        );
    }
}
