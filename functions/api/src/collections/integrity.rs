//! Whether a collection is what its rows say it is, and its repair.

use std::collections::BTreeMap;

use access::{Begun, Caller, Granted, Idempotency, IdempotentTx};
use axum::Json;
use axum::extract::State as Shared;
use axum::response::Response;
use chrono::{DateTime, Utc};
use dispatch::{Initiator, StartOperation, lock_collection};
use domain::{CollectionId, DocumentId, Generation, OperationId, OperationType};
use http::StatusCode;
use integrity::{Checked, CheckedCollection, Cursor, Discrepancy, MAX_DOCUMENTS, Stores, compare, read_page};
use lambda::http::{ApiError, ApiPath, ApiQuery, ClientInfo, FieldErrors, non_empty};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::State;
use crate::openapi::words;
use crate::operations::response::OperationResponse;

/// Documents of one response unless the request says otherwise.
const DEFAULT_DOCUMENTS: i64 = 100;
/// Pages that one response combines; each has its own bound.
const PAGES: usize = 4;
/// Discrepancies that one response lists; the others are counted.
const MAX_DISCREPANCIES: usize = 1000;

/// Which part to check.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct IntegrityQuery {
    /// The `next_cursor` of an earlier response; absent for the beginning.
    cursor: Option<String>,
    /// Documents to check, at most.
    #[param(minimum = 1, maximum = 500, default = 100)]
    limit: Option<i64>,
}

/// The result of a check.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct IntegrityResponse {
    /// The collection.
    #[schema(value_type = Uuid)]
    collection_id: CollectionId,
    /// When it was checked.
    checked_at: DateTime<Utc>,
    /// Whether this response covers the whole collection: it began at the beginning, nothing is left, and no
    /// operation was working on a part of it.
    is_complete: bool,
    /// Where the check continues; null at the end.
    next_cursor: Option<String>,
    /// How much was checked.
    checked: CheckedResponse,
    /// Documents and counters that were left out, because an operation is working on them.
    in_progress: usize,
    /// Number of discrepancies by kind; empty if everything is as it should be.
    #[schema(value_type = Object, example = json!({"missing_points": 1}))]
    mismatches: BTreeMap<&'static str, usize>,
    /// The discrepancies, at most 1000.
    discrepancies: Vec<DiscrepancyResponse>,
}

/// How much was checked.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct CheckedResponse {
    /// Ended operations.
    operations: usize,
    /// Documents, deleted ones included.
    documents: usize,
    /// Points in Qdrant.
    points: usize,
    /// Objects in the staging bucket.
    objects: usize,
}

/// A difference between what a store holds and what it should hold.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DiscrepancyResponse {
    /// What is wrong.
    #[schema(value_type = words::DiscrepancyKind)]
    kind: &'static str,
    /// The document, if it is about one. It may not exist.
    #[schema(value_type = Option<Uuid>)]
    document_id: Option<DocumentId>,
    /// The document's generation, if it is about one.
    #[schema(value_type = Option<i32>)]
    generation: Option<Generation>,
    /// The operation, if it is about one.
    #[schema(value_type = Option<Uuid>)]
    operation_id: Option<OperationId>,
    /// The key or key prefix of objects; the name of a counter.
    key: Option<String>,
    /// The number that there should be.
    expected: i64,
    /// The number that there is.
    found: i64,
}

impl From<Discrepancy> for DiscrepancyResponse {
    fn from(discrepancy: Discrepancy) -> Self {
        let Discrepancy { kind, document_id, generation, operation_id, key, expected, found } = discrepancy;
        Self { kind: kind.as_str(), document_id, generation, operation_id, key, expected, found }
    }
}

impl CheckedResponse {
    fn add(&mut self, checked: &Checked) {
        self.operations += checked.operations;
        self.documents += checked.documents;
        self.points += checked.points;
        self.objects += checked.objects;
    }
}

