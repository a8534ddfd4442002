//! Handing a collection over to another user: the owner offers it, the recipient accepts or declines.

use access::{Caller, Granted};
use axum::Json;
use axum::extract::State as Shared;
use chrono::{DateTime, TimeDelta, Utc};
use db::Tx;
use db::collections::{Collections, Grantee, NewOwnershipOffer, OwnershipOffer};
use domain::{CollectionId, ErrorKind, OwnershipOfferId, Permission, UserId};
use http::StatusCode;
use lambda::http::{ApiError, ApiJson, ApiPath, ClientInfo, Page};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::grantee;
use crate::State;
use crate::audit::{self, Change};
use crate::locks::lock_collection;
use crate::quotas::enforce;

/// How long the recipient has to accept.
const OFFER_LIFETIME: TimeDelta = TimeDelta::days(14);

/// The intended owner of a collection.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OfferOwnershipRequest {
    /// Username of an active account.
    #[schema(example = "grace")]
    username: String,
}

/// An open offer to transfer a collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnershipOfferResponse {
    /// Identifies the offer.
    #[schema(value_type = Uuid)]
    id: OwnershipOfferId,
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// Name of the collection.
    collection_name: String,
    /// Username of the owner, who made the offer.
    from_username: String,
    /// Username of the recipient.
    to_username: String,
    /// When the offer was made.
    created_at: DateTime<Utc>,
    /// When the offer lapses.
    expires_at: DateTime<Utc>,
}

impl From<OwnershipOffer> for OwnershipOfferResponse {
    fn from(offer: OwnershipOffer) -> Self {
        Self {
            id: offer.id,
            collection_id: offer.collection_id,
            collection_name: offer.collection_name,
            from_username: offer.from_username,
            to_username: offer.to_username,
            created_at: offer.created_at,
            expires_at: offer.expires_at,
        }
    }
}

/// A page of open offers, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnershipOffersResponse {
    /// The offers of this page.
    offers: Vec<OwnershipOfferResponse>,
    /// Number of offers on all pages.
    total: i64,
    /// Page number, starting at 1.
    page: i64,
    /// Offers per page.
    per_page: i64,
}

/// The owner of a collection.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OwnerResponse {
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// The owner.
    #[schema(value_type = i64)]
    owner_id: UserId,
    /// The owner's username.
    username: String,
}

/// Offer a collection to another user
///
/// Requires a user session of the owner. Nothing changes until the recipient accepts, within 14 days. A
/// collection has one open offer; another one replaces it.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/owner", operation_id = "offerCollection", tag = "sharing",
    params(("collection_id" = Uuid, Path)), request_body = OfferOwnershipRequest,
    responses((status = 201, body = OwnershipOfferResponse)),
)]
pub(crate) async fn offer(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
    ApiJson(request): ApiJson<OfferOwnershipRequest>,
) -> Result<(StatusCode, Json<OwnershipOfferResponse>), ApiError> {
    let now = Utc::now();
    let collection_id = found.collection.id;
    let owner = caller.principal.user_id;
    let mut tx = state.db.begin().await?;
    lock_owned(&mut tx, collection_id, owner).await?;
    let recipient = grantee::find_active(&mut tx, "username", &request.username).await?;
    if recipient.id == owner {
        return Err(ApiError::invalid_field(
            "username",
            "is your own account, and you own the collection already; choose another user",
        ));
    }
    let new = NewOwnershipOffer {
        id: OwnershipOfferId(Uuid::new_v4()),
        collection_id,
        from_user_id: owner,
        to_user_id: recipient.id,
        expires_at: now + OFFER_LIFETIME,
    };
    tx.ownership_offers().make(&new).await?;
    let offer = tx.ownership_offers().find_of(collection_id, now).await?;
    let offer = offer.ok_or_else(|| ApiError::not_found("offer", new.id))?;
    record(&mut tx, &caller, &client, "ownership_offered", &offer).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(offer.into())))
}

/// Show the open offer of a collection
///
/// Requires a user session of the owner.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/owner/offer", operation_id = "getOwnershipOffer", tag = "sharing",
    params(("collection_id" = Uuid, Path)),
    responses((status = 200, body = OwnershipOfferResponse)),
)]
pub(crate) async fn show_offer(
    Shared(state): Shared<State>,
    Granted(found): Granted,
) -> Result<Json<OwnershipOfferResponse>, ApiError> {
    let id = found.collection.id;
    let offer = state.db.connection().await?.ownership_offers().find_of(id, Utc::now()).await?;
    Ok(Json(offer.ok_or_else(|| no_offer_of(id))?.into()))
}

