//! Row locks that serialize changes: of a collection, of an account.

use db::Tx;
use db::accounts::User;
use domain::{CollectionId, ErrorKind, UserId};
use lambda::http::ApiError;

/// The owner; nobody else changes who may do what with the collection until the transaction ends.
pub(crate) async fn lock_collection(tx: &mut Tx, id: CollectionId) -> Result<UserId, ApiError> {
    let owner_id = tx.collections().lock_owner(id).await?;
    owner_id.ok_or_else(|| ApiError::not_found("collection", id))
}

/// The caller's account, which nobody else changes until the transaction ends.
///
/// # Errors
/// 401 when it was deactivated since the request came.
pub(crate) async fn lock_user(tx: &mut Tx, id: UserId) -> Result<User, ApiError> {
    let user = tx.users().lock(id).await?.filter(|user| user.is_active);
    user.ok_or_else(|| {
        ApiError::new(ErrorKind::Unauthenticated, "this account no longer exists or is deactivated")
    })
}
