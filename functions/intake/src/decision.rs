//! Pure decision logic: what to do with an object that arrived, or did not.
//!
//! An announced object is judged by its own announcement, whose id it carries as signed metadata and in its key. A
//! drop is judged by the document that it is a version of. Of two versions of one document the one that arrived
//! later wins; of two that arrived in the same instant, the one that was announced later.

use artifacts::ArrivedObject;
use chrono::{DateTime, Utc};
use db::uploads::{Arrival, LatestArrival, LockedUpload, Upload};
use domain::{UploadId, UploadStatus};

use crate::sighting::Sighting;

/// What to do with an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Index it.
    Accept(Arrival),
    /// Refuse the upload, and delete the object if there is one.
    Refuse {
        /// What is wrong, for the announcer.
        reason: String,
    },
    /// Delete the object if there is one: it is not needed any more.
    Discard,
    /// Nothing: it is stale, a duplicate, or not there yet.
    Leave,
    /// Record that nothing arrived before the presigned URL expired.
    Expire,
}

/// Decides about a drop that is in the bucket.
pub(crate) fn judge_drop(sighting: &Sighting, latest: &LatestArrival) -> Verdict {
    let Some(arrival) = arrival_of(sighting, &latest.uri, None) else {
        return Verdict::Leave;
    };
    match staleness(&arrival, latest) {
        Some(_) => Verdict::Leave,
        None => Verdict::Accept(arrival),
    }
}

/// Decides about an announced object, or about the announcement of one that is not there.
pub(crate) fn judge_announced(
    sighting: &Sighting,
    upload_id: UploadId,
    locked: Option<&LockedUpload>,
    may_write: bool,
    latest: &LatestArrival,
    now: DateTime<Utc>,
) -> Verdict {
    let Some(LockedUpload { upload, needs_object }) = locked else {
        return Verdict::Discard;
    };
    let Some(found) = &sighting.found else {
        return match upload.status {
            UploadStatus::Expected if !may_write => refuse(NO_ACCESS),
            UploadStatus::Expected if upload.expires_at < now && sighting.is_check() => Verdict::Expire,
            UploadStatus::Expected => Verdict::Leave,
            _ => Verdict::Discard,
        };
    };
    match upload.status {
        UploadStatus::Expected => {}
        UploadStatus::Received if upload.etag.as_ref() == Some(&found.etag) => {
            return if *needs_object { Verdict::Leave } else { Verdict::Discard };
        }
        UploadStatus::Received => {
            return refuse("its file had already arrived; announce it again to replace the document");
        }
        // It was refused before, and could not be deleted.
        UploadStatus::Refused => return Verdict::Discard,
        UploadStatus::Expired => {
            return refuse("the file arrived after the presigned URL had expired; announce it again");
        }
        UploadStatus::Withdrawn => {
            return refuse("the announcement was withdrawn before the file arrived; announce it again");
        }
    }
    if let Some(reason) = &sighting.refusal {
        return refuse(reason);
    }
    let is_copy = sighting.notices.iter().any(|notice| notice.is_copy);
    if is_copy || found.upload_id != Some(upload_id) {
        return refuse("the file was not sent to the presigned URL with its headers; announce it again");
    }
    if let Some(reason) = difference(upload, found) {
        return Verdict::Refuse { reason };
    }
    if !may_write {
        return refuse(NO_ACCESS);
    }
    let Some(arrival) = arrival_of(sighting, &latest.uri, Some(upload.created_at)) else {
        return Verdict::Leave;
    };
    match staleness(&arrival, latest) {
        Some(Stale::Repeated) | None => Verdict::Accept(arrival),
        Some(Stale::Deleted) => {
            refuse("the document was deleted after the file had arrived; upload it again to bring it back")
        }
        Some(Stale::Older) => {
            refuse("a newer file of the same name has arrived; upload this one again to replace it")
        }
    }
}

const NO_ACCESS: &str = "its announcer no longer has write access to the collection";

fn refuse(reason: &str) -> Verdict {
    Verdict::Refuse { reason: reason.to_owned() }
}

/// Returns how the object differs from what was announced.
fn difference(upload: &Upload, found: &ArrivedObject) -> Option<String> {
    if i64::try_from(found.size_bytes) != Ok(upload.size_bytes) {
        return Some(format!(
            "size: not as announced; must be {} bytes, got {}",
            upload.size_bytes, found.size_bytes
        ));
    }
    let content_type = found.content_type.as_deref().unwrap_or("none");
    if content_type != upload.content_type {
        return Some(format!(
            "content_type: not as announced; must be {:?}, got {content_type:?}",
            upload.content_type
        ));
    }
    let announced = upload.sha256.as_deref()?;
    match found.sha256.as_deref() {
        Some(sha256) if sha256 == announced => None,
        sha256 => Some(format!(
            "sha256: not as announced; must be {announced}, got {}",
            sha256.unwrap_or("no checksum")
        )),
    }
}

/// Returns the version that is in the bucket. `None` if the notices are about versions that were replaced.
fn arrival_of(sighting: &Sighting, uri: &str, not_before: Option<DateTime<Utc>>) -> Option<Arrival> {
    let notice = sighting.notice()?;
    let arrived_at = sighting.arrived_at(notice)?;
    Some(Arrival {
        uri: uri.to_owned(),
        object_key: sighting.path.clone(),
        etag: sighting.found.as_ref()?.etag.clone(),
        sequencer: notice.sequencer.clone(),
        // S3 says when it was written in whole seconds; an announcement was certainly before.
        arrived_at: not_before.map_or(arrived_at, |announced| arrived_at.max(announced)),
    })
}

/// Why an arrival changes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stale {
    /// It is the latest version itself.
    Repeated,
    /// The document was deleted after it arrived.
    Deleted,
    /// A later version has arrived.
    Older,
}

fn staleness(arrival: &Arrival, latest: &LatestArrival) -> Option<Stale> {
    if latest.deleted_at.is_some_and(|deleted_at| deleted_at >= arrival.arrived_at) {
        return Some(Stale::Deleted);
    }
    let before = latest.arrival.as_ref()?;
    if before.object_key == arrival.object_key {
        if let (Some(new), Some(old)) = (&arrival.sequencer, &before.sequencer) {
            return match compare_sequencers(new, old) {
                std::cmp::Ordering::Less => Some(Stale::Older),
                std::cmp::Ordering::Equal => Some(Stale::Repeated),
                std::cmp::Ordering::Greater => None,
            };
        }
        if before.etag == arrival.etag && before.arrived_at >= arrival.arrived_at {
            return Some(Stale::Repeated);
        }
    }
    (arrival.arrived_at < before.arrived_at).then_some(Stale::Older)
}

/// Compares sequencers of one key as S3 documents it: the shorter one is padded with zeros on the right.
fn compare_sequencers(one: &str, other: &str) -> std::cmp::Ordering {
    let length = one.len().max(other.len());
    let padded = |sequencer: &str| format!("{sequencer:0<length$}").to_ascii_uppercase();
    padded(one).cmp(&padded(other))
}

#[cfg(test)]
mod tests;
