//! Row locks that serialize concurrent changes of a collection or an account.

use db::Tx;
use db::accounts::User;
use domain::{CollectionId, ErrorKind, UserId};
use lambda::http::ApiError;

/// Locks the collection's row until the transaction ends, and returns its owner. Serializes changes of
/// ownership, permissions and quotas.
///
/// # Errors
/// Returns `NotFound` if the collection does not exist or was deleted.
pub(crate) async fn lock_collection(tx: &mut Tx, id: CollectionId) -> Result<UserId, ApiError> {
    let lock = tx.collections().lock(id).await?.filter(|lock| !lock.is_deleted());
    lock.map(|lock| lock.owner_id()).ok_or_else(|| ApiError::not_found("collection", id))
}

/// Locks the caller's account until the transaction ends, and returns it.
///
/// # Errors
/// Returns `Unauthenticated` if it was deactivated or deleted since the request was authenticated.
pub(crate) async fn lock_user(tx: &mut Tx, id: UserId) -> Result<User, ApiError> {
    let user = tx.users().lock(id).await?.filter(|user| user.is_active);
    user.ok_or_else(|| {
        ApiError::new(
            ErrorKind::Unauthenticated,
            "the account no longer exists or is deactivated; sign in with another one",
        )
    })
}
