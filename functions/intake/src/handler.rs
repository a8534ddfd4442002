//! From messages about objects to what becomes of them, collection by collection.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use domain::{ArtifactKey, CheckUploads, CollectionId, PushSource, UploadId};
use lambda::StageError;
use lambda::event::Invocation;

use crate::State;
use crate::missing::handle_missing;
use crate::notification::Notification;
use crate::receive::{delete_found, receive};
use crate::sighting::{Notice, Sighting, Sightings};

/// Handles the messages of one invocation together: one transaction for each collection, and each source that documents
/// were pushed to, however many files were uploaded to it.
pub async fn handle(
    state: Arc<State>,
    messages: Vec<Notification>,
    _: Invocation,
) -> Vec<Result<(), StageError>> {
    let mut results: Vec<Result<(), StageError>> = Vec::with_capacity(messages.len());
    let mut sightings = Sightings::default();
    for (position, message) in messages.into_iter().enumerate() {
        let result = match message {
            Notification::Objects(events) => {
                sightings.add_events(&events, state.artifacts.bucket(), position);
                Ok(())
            }
            Notification::Look(request) => {
                for path in request.check_objects {
                    sightings.add(path, Notice::default(), position);
                }
                Ok(())
            }
            Notification::Check(request) => add_uploads(&state, &request, &mut sightings, position).await,
            Notification::Test(test) => {
                tracing::info!(event = test.event, "the bucket's notifications are set up");
                Ok(())
            }
        };
        results.push(result);
    }
    let (seen, failures) = sightings.look(&state.artifacts).await;
    for (messages, error) in failures {
        fail(&mut results, &messages, &error);
    }
    // What belongs to no collection comes under `None`.
    let mut by_collection: BTreeMap<Option<CollectionId>, (Vec<Sighting>, BTreeSet<usize>)> = BTreeMap::new();
    for (sighting, messages) in seen {
        let collection_id = sighting.key.as_ref().map(ArtifactKey::collection_id);
        let group = by_collection.entry(collection_id).or_default();
        group.0.push(sighting);
        group.1.extend(messages);
    }
    for (collection_id, (sightings, messages)) in by_collection {
        let handled = match collection_id {
            Some(collection_id) => handle_collection(&state, collection_id, sightings).await,
            None => delete_orphans(&state, &sightings).await,
        };
        if let Err(error) = handled {
            fail(&mut results, &messages, &error);
        }
    }
    results
}

async fn handle_collection(
    state: &State,
    collection_id: CollectionId,
    sightings: Vec<Sighting>,
) -> Result<(), StageError> {
    let mut gone = Vec::new();
    let mut others = Vec::with_capacity(sightings.len());
    for sighting in sightings {
        match (&sighting.key, &sighting.found) {
            (Some(ArtifactKey::Dropped { name, .. }), None) => gone.push((name.clone(), sighting.path)),
            _ => others.push(sighting),
        }
    }
    for (push_source, sightings) in by_source(state, others).await? {
        receive(state, collection_id, push_source.as_ref(), &sightings).await?;
    }
    if !gone.is_empty() {
        handle_missing(state, collection_id, &gone).await?;
    }
    Ok(())
}

/// Groups objects by the push source that their documents belong to; `None` for uploads. Each source has operations of
/// its own.
async fn by_source(
    state: &State,
    sightings: Vec<Sighting>,
) -> Result<Vec<(Option<PushSource>, Vec<Sighting>)>, StageError> {
    let announced: Vec<UploadId> = sightings.iter().filter_map(Sighting::announced_id).collect();
    let mut sources: HashMap<UploadId, PushSource> = HashMap::new();
    if !announced.is_empty() {
        sources.extend(state.db.connection().await?.uploads().find_push_sources(&announced).await?);
    }
    let mut groups: Vec<(Option<PushSource>, Vec<Sighting>)> = Vec::new();
    for sighting in sightings {
        let source = sighting.announced_id().and_then(|id| sources.get(&id));
        match groups.iter_mut().find(|(known, _)| known.as_ref() == source) {
            Some((_, group)) => group.push(sighting),
            None => groups.push((source.cloned(), vec![sighting])),
        }
    }
    Ok(groups)
}

/// Deletes objects whose keys name no collection.
async fn delete_orphans(state: &State, sightings: &[Sighting]) -> Result<(), StageError> {
    for sighting in sightings.iter().filter(|sighting| sighting.found.is_some()) {
        tracing::warn!(object.key = sighting.path, "deleting an object that belongs to no collection");
    }
    delete_found(state, sightings).await
}

/// Adds the objects of announced uploads that sweep asks to check.
async fn add_uploads(
    state: &State,
    request: &CheckUploads,
    sightings: &mut Sightings,
    position: usize,
) -> Result<(), StageError> {
    let uploads = state.db.connection().await?.uploads().find_keys(&request.check_uploads).await?;
    for (collection_id, upload_id) in uploads {
        let key = ArtifactKey::Announced { collection_id, upload_id };
        sightings.add(key.path(), Notice::default(), position);
    }
    Ok(())
}

/// Fails these messages, each with an error of its own.
fn fail(results: &mut [Result<(), StageError>], messages: &BTreeSet<usize>, error: &StageError) {
    for position in messages {
        if let Some(result) = results.get_mut(*position) {
            *result = Err(error.copy());
        }
    }
}