/// Withdraw the open offer of a collection
///
/// Requires a user session of the owner.
#[utoipa::path(
    delete, path = "/api/v2/collections/{collection_id}/owner/offer", operation_id = "withdrawOwnershipOffer", tag = "sharing",
    params(("collection_id" = Uuid, Path)),
    responses((status = 204, description = "The offer was withdrawn.")),
)]
pub(crate) async fn withdraw(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    Granted(found): Granted,
) -> Result<StatusCode, ApiError> {
    let id = found.collection.id;
    let mut tx = state.db.begin().await?;
    lock_owned(&mut tx, id, caller.principal.user_id).await?;
    let offer = tx.ownership_offers().find_of(id, Utc::now()).await?;
    let offer = offer.ok_or_else(|| no_offer_of(id))?;
    tx.ownership_offers().delete_of(id).await?;
    record(&mut tx, &caller, &client, "ownership_offer_withdrawn", &offer).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// List the offers to the caller
///
/// Requires a user session. The open offers of collections that other users offer to transfer to the caller.
#[utoipa::path(
    get, path = "/api/v2/ownership-offers", operation_id = "listOwnershipOffers", tag = "sharing", params(Page),
    responses((status = 200, body = OwnershipOffersResponse)),
)]
pub(crate) async fn list_offers(
    Shared(state): Shared<State>,
    caller: Caller,
    paging: Page,
) -> Result<Json<OwnershipOffersResponse>, ApiError> {
    let mut connection = state.db.connection().await?;
    let page = connection
        .ownership_offers()
        .list_to(caller.principal.user_id, Utc::now(), paging.per_page, paging.offset())
        .await?;
    Ok(Json(OwnershipOffersResponse {
        offers: page.items.into_iter().map(OwnershipOfferResponse::from).collect(),
        total: page.total,
        page: paging.page,
        per_page: paging.per_page,
    }))
}

/// Accept a collection
///
/// Requires a user session of the recipient. The collection counts against the recipient's quotas from now on;
/// the previous owner keeps `admin` access, which the new owner can revoke.
#[utoipa::path(
    post, path = "/api/v2/ownership-offers/{offer_id}/accept", operation_id = "acceptOwnershipOffer", tag = "sharing",
    params(("offer_id" = Uuid, Path)),
    responses((status = 200, body = OwnerResponse)),
)]
pub(crate) async fn accept(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(offer_id): ApiPath<OwnershipOfferId>,
) -> Result<Json<OwnerResponse>, ApiError> {
    let new = &caller.principal;
    let mut tx = state.db.begin().await?;
    let offer = lock_offer(&mut tx, new.user_id, offer_id).await?;
    let id = offer.collection_id;
    match tx.collections().set_owner(id, new.user_id).await {
        Ok(()) => {}
        Err(error) if error.constraint() == Some(Collections::NAME_CONSTRAINT) => {
            let reason = format!(
                "you already have a collection named {:?}; rename it, or ask the owner to rename this one",
                offer.collection_name
            );
            return Err(ApiError::new(ErrorKind::Conflict, reason));
        }
        Err(error) => return Err(error.into()),
    }
    enforce::check_collections(&mut tx, new.user_id).await?;
    enforce::check_storage(&mut tx, id, new.user_id).await?;
    tx.ownership_offers().delete_of(id).await?;
    // Owners need no permission, and an old one must not resurface after the next transfer.
    tx.collection_permissions().revoke(id, Grantee::User(new.user_id)).await?;
    tx.collection_permissions().grant(id, Grantee::User(offer.from_user_id), Permission::Admin).await?;
    let change = Change {
        action: "collection_handed_over",
        actor: caller.actor(),
        collection: Some((id, &offer.collection_name)),
        operation_id: None,
        details: json!({ "before": offer.from_username, "after": new.username }),
    };
    audit::record(&mut tx, &client, change).await?;
    tx.commit().await?;
    Ok(Json(OwnerResponse { collection_id: id, owner_id: new.user_id, username: new.username.clone() }))
}

/// Decline a collection
///
/// Requires a user session of the recipient.
#[utoipa::path(
    post, path = "/api/v2/ownership-offers/{offer_id}/decline", operation_id = "declineOwnershipOffer", tag = "sharing",
    params(("offer_id" = Uuid, Path)),
    responses((status = 204, description = "The offer was declined.")),
)]
pub(crate) async fn decline(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    ApiPath(offer_id): ApiPath<OwnershipOfferId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = state.db.begin().await?;
    let offer = lock_offer(&mut tx, caller.principal.user_id, offer_id).await?;
    tx.ownership_offers().delete_of(offer.collection_id).await?;
    record(&mut tx, &caller, &client, "ownership_declined", &offer).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Locks the collection's row and checks that the caller still owns the collection.
async fn lock_owned(tx: &mut Tx, id: CollectionId, owner: UserId) -> Result<(), ApiError> {
    if lock_collection(tx, id).await? == owner {
        return Ok(());
    }
    Err(ApiError::new(
        ErrorKind::Conflict,
        format!("collection {id} was transferred to another user at the same time; reload it"),
    ))
}

/// Locks the offered collection's row and returns the offer; it cannot change until the transaction ends.
async fn lock_offer(
    tx: &mut Tx,
    recipient: UserId,
    id: OwnershipOfferId,
) -> Result<OwnershipOffer, ApiError> {
    let none = || ApiError::not_found("offer", id);
    let now = Utc::now();
    let offer = tx.ownership_offers().find_to(recipient, id, now).await?.ok_or_else(none)?;
    lock_collection(tx, offer.collection_id).await?;
    tx.ownership_offers().find_to(recipient, id, now).await?.ok_or_else(none)
}

fn no_offer_of(id: CollectionId) -> ApiError {
    ApiError::new(ErrorKind::NotFound, format!("collection {id} has no open offer"))
}

async fn record(
    tx: &mut Tx,
    caller: &Caller,
    client: &ClientInfo,
    action: &'static str,
    offer: &OwnershipOffer,
) -> Result<(), ApiError> {
    let details = json!({
        "offer_id": offer.id, "from": offer.from_username, "to": offer.to_username,
        "expires_at": offer.expires_at,
    });
    let collection = Some((offer.collection_id, offer.collection_name.as_str()));
    let change = Change { action, actor: caller.actor(), collection, operation_id: None, details };
    Ok(audit::record(tx, client, change).await?)
}
