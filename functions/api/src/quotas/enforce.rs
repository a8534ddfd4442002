//! Quotas of users and of storage, checked after a request has inserted its rows, in the same transaction
//! and under a lock, so that two concurrent requests cannot both take the last place.
//!
//! The quotas of operations and sources are checked where operations start: in the crate `dispatch`.

use db::Tx;
use domain::{CollectionId, ErrorKind, UserId};
use lambda::http::ApiError;

/// Checks the quota of collections of a user who has just got one.
///
/// # Errors
/// Returns `Conflict` if it is one too many.
pub(crate) async fn check_collections(tx: &mut Tx, owner_id: UserId) -> Result<(), ApiError> {
    let owner = tx.users().lock(owner_id).await?;
    let owner = owner.ok_or_else(|| ApiError::not_found("user", owner_id))?;
    let limits = tx.user_resource_limits().find(owner_id).await?;
    let usage = tx.user_resource_limits().usage(owner_id).await?;
    if usage.collections <= i64::from(limits.max_collections) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Conflict,
        format!(
            "{} has {} of at most {} collections; delete one, or ask an administrator for a higher limit",
            owner.username,
            usage.collections - 1,
            limits.max_collections
        ),
    ))
}

/// Open announcements of one user at most.
const MAX_OPEN_UPLOADS: i64 = 1000;

/// Checks the quotas of documents and bytes for the uploads that were just announced, together with those
/// that were announced before and have not arrived. Arrived uploads are counted again when they are
/// staged; this check saves the client an upload that would fail.
///
/// The announcer has a limit too: so many announcements, and in collections of others as many bytes as the announcer's
/// own quota of storage.
///
/// # Errors
/// Returns `Conflict` if a quota would be exceeded.
pub(crate) async fn check_uploads(
    tx: &mut Tx,
    id: CollectionId,
    owner_id: UserId,
    announcer_id: UserId,
) -> Result<(), ApiError> {
    // Serializes all requests that add to collections of this owner, and all announcements of this user. In the order
    // of their ids, so that two requests cannot wait for each other.
    let (first_id, last_id) = (announcer_id.min(owner_id), announcer_id.max(owner_id));
    let first = tx.user_resource_limits().lock(first_id).await?;
    let last = if last_id == first_id { first } else { tx.user_resource_limits().lock(last_id).await? };
    let (owner_limits, announcer_limits) = if owner_id == first_id { (first, last) } else { (last, first) };
    let open = tx.uploads().open_of(announcer_id).await?;
    check_open("announcements", open.count, MAX_OPEN_UPLOADS)?;
    // The bytes of the owner's announcements are checked below, with what they replace.
    if announcer_id != owner_id {
        check_open("bytes in announcements", open.bytes, announcer_limits.max_storage_bytes)?;
    }
    let limits = tx.collection_resource_limits().find(id).await?;
    let room = tx.collection_resource_limits().projected_usage(id).await?;
    let who = "the collection";
    check_room(who, "documents", room.documents, room.expected_documents, limits.max_documents)?;
    check_room(who, "bytes", room.bytes, room.expected_bytes, limits.max_storage_bytes)?;
    let (who, most) = ("all collections of its owner", owner_limits.max_storage_bytes);
    check_room(who, "bytes", room.owner_bytes, room.owner_expected_bytes, most)
}

fn check_open(what: &str, open: i64, most: i64) -> Result<(), ApiError> {
    if open <= most {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Conflict,
        format!(
            "with these files you would have {open} open {what}, and at most {most} are allowed; upload or withdraw \
             some, or wait until they expire"
        ),
    ))
}

fn check_room(who: &str, unit: &str, used: i64, expected: i64, most: i64) -> Result<(), ApiError> {
    // Uploads that add nothing are always accepted.
    if expected == 0 || used + expected <= most {
        return Ok(());
    }
    // A deleted document is no document any more, and holds its bytes until it is purged.
    let advice = if unit == "bytes" { "purge some documents" } else { "delete some" };
    Err(ApiError::new(
        ErrorKind::Conflict,
        format!(
            "{used} of at most {most} {unit} are used by {who}, and with these files {expected} more would be \
             announced; {advice}, or ask an administrator for a higher limit"
        ),
    ))
}

/// Checks the storage quota of a user who has just got a collection.
///
/// # Errors
/// Returns `Conflict` if its bytes are too many.
pub(crate) async fn check_storage(tx: &mut Tx, id: CollectionId, owner_id: UserId) -> Result<(), ApiError> {
    // Lock order: the limits of the collection, then those of its owner.
    tx.collection_resource_limits().lock(id).await?;
    let most = tx.user_resource_limits().lock(owner_id).await?.max_storage_bytes;
    let used = tx.user_resource_limits().usage(owner_id).await?.storage_bytes;
    let added = tx.collection_resource_limits().usage(id).await?.storage_bytes;
    if added == 0 || used <= most {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Conflict,
        format!(
            "all collections of the new owner hold {} of at most {most} bytes, and this one would add {added}; \
             purge some of its documents, or ask an administrator for a higher limit",
            used - added
        ),
    ))
}
