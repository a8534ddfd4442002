//! Checks a collection, and repairs it.

use std::collections::BTreeMap;

use client::{Client, Collection};
use serde_json::{Map, Value, json};

use super::{find_collection, watch};
use crate::Outcome;
use crate::failure::Failure;
use crate::output::{Output, remark, sanitize};

/// What all pages of a check found.
#[derive(Debug, Default)]
struct Found {
    checked: BTreeMap<String, u64>,
    mismatches: BTreeMap<String, u64>,
    discrepancies: Vec<Map<String, Value>>,
    in_progress: u64,
}

/// Runs `semantik integrity`.
pub async fn run(client: &Client, collection: &str, repair: bool, output: Output) -> Outcome {
    let collection = find_collection(client, collection).await?;
    let found = check(client, &collection).await?;
    if output.json && !repair {
        output.value(&json!({
            "collection_id": collection.id, "checked": found.checked, "mismatches": found.mismatches,
            "discrepancies": found.discrepancies, "in_progress": found.in_progress,
        }))?;
    } else if !output.json {
        print(&found, output)?;
    }
    if repair {
        let operation = client.repair(collection.id).await?;
        let operation = watch::until_it_ends(client, operation.id).await?;
        if output.json {
            output.value(&operation)?;
        } else {
            output.line(watch::describe(&operation))?;
        }
        return watch::judge(&operation);
    }
    if found.mismatches.is_empty() { Ok(()) } else { Err(Failure::Items) }
}

async fn check(client: &Client, collection: &Collection) -> Outcome<Found> {
    let mut found = Found::default();
    let mut cursor = None;
    loop {
        let page = client.integrity(collection.id, cursor.as_deref()).await?;
        for (kind, number) in page.mismatches {
            *found.mismatches.entry(kind).or_default() += number;
        }
        for (what, number) in page.checked {
            *found.checked.entry(what).or_default() += number;
        }
        found.discrepancies.extend(page.discrepancies);
        found.in_progress += page.in_progress;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(found);
        }
    }
}

fn print(found: &Found, output: Output) -> Outcome {
    for discrepancy in &found.discrepancies {
        let fields = discrepancy.iter().filter(|(name, value)| !value.is_null() && *name != "kind");
        let fields: Vec<String> = fields.map(|(name, value)| format!("{name} {value}")).collect();
        let kind = discrepancy.get("kind").and_then(Value::as_str).unwrap_or_default();
        output.line(sanitize(&format!("{kind}: {}", fields.join(", "))))?;
    }
    if found.in_progress > 0 {
        remark(&format!("{} left out, because an operation is working on them", found.in_progress))?;
    }
    let checked: Vec<String> =
        found.checked.iter().map(|(what, number)| format!("{number} {what}")).collect();
    let number = found.mismatches.values().sum::<u64>();
    let summary = if number == 0 {
        "everything agrees".to_owned()
    } else {
        format!("{number} discrepancies; --repair repairs them")
    };
    Ok(output.line(format!("{summary} ({} checked)", checked.join(", ")))?)
}
