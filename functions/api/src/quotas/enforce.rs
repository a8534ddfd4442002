//! Whether limits leave room for what a request has just added: asked in its transaction, under a lock
//! that makes everybody who adds to the same thing wait, so that no limit is passed by two at once.

use db::Tx;
use domain::{CollectionId, ErrorKind, UserId};
use lambda::http::ApiError;

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
