//! The fields of a collection, validated when it is created or updated.

use std::ops::RangeInclusive;

use db::DbError;
use db::collections::Collections;
use domain::ErrorKind;
use lambda::http::ApiError;
use serde_json::{Map, Value};
use utoipa::openapi::schema::Object;

use crate::openapi::words;
use crate::validation::{Checks, has_nul};

/// Characters that have another meaning in file systems and URLs.
const FORBIDDEN_IN_NAMES: [char; 9] = ['/', '\\', '*', '?', '<', '>', ':', '"', '|'];
/// Sources are read once, when they are added.
pub(crate) const ONE_TIME: &str = "one_time";
/// Sources are read again on a schedule.
const CONTINUOUS: &str = "continuous";
const SYNC_MODES: [&str; 2] = [ONE_TIME, CONTINUOUS];
/// 15 minutes to a year.
const SYNC_INTERVAL_MINUTES: RangeInclusive<i64> = 15..=525_600;

/// The schema of a sync mode.
pub(crate) fn sync_mode() -> Object {
    words::one_of(SYNC_MODES.into_iter())
}

/// The schema of a sync mode that can be null.
pub(crate) fn optional_sync_mode() -> Object {
    words::one_of_or_null(SYNC_MODES.into_iter())
}

pub(super) fn check_name(checks: &mut Checks, name: &str) {
    checks.length("name", name, 1..=255);
    if let Some(bad) =
        name.chars().find(|character| FORBIDDEN_IN_NAMES.contains(character) || character.is_control())
    {
        checks.refuse(
            "name",
            format!("must not have any of / \\ * ? < > : \" | or control characters, got {bad:?}"),
        );
    }
}

pub(super) fn check_description(checks: &mut Checks, description: &str) {
    checks.length("description", description, 0..=4000);
    checks.no_nul("description", description);
}

pub(super) fn check_object(checks: &mut Checks, field: &str, object: &Map<String, Value>) {
    if has_nul(object) {
        checks.refuse(field, "must not have NUL characters");
    }
}

/// Checks the mode, and the interval, which a continuous collection needs.
pub(super) fn check_sync(checks: &mut Checks, mode: &str, interval_minutes: Option<i32>) {
    one_of(checks, "sync_mode", mode, &SYNC_MODES);
    match interval_minutes {
        Some(minutes) => {
            checks.range("sync_interval_minutes", minutes.into(), SYNC_INTERVAL_MINUTES);
        }
        None if mode == CONTINUOUS => {
            let (least, most) = (SYNC_INTERVAL_MINUTES.start(), SYNC_INTERVAL_MINUTES.end());
            checks.refuse(
                "sync_interval_minutes",
                format!("is missing; a continuous collection needs {least} to {most} minutes"),
            );
        }
        None => {}
    }
}

pub(crate) fn one_of(checks: &mut Checks, field: &str, got: &str, offered: &[&str]) {
    if !offered.contains(&got) {
        checks.refuse(field, format!("must be {}, got {got:?}", offered.join(" or ")));
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
