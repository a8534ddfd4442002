//! Accepts or refuses the objects of one collection, in one transaction.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use chrono::Utc;
use db::Tx;
use db::audit::AuditEntry;
use db::operations::NewItem;
use db::sources::CollectionSource;
use db::uploads::{Arrival, LatestArrival, LockedUpload};
use dispatch::{Initiator, LockedCollection, StartOperation, lock_if_exists};
use domain::{Actor, ArtifactKey, CollectionId, OperationId, OperationType, PushSource, UploadId};
use lambda::StageError;
use serde_json::{Value, json};

use crate::State;
use crate::decision::{Verdict, judge_announced, judge_drop};
use crate::sighting::Sighting;
use crate::spelling::{drop_uri, keep_spelling, stored};

/// An accepted object.
#[derive(Debug)]
struct Accepted {
    arrival: Arrival,
    item: NewItem,
    /// The upload and its announcer; `None` for a drop.
    upload: Option<(UploadId, Actor)>,
}

/// An upload that is accepted, and replaced by a later version in the same invocation.
#[derive(Debug)]
struct Overtaken {
    id: UploadId,
    announcer: Actor,
    arrival: Arrival,
}

/// An upload that is refused.
#[derive(Debug)]
struct Refused {
    id: UploadId,
    announcer: Actor,
    name: String,
    reason: String,
}

/// What is to be done with the objects of a collection.
#[derive(Debug, Default)]
struct Plan {
    /// By document: one version of each.
    accepted: BTreeMap<String, Accepted>,
    overtaken: Vec<Overtaken>,
    refused: Vec<Refused>,
    expired: Vec<UploadId>,
    /// Keys and ETags of objects to delete after the commit.
    deletions: Vec<(String, String)>,
    /// Announced objects that are deleted, or about to be.
    released: Vec<String>,
}

/// Judges the objects, all of one push source or all of the uploads, under the lock of the collection, puts those that
/// are accepted on the work list of the pending append operation of their source or of a new one, and deletes those that are refused or that no collection owns.
///
/// # Errors
/// Returns a retryable error if PostgreSQL or S3 cannot be reached. What was committed before is not repeated.
pub(crate) async fn receive(
    state: &State,
    collection_id: CollectionId,
    push_source: Option<&PushSource>,
    sightings: &[Sighting],
) -> Result<(), StageError> {
    let started = Instant::now();
    let collection = lock_if_exists(state.db.begin().await?, collection_id).await?;
    let Some(mut collection) = collection.filter(|collection| !collection.is_deleted()) else {
        tracing::warn!(
            collection.id = %collection_id,
            objects = sightings.len(),
            "deleting files of a collection that does not exist"
        );
        return delete_found(state, sightings).await;
    };
    let plan = plan(collection.tx(), collection_id, sightings).await?;
    let (accepted, refused) = (plan.accepted.len(), plan.refused.len());
    let name = collection.name().to_owned();
    record_ends(collection.tx(), (collection_id, &name), &plan).await?;
    let replaced = if plan.accepted.is_empty() {
        collection.into_tx().commit().await?;
        Vec::new()
    } else {
        list(state, collection, push_source, &plan).await?
    };
    let released: Vec<String> = replaced
        .iter()
        .map(|(key, _)| key.clone())
        .chain(plan.overtaken.iter().map(|overtaken| overtaken.arrival.object_key.clone()))
        .chain(plan.released)
        .collect();
    for (key, etag) in plan.deletions.iter().chain(&replaced) {
        state.artifacts.delete_version(key, etag).await?;
    }
    if !released.is_empty() {
        state.db.connection().await?.uploads().mark_objects_deleted(&released).await?;
    }
    tracing::info!(
        collection.id = %collection_id,
        accepted,
        refused,
        deleted = plan.deletions.len() + replaced.len(),
        ms = started.elapsed().as_millis(),
        "arrivals handled"
    );
    Ok(())
}

