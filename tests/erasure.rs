//! What is replaced or purged is erased, shown by looking for a marker in every store.
//!
//! The deployed sweep erases, twice a minute while there is something to do.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use domain::ArtifactKey;
use qdrant_client::Qdrant;
use qdrant_client::qdrant::ScrollPointsBuilder;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Stack, TestUser, Upload, unique};

/// Several chunks that all contain the marker.
fn chapter(marker: &str, version: usize) -> String {
    (1..=30)
        .map(|n| format!("Paragraph {n} of version {version} tells of {marker} and the tides.\n\n"))
        .collect()
}

/// Where a marker can be.
struct Stores {
    s3: aws_sdk_s3::Client,
    bucket: String,
    qdrant: Qdrant,
    pool: PgPool,
    collection: String,
}

impl Stores {
    async fn of(stack: &Stack, collection: &str) -> Self {
        Self {
            s3: aws_sdk_s3::Client::new(&aws::sdk_config().await),
            bucket: stack.staging_bucket.clone(),
            qdrant: Qdrant::from_url(&stack.qdrant_url).skip_compatibility_check().build().unwrap(),
            pool: PgPool::connect(&stack.database_url).await.unwrap(),
            collection: collection.to_owned(),
        }
    }

    /// Returns the keys of the collection's objects, in all folders.
    async fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        let mut pages = self.s3.list_objects_v2().bucket(&self.bucket).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            let found = page.contents().iter().filter_map(|object| object.key()).map(str::to_owned);
            keys.extend(found.filter(|key| key.contains(&self.collection)));
        }
        keys
    }

    /// Returns the generations that the folder has objects of.
    async fn generations(&self, folder: &str) -> Vec<i32> {
        let keys = self.keys().await;
        let keys = keys.iter().filter(|key| key.starts_with(folder));
        let mut found: Vec<i32> = keys
            .filter_map(|key| ArtifactKey::parse(key)?.generation())
            .map(|generation| generation.0)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Counts the places where the marker is: objects, by folder; points, by Qdrant collection; columns, with the
    /// number of rows; lines of the functions' logs.
    async fn places(&self, marker: &str) -> BTreeMap<String, usize> {
        let mut places = BTreeMap::new();
        let mut note = |place: String, count: usize| {
            if count > 0 {
                *places.entry(place).or_insert(0) += count;
            }
        };
        for key in self.keys().await {
            let object = self.s3.get_object().bucket(&self.bucket).key(&key).send().await;
            // Erased since it was listed.
            let Ok(object) = object else { continue };
            let bytes = object.body.collect().await.unwrap().into_bytes();
            let has_marker = bytes.windows(marker.len()).any(|window| window == marker.as_bytes());
            let is_named = key.contains(marker);
            note(format!("s3 {}/", key.split('/').next().unwrap()), usize::from(has_marker || is_named));
        }
        for index in self.qdrant.list_collections().await.unwrap().collections {
            if index.name.contains(&self.collection) {
                let scroll = ScrollPointsBuilder::new(&index.name).limit(10_000).with_payload(true);
                let points = self.qdrant.scroll(scroll).await.unwrap().result;
                let payload = |point: &qdrant_client::qdrant::RetrievedPoint| format!("{:?}", point.payload);
                note(
                    "qdrant".to_owned(),
                    points.iter().filter(|point| payload(point).contains(marker)).count(),
                );
            }
        }
        for (table, column) in self.columns().await {
            let query = format!("SELECT count(*) FROM {table} WHERE strpos({column}::text, $1) > 0");
            let rows: i64 =
                sqlx::query_scalar(AssertSqlSafe(query)).bind(marker).fetch_one(&self.pool).await.unwrap();
            note(format!("postgresql {table}.{column}"), usize::try_from(rows).unwrap());
        }
        note("logs".to_owned(), logs().lines().filter(|line| line.contains(marker)).count());
        places
    }

    /// Returns all columns of all tables.
    async fn columns(&self) -> Vec<(String, String)> {
        sqlx::query_as(
            "SELECT c.table_name::text, c.column_name::text FROM information_schema.columns c
            JOIN information_schema.tables t USING (table_schema, table_name)
            WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1, 2",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

/// Returns the recent log lines of all functions.
fn logs() -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/stack");
    let output = Command::new(script).args(["logs", "functions", "--lines", "100000"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn per_store(places: &BTreeMap<String, usize>) -> BTreeMap<&str, usize> {
    let mut stores = BTreeMap::new();
    for (place, count) in places {
        *stores.entry(place.split(' ').next().unwrap()).or_insert(0) += count;
    }
    stores
}

/// Waits for sweep, which runs twice a minute while there is something to do.
async fn until<T: std::fmt::Debug>(what: &str, mut look: impl AsyncFnMut() -> (bool, T)) {
    let deadline = Instant::now() + Duration::from_secs(240);
    loop {
        let (is_done, found) = look().await;
        if is_done {
            return;
        }
        assert!(Instant::now() < deadline, "{what} not after four minutes: {found:?}");
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

async fn held_bytes(user: &TestUser, path: &str) -> u64 {
    user.get(&format!("{path}/limits")).await.expect(200)["usage"]["storage_bytes"].as_u64().unwrap()
}

#[tokio::test]
async fn replaced_versions_go_and_a_purged_document_leaves_no_trace() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let path = format!("/api/v2/collections/{collection}");
    let stores = Stores::of(&stack, &collection).await;
    let marker = unique("marker");
    let name = format!("{marker}.txt");
    user.upload(&collection, &[Upload::text("another.txt", "Basalt is a volcanic rock.")]).await;
    user.wait_until_idle(&collection).await;
    let another = held_bytes(&user, &path).await;

    // Five versions under one name; the replaced ones go when the next is searchable.
    let mut size = 0;
    for version in 1..=5 {
        let text = chapter(&marker, version);
        size = text.len() as u64;
        user.upload_with_metadata(&collection, &Upload::text(&name, text), &json!({ "topic": marker })).await;
    }
    user.wait_until_idle(&collection).await;
    let document = user.wait_for_document(&collection, &name).await;
    let document_path = format!("{path}/documents/{}", document["id"].as_str().unwrap());
    for folder in ["raw/", "chunks/", "vectors/"] {
        until("the older versions are erased", async || {
            let generations = stores.generations(folder).await;
            (generations == [1, 5], generations)
        })
        .await;
    }
    assert_eq!(held_bytes(&user, &path).await, another + size, "one version of each is held");
    let text = user.get(&format!("{document_path}/content")).await;
    assert_eq!(text.bytes.len() as u64, size);

    // A reindex keeps the index that it replaces, and what that needs, for a rollback.
    let reindex = user.post(&format!("{path}/reindex"), &json!({ "chunk_size": 128 })).await.expect(202);
    let reindex = user.wait_for_operation(reindex["id"].as_str().unwrap()).await;
    assert_eq!(reindex["status"], "completed", "{reindex}");
    assert_eq!(held_bytes(&user, &path).await, 2 * (another + size));

    // What a listing that was cancelled has left.
    let left = format!("fetched/{collection}/{}/{}", document["id"].as_str().unwrap(), uuid::Uuid::new_v4());
    let object = stores.s3.put_object().bucket(&stores.bucket).key(&left);
    object.body(marker.clone().into_bytes().into()).send().await.unwrap();
    let before = stores.places(&marker).await;
    println!("places before: {:?} {before:#?}", per_store(&before));
    for store in ["s3", "qdrant", "postgresql"] {
        assert!(per_store(&before).contains_key(store), "{store}: {before:?}");
    }
    let purged = user.delete(&format!("{document_path}?purge=true")).await;
    purged.expect(202);
    user.post(&format!("{document_path}/restore"), &json!({})).await.expect(409);
    until("the document is purged", async || {
        let answer = user.get(&document_path).await;
        (answer.status.as_u16() == 404, answer.json())
    })
    .await;
    let after = stores.places(&marker).await;
    println!("places after: {:?}", per_store(&after));
    assert_eq!(after, BTreeMap::new());
    let id = document["id"].as_str().unwrap();
    let keys: Vec<String> = stores.keys().await.into_iter().filter(|key| key.contains(id)).collect();
    assert_eq!(keys, Vec::<String>::new());

    assert_eq!(held_bytes(&user, &path).await, 2 * another, "for the rollback");
    let audited = user.get(&format!("{path}/audit-log?action=document_purged")).await.expect(200);
    let entries = audited["entries"].as_array().unwrap_or_else(|| panic!("{audited}"));
    assert_eq!((entries.len(), &entries[0]["details"]["document_id"]), (1, &json!(id)), "{audited}");
    let results = user.search(&collection, &format!("{marker} and the tides")).await;
    let names: Vec<&Value> = results.iter().map(|result| &result["file_name"]).collect();
    assert_eq!(names, ["another.txt"]);

    // Uploaded again, it is a new document.
    let back = user.upload(&collection, &[Upload::text(&name, "Chalk is soft.")]).await.remove(0);
    assert_eq!((&back["id"], &back["status"]), (&document["id"], &json!("completed")));
}
