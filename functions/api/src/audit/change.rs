//! Writes down who did what, in the transaction that did it.

use db::audit::AuditEntry;
use db::{DbError, Tx};
use domain::{Actor, CollectionId, OperationId};
use lambda::http::ClientInfo;
use serde_json::{Map, Value, json};

/// What of a text or an object is kept.
const MAX_CHARS: usize = 200;

/// One change.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    /// What was done, e.g. `collection_created`.
    pub action: &'static str,
    /// Who did it.
    pub actor: Actor,
    /// The collection it was done to, with its name.
    pub collection: Option<(CollectionId, &'a str)>,
    /// The operation it started.
    pub operation_id: Option<OperationId>,
    /// The change in short, an object. Never a secret.
    pub details: Value,
}

impl Change<'static> {
    /// A change of accounts, keys, sessions or the installation: of no collection.
    pub(crate) fn of_accounts(action: &'static str, actor: Actor, details: Value) -> Self {
        Self { action, actor, collection: None, operation_id: None, details }
    }
}

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

/// The fields that differ, `before` and `after`, in short.
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

/// Long texts are cut, large objects and lists counted.
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
    fn a_difference_names_what_changed_in_short() {
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
