//! Guarantees of `qdrant-local` about its process and files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use qdrant_client::Qdrant;
use qdrant_client::qdrant::{
    Condition, CreateAliasBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder,
    DeletePointsBuilder, Distance, FieldType, Filter, OptimizersConfigDiffBuilder, PointStruct, Query,
    QueryPointsBuilder, ScrollPointsBuilder, SetPayloadPointsBuilder, UpsertPointsBuilder,
    VectorParamsBuilder,
};
use serde_json::json;
use tempfile::TempDir;

use crate::server::{Server, restore};
use crate::support::{Numbers, count, eventually, number, point};

const DIMENSION: usize = 16;

fn points(ids: std::ops::Range<u64>) -> Vec<PointStruct> {
    let points = ids.map(|id| {
        let vector = Numbers(id).vector(DIMENSION);
        point(id, vector, json!({"parity": id % 2, "tenth": id % 10}))
    });
    points.collect()
}

async fn create(client: &Qdrant, name: &str, indexing_threshold: u64) {
    let optimizers = OptimizersConfigDiffBuilder::default().indexing_threshold(indexing_threshold);
    let request = CreateCollectionBuilder::new(name)
        .vectors_config(VectorParamsBuilder::new(DIMENSION as u64, Distance::Cosine))
        .optimizers_config(optimizers);
    client.create_collection(request).await.unwrap();
    for field in ["parity", "tenth"] {
        let request = CreateFieldIndexCollectionBuilder::new(name, field, FieldType::Integer);
        client.create_field_index(request.wait(true)).await.unwrap();
    }
}

async fn upsert(client: &Qdrant, name: &str, points: Vec<PointStruct>) {
    client.upsert_points(UpsertPointsBuilder::new(name, points).wait(true)).await.unwrap();
}

fn parity(value: i64) -> Option<Filter> {
    Some(Filter::must([Condition::matches("parity", value)]))
}

/// Applies writes of every kind; none of them is flushed when this returns.
async fn write(client: &Qdrant) {
    create(client, "a", 20_000).await;
    create(client, "b", 20_000).await;
    upsert(client, "a", points(0..1_000)).await;
    let evens = DeletePointsBuilder::new("a").points(parity(0).unwrap()).wait(true);
    client.delete_points(evens).await.unwrap();
    // The filter matches these, too, so replaying the deletion must not delete them.
    upsert(client, "a", points(0..10)).await;
    let payload = qdrant_client::Payload::try_from(json!({"tenth": 77})).unwrap();
    let set = SetPayloadPointsBuilder::new("a", payload)
        .points_selector(Filter::must([Condition::matches("tenth", 9)]))
        .wait(true);
    client.set_payload(set).await.unwrap();
    client.create_alias(CreateAliasBuilder::new("a", "live")).await.unwrap();
    client.delete_collection("b").await.unwrap();
}

async fn check(client: &Qdrant) {
    assert_eq!(count(client, "live", None).await.unwrap(), 505);
    assert_eq!(count(client, "a", parity(1)).await.unwrap(), 500);
    assert_eq!(count(client, "a", parity(0)).await.unwrap(), 5);
    let filter = Filter::must([Condition::matches("tenth", 77)]);
    assert_eq!(count(client, "a", Some(filter)).await.unwrap(), 100);
    assert!(!client.collection_exists("b").await.unwrap());
    let info = client.collection_info("a").await.unwrap().result.unwrap();
    assert_eq!(info.payload_schema.len(), 2);
    let query = Query::new_nearest(Numbers(501).vector(DIMENSION));
    let request = QueryPointsBuilder::new("a").query(query).limit(1);
    let found = client.query(request).await.unwrap().result;
    assert_eq!(number(&found[0].id), 501);
}

#[tokio::test]
async fn everything_survives_a_restart() {
    let storage = TempDir::new().unwrap();
    let server = Server::start(storage.path());
    write(&server.client()).await;
    assert!(server.stop().await.success());
    for _ in 0..2 {
        let server = Server::start(storage.path());
        check(&server.client()).await;
        assert!(server.stop().await.success());
    }
}