/// Deletes objects that no collection owns.
pub(crate) async fn delete_found(state: &State, sightings: &[Sighting]) -> Result<(), StageError> {
    for sighting in sightings {
        if let Some(found) = &sighting.found {
            state.artifacts.delete_version(&sighting.path, &found.etag).await?;
        }
    }
    Ok(())
}

async fn plan(tx: &mut Tx, collection_id: CollectionId, sightings: &[Sighting]) -> Result<Plan, StageError> {
    let ids: Vec<UploadId> = sightings.iter().filter_map(Sighting::announced_id).collect();
    let mut uploads: HashMap<UploadId, LockedUpload> = HashMap::new();
    let mut may_write: Vec<(Actor, bool)> = Vec::new();
    if !ids.is_empty() {
        for locked in tx.uploads().lock_many(collection_id, &ids).await? {
            let announcer = locked.upload.announcer;
            if !may_write.iter().any(|(known, _)| *known == announcer) {
                may_write.push((announcer, tx.collections().may_write(collection_id, announcer).await?));
            }
            uploads.insert(locked.upload.id, locked);
        }
    }
    let mut candidates: Vec<(&Sighting, String)> = Vec::with_capacity(sightings.len());
    for sighting in sightings {
        let uri = match &sighting.key {
            Some(ArtifactKey::Dropped { name, .. }) => drop_uri(name),
            Some(ArtifactKey::Announced { upload_id, .. }) => {
                uploads.get(upload_id).map(|locked| locked.upload.uri()).unwrap_or_default()
            }
            _ => continue,
        };
        candidates.push((sighting, uri));
    }
    keep_spelling(tx, collection_id, candidates.iter_mut().map(|(_, uri)| uri)).await?;
    // In the order of their arrival, so that the last version of each document wins.
    candidates.sort_by_key(|(sighting, _)| {
        let notice = sighting.notice();
        (notice.and_then(|notice| sighting.arrived_at(notice)), sighting.announced_id())
    });
    let uris: Vec<String> = candidates.iter().map(|(_, uri)| uri.clone()).collect();
    let latest = tx.upload_arrivals().find_latest(collection_id, &uris).await?;
    let mut latest: HashMap<String, LatestArrival> =
        latest.into_iter().map(|latest| (latest.uri.clone(), latest)).collect();

    let mut plan = Plan::default();
    let now = Utc::now();
    for (sighting, uri) in candidates {
        let Some(latest) = latest.get_mut(&uri) else { continue };
        match sighting.announced_id() {
            None => {
                if let Verdict::Accept(arrival) = judge_drop(sighting, latest) {
                    latest.arrival = Some(arrival.clone());
                    plan.accept(sighting, arrival, None);
                }
            }
            Some(id) => {
                let locked = uploads.get(&id);
                let allowed =
                    locked.is_some_and(|locked| may_write.contains(&(locked.upload.announcer, true)));
                match judge_announced(sighting, id, locked, allowed, latest, now) {
                    Verdict::Accept(arrival) => {
                        latest.arrival = Some(arrival.clone());
                        plan.accept(sighting, arrival, locked);
                    }
                    verdict => plan.end(sighting, id, locked, verdict),
                }
            }
        }
    }
    Ok(plan)
}

