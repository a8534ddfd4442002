//! Whether limits leave room for what a request has just added: asked in its transaction, under a lock
//! that makes everybody who adds to the same thing wait, so that no limit is passed by two at once.

use chrono::Utc;
use db::Tx;
use db::collections::OPERATIONS_COUNT_FOR;
use domain::{CollectionId, ErrorKind, UserId};
use http::{HeaderValue, header};
use lambda::http::ApiError;

use crate::locks::lock_collection;

/// Whether the user may own the collection that they have just got.
///
/// # Errors
/// 409 where it is one too many; 503 when the database does not answer.
pub(crate) async fn admit_collection(tx: &mut Tx, owner_id: UserId) -> Result<(), ApiError> {
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

/// Whether the collection may have the source that it has just got.
///
/// # Errors
/// 409 where it is one too many; 404 where the collection is gone; 503 when the database does not
/// answer.
pub(crate) async fn admit_source(tx: &mut Tx, id: CollectionId) -> Result<(), ApiError> {
    lock_collection(tx, id).await?;
    let limits = tx.collection_resource_limits().find(id).await?;
    let sources = tx.collection_resource_limits().count_sources(id).await?;
    if sources <= i64::from(limits.max_sources) {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Conflict,
        format!(
            "the collection has {} of at most {} sources; remove one, or ask an administrator for a higher limit",
            sources - 1,
            limits.max_sources
        ),
    ))
}

/// Whether the collection may have the operations that it has just got.
///
/// # Errors
/// 429 with `Retry-After` where they are too many for an hour; 404 where the collection is gone; 503
/// when the database does not answer.
pub(crate) async fn admit_operations(tx: &mut Tx, id: CollectionId, new: usize) -> Result<(), ApiError> {
    lock_collection(tx, id).await?;
    let most = i64::from(tx.collection_resource_limits().find(id).await?.max_operations_per_hour);
    let new = i64::try_from(new).unwrap_or(i64::MAX);
    let (used, in_the_way) = tx.collection_resource_limits().count_operations(id, most).await?;
    if used <= most {
        return Ok(());
    }
    if new > most {
        return Err(ApiError::new(
            ErrorKind::Conflict,
            format!(
                "this would start {new} operations, and at most {most} may be started in an hour; ask an \
                 administrator for a higher limit"
            ),
        ));
    }
    let now = Utc::now();
    let wait = in_the_way.unwrap_or(now) + OPERATIONS_COUNT_FOR - now;
    let wait = wait.num_seconds().clamp(0, OPERATIONS_COUNT_FOR.num_seconds()) + 1;
    let used = used - new;
    Err(ApiError::new(
        ErrorKind::Throttled,
        format!(
            "{used} of at most {most} operations were started on the collection in the last hour; try again in \
             {wait} seconds, or ask an administrator for a higher limit"
        ),
    )
    .with_header(header::RETRY_AFTER, HeaderValue::from(wait)))
}

/// Whether there is room for the uploads that were just announced, beside those that are announced and
/// have not come yet. What comes is counted again when it is there: this spares sending it in vain.
///
/// # Errors
/// 409 where there is not; 503 when the database does not answer.
pub(crate) async fn admit_uploads(tx: &mut Tx, id: CollectionId, owner_id: UserId) -> Result<(), ApiError> {
    // Whoever announces for a collection of the owner, or adds to one, waits here.
    let owner_limits = tx.user_resource_limits().lock(owner_id).await?;
    let limits = tx.collection_resource_limits().find(id).await?;
    let room = tx.collection_resource_limits().projected_usage(id).await?;
    let who = "the collection";
    check_room(who, "documents", room.documents, room.expected_documents, limits.max_documents)?;
    check_room(who, "bytes", room.bytes, room.expected_bytes, limits.max_storage_bytes)?;
    let (who, most) = ("all collections of its owner", owner_limits.max_storage_bytes);
    check_room(who, "bytes", room.owner_bytes, room.owner_expected_bytes, most)
}

fn check_room(who: &str, unit: &str, used: i64, expected: i64, most: i64) -> Result<(), ApiError> {
    // What is announced and adds nothing is always welcome.
    if expected == 0 || used + expected <= most {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Conflict,
        format!(
            "{used} of at most {most} {unit} are used by {who}, and with these files {expected} more would be \
             on their way; delete some, or ask an administrator for a higher limit"
        ),
    ))
}

/// Whether the user may own the bytes of the collection that they have just got.
///
/// # Errors
/// 409 where they are too many; 503 when the database does not answer.
pub(crate) async fn admit_storage(tx: &mut Tx, id: CollectionId, owner_id: UserId) -> Result<(), ApiError> {
    // In this order: nothing is added to the collection, then nothing to what they own.
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
             delete some of its documents, or ask an administrator for a higher limit",
            used - added
        ),
    ))
}