#[tokio::test]
async fn acknowledged_writes_survive_kill_9() {
    let storage = TempDir::new().unwrap();
    let server = Server::start(storage.path());
    write(&server.client()).await;
    server.kill();
    for _ in 0..3 {
        let server = Server::start(storage.path());
        check(&server.client()).await;
        server.kill();
    }
}

#[tokio::test]
async fn applying_a_journal_twice_changes_nothing() {
    let storage = TempDir::new().unwrap();
    let server = Server::start(storage.path());
    let client = server.client();
    create(&client, "a", 20_000).await;
    // Flushed before the saved journal starts.
    upsert(&client, "a", points(0..20)).await;
    assert!(server.stop().await.success());

    let server = Server::start(storage.path());
    let client = server.client();
    let set = |payload, filter| {
        let payload = qdrant_client::Payload::try_from(payload).unwrap();
        SetPayloadPointsBuilder::new("a", payload).points_selector(filter).wait(true)
    };
    let tenth = |value: i64| Filter::must([Condition::matches("tenth", value)]);
    client.set_payload(set(json!({"parity": 5}), tenth(1))).await.unwrap();
    client.set_payload(set(json!({"tenth": 1}), tenth(2))).await.unwrap();
    let collection = collection_dir(storage.path());
    let kept = TempDir::new().unwrap();
    copy(&collection.join("journal"), kept.path());
    let before = (count(&client, "a", parity(5)).await, count(&client, "a", Some(tenth(1))).await);
    assert_eq!((before.0.unwrap(), before.1.unwrap()), (2, 4));
    assert!(server.stop().await.success());

    // As if the process had been killed between flushing and deleting the journal.
    fs::remove_dir_all(collection.join("journal")).unwrap();
    copy(kept.path(), &collection.join("journal"));
    let server = Server::start(storage.path());
    let client = server.client();
    assert_eq!(count(&client, "a", parity(5)).await.unwrap(), 2);
    assert_eq!(count(&client, "a", Some(tenth(1))).await.unwrap(), 4);
}

