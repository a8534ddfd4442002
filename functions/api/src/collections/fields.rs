//! The fields of a collection, validated when it is created or updated.

use std::ops::RangeInclusive;

use db::DbError;
use db::collections::Collections;
use domain::{ErrorKind, refuse_invisible, to_nfc};
use lambda::http::{ApiError, FieldErrors};
use serde_json::{Map, Value};

/// Characters that have another meaning in file systems and URLs.
const FORBIDDEN_IN_NAMES: [char; 9] = ['/', '\\', '*', '?', '<', '>', ':', '"', '|'];
/// Sources are read once, when they are added.
pub(crate) const ONE_TIME: &str = "one_time";
/// Sources are read again on a schedule.
const CONTINUOUS: &str = "continuous";
/// The most bytes of a collection's metadata as JSON: every check of access reads it, and the audit log keeps it.
const MAX_METADATA_BYTES: usize = 16 * 1024;
/// Whether sources are read once or also on a schedule.
pub(crate) const SYNC_MODES: [&str; 2] = [ONE_TIME, CONTINUOUS];
/// 15 minutes to a year.
const SYNC_INTERVAL_MINUTES: RangeInclusive<i64> = 15..=525_600;

/// Checks a name and returns it as it is stored: without surrounding white space, in Normalization Form C.
pub(super) fn check_name(errors: &mut FieldErrors, name: &str) -> String {
    let name = to_nfc(name.trim());
    errors.length("name", &name, 1..=255);
    if let Some(bad) =
        name.chars().find(|character| FORBIDDEN_IN_NAMES.contains(character) || character.is_control())
    {
        errors.add(
            "name",
            format!("contains a character that is not allowed; all but / \\ * ? < > : \" | and control characters allowed, got {bad:?}"),
        );
    } else if !name.is_empty()
        && let Some(reason) = refuse_invisible(&name)
    {
        errors.add("name", reason);
    }
    name
}

pub(super) fn check_description(errors: &mut FieldErrors, description: &str) {
    errors.length("description", description, 0..=4000);
    errors.no_nul("description", description);
}

/// Checks the size of a collection's metadata and that PostgreSQL can store it.
pub(super) fn check_metadata(errors: &mut FieldErrors, metadata: &Map<String, Value>) {
    let size = serde_json::to_string(metadata).map_or(usize::MAX, |json| json.len());
    if size > MAX_METADATA_BYTES {
        errors.add("metadata", format!("too large; {MAX_METADATA_BYTES} bytes of JSON allowed, got {size}"));
    }
    check_object(errors, "metadata", metadata);
}

pub(super) fn check_object(errors: &mut FieldErrors, field: &str, object: &Map<String, Value>) {
    if has_nul(object) {
        errors.add(field, "contains a NUL character; every other character is allowed");
    }
    if object.values().any(has_unreadable_number) {
        errors.add(
            field,
            format!("contains a number that is too large; -{MAX_NUMBER:e} to {MAX_NUMBER:e} allowed"),
        );
    }
}

/// Checks the mode, and the interval, which a continuous collection needs.
pub(super) fn check_sync(errors: &mut FieldErrors, mode: &str, interval_minutes: Option<i32>) {
    errors.one_of("sync_mode", mode, &SYNC_MODES);
    match interval_minutes {
        Some(minutes) => {
            errors.range("sync_interval_minutes", minutes.into(), SYNC_INTERVAL_MINUTES);
        }
        None if mode == CONTINUOUS => {
            let (least, most) = (SYNC_INTERVAL_MINUTES.start(), SYNC_INTERVAL_MINUTES.end());
            errors.add(
                "sync_interval_minutes",
                format!("is missing; a continuous collection needs {least} to {most} minutes"),
            );
        }
        None => {}
    }
}

/// Converts the error of a change: names are unique per owner.
pub(super) fn explain(error: DbError, name: &str, is_owner: bool) -> ApiError {
    if error.constraint() != Some(Collections::NAME_CONSTRAINT) {
        return error.into();
    }
    let who_has = if is_owner { "you already have" } else { "its owner already has" };
    ApiError::new(ErrorKind::Conflict, format!("{who_has} a collection named {name:?}; choose another name"))
}

/// Returns whether a text in the object has a NUL character, which PostgreSQL cannot store.
/// The largest number. PostgreSQL returns larger ones with all their digits, which are then read as out of range.
const MAX_NUMBER: f64 = 1e300;

fn has_unreadable_number(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() > MAX_NUMBER),
        Value::Array(items) => items.iter().any(has_unreadable_number),
        Value::Object(object) => object.values().any(has_unreadable_number),
        _ => false,
    }
}

fn has_nul(object: &Map<String, Value>) -> bool {
    fn value_has_nul(value: &Value) -> bool {
        match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(value_has_nul),
            Value::Object(object) => has_nul(object),
            _ => false,
        }
    }
    object.iter().any(|(key, value)| key.contains('\0') || value_has_nul(value))
}