impl Plan {
    fn accept(&mut self, sighting: &Sighting, arrival: Arrival, locked: Option<&LockedUpload>) {
        let Some(found) = &sighting.found else { return };
        let upload = locked.map(|locked| &locked.upload);
        let pushed = upload.filter(|upload| upload.document.pushed.is_some());
        let name = match pushed {
            Some(upload) => upload.name.as_str(),
            None => arrival.uri.trim_start_matches("upload://"),
        };
        let item = NewItem {
            uri: arrival.uri.clone(),
            location: stored(&sighting.path),
            file_name: name.rsplit('/').next().unwrap_or(name).to_owned(),
            size_bytes: i64::try_from(found.size_bytes).unwrap_or(i64::MAX),
            file_path: pushed.map(|upload| upload.name.clone()),
            mime_type: None,
            change_hint: Some(found.etag.clone()),
            url: upload.and_then(|upload| upload.document.url.clone()),
            title: upload.and_then(|upload| upload.document.title.clone()),
            metadata: upload.and_then(|upload| upload.metadata.clone()),
        };
        let accepted = Accepted { arrival, item, upload: upload.map(|upload| (upload.id, upload.announcer)) };
        let Some(before) = self.accepted.insert(accepted.arrival.uri.clone(), accepted) else { return };
        // Two versions in one invocation: the first would have been replaced before it was read.
        if let Some((id, announcer)) = before.upload {
            self.deletions.push((before.arrival.object_key.clone(), before.arrival.etag.clone()));
            self.overtaken.push(Overtaken { id, announcer, arrival: before.arrival.clone() });
        }
        if let Some(after) = self.accepted.get_mut(&before.arrival.uri) {
            after.item.metadata = after.item.metadata.take().or(before.item.metadata);
            after.item.title = after.item.title.take().or(before.item.title);
            after.item.url = after.item.url.take().or(before.item.url);
        }
    }

    fn end(&mut self, sighting: &Sighting, id: UploadId, locked: Option<&LockedUpload>, verdict: Verdict) {
        let is_deletion = matches!(verdict, Verdict::Refuse { .. } | Verdict::Discard);
        if let Some(found) = sighting.found.as_ref().filter(|_| is_deletion) {
            self.deletions.push((sighting.path.clone(), found.etag.clone()));
        }
        match (verdict, locked) {
            (Verdict::Refuse { reason }, Some(locked)) => {
                let name = locked.upload.name.clone();
                self.refused.push(Refused { id, announcer: locked.upload.announcer, name, reason });
            }
            (Verdict::Discard, Some(_)) => self.released.push(sighting.path.clone()),
            (Verdict::Expire, _) => self.expired.push(id),
            _ => {}
        }
    }
}

/// Records the uploads that are refused or have expired.
async fn record_ends(
    tx: &mut Tx,
    (collection_id, collection_name): (CollectionId, &str),
    plan: &Plan,
) -> Result<(), StageError> {
    if !plan.expired.is_empty() {
        tx.uploads().mark_expired(&plan.expired).await?;
    }
    if plan.refused.is_empty() {
        return Ok(());
    }
    let reasons: Vec<(UploadId, String)> =
        plan.refused.iter().map(|refused| (refused.id, refused.reason.clone())).collect();
    tx.uploads().mark_refused(&reasons).await?;
    for Refused { id, announcer, name, reason } in &plan.refused {
        tracing::warn!(upload.id = %id, reason, "upload refused");
        let entry = AuditEntry {
            collection_id: Some(collection_id),
            collection_name: Some(collection_name),
            operation_id: None,
            actor: Some(*announcer),
            action: "upload_refused",
            details: &json!({ "upload_id": id, "name": name, "reason": reason }),
            ip_address: None,
            user_agent: None,
            request_id: None,
        };
        tx.audit_log().insert(&entry).await?;
    }
    Ok(())
}

/// Puts the accepted files on a work list, commits and dispatches. Returns the announced objects that they replace.
async fn list(
    state: &State,
    collection: LockedCollection<Tx>,
    push_source: Option<&PushSource>,
    plan: &Plan,
) -> Result<Vec<(String, String)>, StageError> {
    let (collection_id, owner_id) = (collection.id(), collection.owner_id());
    let name = collection.name().to_owned();
    let mut source = match push_source {
        Some(name) => collection.lock_push_source(name).await?,
        None => collection.lock_upload_source().await?,
    };
    let source_id = source.source().id;
    let pending = source.tx().operations().lock_pending_append(source_id).await?;
    let groups = by_announcer(plan);
    let Some(operation_id) = pending else {
        let Some((announcer, first)) = groups.first() else { return Ok(Vec::new()) };
        let CollectionSource { source_type, source_path, .. } = source.source();
        let config = json!({ "source_type": source_type, "source_path": source_path });
        let initiator = match announcer {
            Some(announcer) => Initiator::Announcer(*announcer),
            None => Initiator::System { on_behalf_of: owner_id },
        };
        let operation = StartOperation { operation_type: OperationType::Append, initiator, config };
        let (mut queued, operation) = source.start(operation).await?;
        let replaced = fill(queued.tx(), (collection_id, &name), operation.id, plan, &groups[1..]).await?;
        let committed = queued.audit("uploads_received", first).await?.commit(&state.queues).await?;
        lambda::fault::point("intake-committed");
        committed.dispatch(&state.db, &state.queues).await;
        return Ok(replaced);
    };
    let replaced = fill(source.tx(), (collection_id, &name), operation_id, plan, &groups).await?;
    source.into_tx().commit().await?;
    lambda::fault::point("intake-committed");
    Ok(replaced)
}