#[tokio::test]
async fn kill_9_while_writing_and_indexing_loses_and_duplicates_nothing() {
    const BATCH: u64 = 200;
    let storage = TempDir::new().unwrap();
    let server = Server::start(storage.path());
    // In KB: every few batches, a segment becomes large enough for a graph.
    create(&server.client(), "a", 50).await;
    drop(server);
    let acknowledged = Arc::new(AtomicU64::new(0));
    for round in 0..6_u64 {
        let server = Server::start(storage.path());
        let client = server.client();
        let writer = tokio::spawn({
            let acknowledged = Arc::clone(&acknowledged);
            async move {
                loop {
                    let first = acknowledged.load(Ordering::SeqCst);
                    let batch = UpsertPointsBuilder::new("a", points(first..first + BATCH));
                    if client.upsert_points(batch.wait(true)).await.is_err() {
                        break;
                    }
                    acknowledged.store(first + BATCH, Ordering::SeqCst);
                    // Slow enough for segments to be merged and indexed between writes.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(900 + round * 371)).await;
        server.kill();
        writer.await.unwrap();
        let expected = acknowledged.load(Ordering::SeqCst);

        let server = Server::start(storage.path());
        let client = server.client();
        let ids = all_ids(&client, "a").await;
        let distinct: BTreeSet<_> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), ids.len(), "round {round}: a duplicate id");
        assert!((0..expected).all(|id| distinct.contains(&id)), "round {round}: a lost point");
        // A batch that was not acknowledged may exist, but only as a whole.
        let total = ids.len() as u64;
        assert!(total == expected || total == expected + BATCH, "round {round}: {total} points");
        assert_eq!(count(&client, "a", None).await.unwrap(), total, "round {round}");
        let odd = count(&client, "a", parity(1)).await.unwrap();
        assert_eq!(odd, total / 2, "round {round}: the payload index differs");
        server.kill();
    }
    assert!(acknowledged.load(Ordering::SeqCst) > 2 * BATCH, "too few writes");
}

async fn all_ids(client: &Qdrant, name: &str) -> Vec<u64> {
    let request = ScrollPointsBuilder::new(name).limit(1_000_000).with_payload(false);
    let page = client.scroll(request).await.unwrap();
    page.result.iter().map(|point| number(&point.id)).collect()
}

#[tokio::test]
async fn duplicates_of_a_killed_optimizer_are_removed() {
    let storage = TempDir::new().unwrap();
    let server = Server::start(storage.path());
    create(&server.client(), "a", 20_000).await;
    upsert(&server.client(), "a", points(0..500)).await;
    assert!(server.stop().await.success());
    // The files between writing a new segment and deleting the old one.
    let collection = collection_dir(storage.path());
    let segments = collection.join("shard").join("segments");
    let original = fs::read_dir(&segments).unwrap().next().unwrap().unwrap().path();
    copy(&original, &segments.join(uuid::Uuid::new_v4().to_string()));
    fs::write(collection.join("optimizing"), []).unwrap();

    let server = Server::start(storage.path());
    let client = server.client();
    assert_eq!(count(&client, "a", None).await.unwrap(), 500);
    assert_eq!(count(&client, "a", parity(1)).await.unwrap(), 250);
    let query = Query::new_nearest(Numbers(3).vector(DIMENSION));
    let found = client.query(QueryPointsBuilder::new("a").query(query).limit(2)).await.unwrap();
    let found: Vec<_> = found.result.iter().map(|point| number(&point.id)).collect();
    assert_eq!(found[0], 3);
    assert_ne!(found[1], 3);
}

/// Returns the directory of the only collection.
fn collection_dir(storage: &Path) -> PathBuf {
    let mut dirs = fs::read_dir(storage.join("collections")).unwrap();
    dirs.next().unwrap().unwrap().path()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn files_of_deleted_collections_are_deleted() {
    let storage = TempDir::new().unwrap();
    let server = Server::start(storage.path());
    let client = server.client();
    create(&client, "a", 20_000).await;
    upsert(&client, "a", points(0..100)).await;
    client.delete_collection("a").await.unwrap();
    let dir = storage.path().join("collections");
    eventually("an empty directory", || async { fs::read_dir(&dir).unwrap().next().is_none() }).await;
}

#[tokio::test]
async fn a_snapshot_is_restored_to_a_new_collection() {
    let storage = TempDir::new().unwrap();
    let server = Server::start(storage.path());
    let client = server.client();
    create(&client, "a", 20_000).await;
    upsert(&client, "a", points(0..300)).await;
    let made = client.create_snapshot("a").await.unwrap().snapshot_description.unwrap();
    upsert(&client, "a", points(300..400)).await;
    client.delete_collection("a").await.unwrap();
    assert!(server.stop().await.success());

    let snapshot = storage.path().join("snapshots").join("a").join(&made.name);
    restore(storage.path(), &snapshot, "restored");
    let server = Server::start(storage.path());
    let client = server.client();
    assert_eq!(count(&client, "restored", None).await.unwrap(), 300);
    assert_eq!(count(&client, "restored", parity(1)).await.unwrap(), 150);
    upsert(&client, "restored", points(300..400)).await;
    assert_eq!(count(&client, "restored", None).await.unwrap(), 400);
}

#[test]
fn a_port_in_use_is_reported_in_one_line() {
    let storages = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let server = Server::start(storages[0].path());
    let error = Server::try_start(storages[1].path(), server.address()).unwrap_err();
    let (status, printed) = error.split_once('\n').unwrap();
    assert!(status.contains("exit status: 1"), "{status}");
    let expected = format!("{} is in use; stop the other program", server.address());
    assert!(printed.contains(&expected) && printed.lines().count() == 1, "{printed}");
}

#[test]
fn a_storage_in_use_is_reported_in_one_line() {
    let storage = TempDir::new().unwrap();
    let _server = Server::start(storage.path());
    let any_port = "127.0.0.1:0".parse().unwrap();
    let error = Server::try_start(storage.path(), any_port).unwrap_err();
    let (status, printed) = error.split_once('\n').unwrap();
    assert!(status.contains("exit status: 1"), "{status}");
    let expected = "is in use by another process";
    assert!(printed.contains(expected) && printed.lines().count() == 1, "{printed}");
}
