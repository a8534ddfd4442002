//! Withdraws an announced upload.

use access::{Caller, Granted};
use axum::extract::State as Shared;
use domain::{CollectionId, ErrorKind, UploadId, UploadStatus};
use http::StatusCode;
use lambda::http::{ApiError, ApiPath, ClientInfo};
use serde_json::json;

use crate::State;
use crate::audit::{self, Change};

/// Withdraw an announced upload
///
/// Its bytes no longer count against quotas, and a file that arrives later is deleted. Can be repeated; has no effect
/// on an upload that was refused or has expired. A file that has arrived is deleted with its document.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/uploads/{upload_id}", operation_id = "withdrawUpload", tag = "uploads",
    params(("collection_id" = Uuid, Path), ("upload_id" = Uuid, Path)),
    responses((status = 204, description = "Nothing will arrive for this upload.")),
)]
pub(crate) async fn withdraw(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    ApiPath((collection_id, id)): ApiPath<(CollectionId, UploadId)>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db.begin().await?;
    let upload = tx.uploads().find(id).await?;
    let upload = upload.filter(|upload| upload.collection_id == collection_id);
    let upload = upload.ok_or_else(|| ApiError::not_found("upload", id))?;
    if !tx.uploads().withdraw(id).await? {
        // It may have arrived since it was read.
        let status = tx.uploads().find(id).await?.map(|upload| upload.status);
        return match status {
            Some(UploadStatus::Received) => Err(ApiError::new(
                ErrorKind::Conflict,
                format!("{:?} has arrived; delete its document instead", upload.name),
            )),
            _ => Ok(StatusCode::NO_CONTENT),
        };
    }
    let change = Change {
        action: "upload_withdrawn",
        actor: caller.actor(),
        collection: Some((collection_id, &found.collection.name)),
        operation_id: None,
        details: json!({ "upload_id": id, "name": upload.name, "announcer": upload.announcer.user_id }),
    };
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