/// Groups what is accepted by announcer, with the details of its audit entry. Drops have none.
fn by_announcer(plan: &Plan) -> Vec<(Option<Actor>, Value)> {
    let mut groups: Vec<(Option<Actor>, usize, Vec<UploadId>)> = Vec::new();
    let accepted = plan.accepted.values().map(|accepted| accepted.upload);
    let overtaken = plan.overtaken.iter().map(|overtaken| Some((overtaken.id, overtaken.announcer)));
    for upload in accepted.chain(overtaken) {
        let announcer = upload.map(|(_, announcer)| announcer);
        let position = groups.iter().position(|(known, ..)| *known == announcer).unwrap_or_else(|| {
            groups.push((announcer, 0, Vec::new()));
            groups.len() - 1
        });
        groups[position].1 += 1;
        groups[position].2.extend(upload.map(|(id, _)| id));
    }
    let details = |files: usize, ids: Vec<UploadId>| match ids.is_empty() {
        true => json!({ "files": files }),
        false => json!({ "files": files, "upload_ids": ids }),
    };
    groups.into_iter().map(|(announcer, files, ids)| (announcer, details(files, ids))).collect()
}

/// Fills the operation's work list, and records the arrivals. `audited` are the announcers whose audit entries are
/// written here.
async fn fill(
    tx: &mut Tx,
    (collection_id, collection_name): (CollectionId, &str),
    operation_id: OperationId,
    plan: &Plan,
    audited: &[(Option<Actor>, Value)],
) -> Result<Vec<(String, String)>, StageError> {
    let items: Vec<NewItem> = plan.accepted.values().map(|accepted| accepted.item.clone()).collect();
    let replaced = tx.operation_items().upsert_uploads(operation_id, &items).await?;
    let received: Vec<(UploadId, String)> = plan
        .accepted
        .values()
        .filter_map(|accepted| Some((accepted.upload?.0, accepted.arrival.etag.clone())))
        .chain(plan.overtaken.iter().map(|overtaken| (overtaken.id, overtaken.arrival.etag.clone())))
        .collect();
    if !received.is_empty() {
        tx.uploads().mark_received(&received, operation_id).await?;
    }
    let arrivals: Vec<Arrival> = plan
        .accepted
        .values()
        .map(|accepted| Arrival {
            object_key: stored(&accepted.arrival.object_key),
            ..accepted.arrival.clone()
        })
        .collect();
    tx.upload_arrivals().record(collection_id, &arrivals).await?;
    for (actor, details) in audited {
        let entry = AuditEntry {
            collection_id: Some(collection_id),
            collection_name: Some(collection_name),
            operation_id: Some(operation_id),
            actor: *actor,
            action: "uploads_received",
            details,
            ip_address: None,
            user_agent: None,
            request_id: None,
        };
        tx.audit_log().insert(&entry).await?;
    }
    // A drop that is replaced stays: it belongs to the bucket's owner.
    let announced = replaced.into_iter().filter_map(|(location, etag)| {
        let is_announced =
            matches!(ArtifactKey::parse_arrival(&location), Some(ArtifactKey::Announced { .. }));
        is_announced.then_some((location, etag?))
    });
    Ok(announced.collect())
}