/// Check a collection's integrity
///
/// Compares documents, work lists and counters with the points in Qdrant and the objects in the staging
/// bucket: every listed item has ended and is explained, the points are exactly the chunks of the searchable
/// documents, every object has an owner, every document its objects, and the counters are right. Changes
/// nothing. A response covers at most `limit` documents; continue with `next_cursor` until it is null. What
/// an operation is working on is left out and counted in `in_progress`.
#[utoipa::path(
    get, path = "/api/v2/collections/{collection_id}/integrity", operation_id = "checkIntegrity", tag = "collections",
    params(("collection_id" = Uuid, Path), IntegrityQuery),
    responses((status = 200, body = IntegrityResponse)),
)]
pub(crate) async fn check(
    Shared(state): Shared<State>,
    Granted(found): Granted,
    ApiQuery(query): ApiQuery<IntegrityQuery>,
) -> Result<Json<IntegrityResponse>, ApiError> {
    let mut errors = FieldErrors::default();
    let cursor = non_empty(query.cursor.as_deref());
    let start = cursor.map_or(Some(Cursor::START), |cursor| errors.keyword::<Cursor>("cursor", cursor));
    let limit = query.limit.unwrap_or(DEFAULT_DOCUMENTS);
    let max = i64::try_from(MAX_DOCUMENTS).unwrap_or(i64::MAX);
    let limit = errors.range("limit", limit, 1..=max);
    errors.finish()?;
    let start = start.unwrap_or(Cursor::START);

    let collection = &found.collection;
    let stores = Stores { db: &state.db, artifacts: &state.artifacts, vectors: &state.vectors };
    let checked_collection = CheckedCollection {
        id: collection.id,
        vector_store_name: &collection.vector_store_name,
        is_exclusive: false,
    };
    let (mut checked, mut in_progress) = (CheckedResponse::default(), 0);
    let mut mismatches: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut discrepancies = Vec::new();
    let mut left = usize::try_from(limit).unwrap_or(MAX_DOCUMENTS);
    let mut next = Some(start.clone());
    for _ in 0..PAGES {
        let Some(cursor) = next.take() else { break };
        if left == 0 && matches!(cursor, Cursor::Documents(_)) {
            next = Some(cursor);
            break;
        }
        let page = read_page(stores, checked_collection, &cursor, left).await?;
        checked.add(&page.checked);
        in_progress += page.checked.in_progress;
        left = left.saturating_sub(page.checked.documents);
        for discrepancy in compare(&page.facts) {
            *mismatches.entry(discrepancy.kind.as_str()).or_default() += 1;
            discrepancies.push(DiscrepancyResponse::from(discrepancy));
        }
        next = page.next;
    }
    discrepancies.truncate(MAX_DISCREPANCIES);
    Ok(Json(IntegrityResponse {
        collection_id: collection.id,
        checked_at: Utc::now(),
        is_complete: start == Cursor::START && next.is_none() && in_progress == 0,
        next_cursor: next.map(|next| next.to_string()),
        checked,
        in_progress,
        mismatches,
        discrepancies,
    }))
}

/// Repair a collection
///
/// Starts an operation that makes points, staged objects, rows and counters agree again: missing points are
/// written from the staged vectors, or the document is indexed again; orphaned points and objects without an
/// owner are deleted; counters are counted. Searches answer meanwhile. A pending repair is returned instead
/// of a second one. It reads everything that the check reads, and embeds only what is indexed again.
#[utoipa::path(
    post, path = "/api/v2/collections/{collection_id}/integrity/repair", operation_id = "startRepair", tag = "collections",
    params(("collection_id" = Uuid, Path)),
    responses((status = 202, body = OperationResponse)),
)]
pub(crate) async fn repair(
    Shared(state): Shared<State>,
    caller: Caller,
    client: ClientInfo,
    idempotency: Idempotency,
    ApiPath(collection_id): ApiPath<CollectionId>,
) -> Result<Response, ApiError> {
    let tx = match idempotency.begin(&state.db, caller.principal.user_id).await? {
        Begun::First(tx) => tx,
        Begun::Again(answer) => return Ok(answer),
    };
    let initiator = Initiator::Caller { actor: caller.actor(), client: &client };
    let mut collection = lock_collection(tx, collection_id).await?;
    let pending = collection.tx().operations().find_pending(collection_id, OperationType::Repair).await?;
    if let Some(pending) = pending {
        return collection.into_tx().commit(StatusCode::ACCEPTED, &OperationResponse::fresh(pending)).await;
    }
    let operation = StartOperation { operation_type: OperationType::Repair, initiator, config: json!({}) };
    let (queued, operation) = collection.start(operation).await?;
    let audited = queued.audit("repair_started", &json!({ "operation_id": operation.id })).await?;
    let response = OperationResponse::fresh(operation);
    audited
        .commit_with(&state.db, &state.queues, async |tx: IdempotentTx| {
            tx.commit(StatusCode::ACCEPTED, &response).await
        })
        .await
}
