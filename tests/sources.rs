//! Sources that the scan function reads: directories, files, buckets.

use serde_json::{Value, json};
use testkit::{Stack, TestUser, unique};

async fn add(user: &TestUser, collection: &str, source: Value) -> Value {
    let path = format!("/api/v2/collections/{collection}/sources");
    let operation = user.post(&path, &source).await.expect(202);
    assert_eq!(operation["type"], "append");
    user.wait_for_operation(operation["id"].as_str().unwrap()).await
}

/// Creates a directory below the root that directory sources may read.
fn folder(stack: &Stack) -> std::path::PathBuf {
    let folder = std::path::Path::new(&stack.directory_root).join(unique("source"));
    std::fs::create_dir_all(folder.join("deep")).unwrap();
    std::fs::write(
        folder.join("whales.md"),
        "# Whales\n\nBlue whales are the largest animals that ever lived.",
    )
    .unwrap();
    std::fs::write(folder.join("deep/volcano.txt"), "Lava is molten rock that a volcano erupts.").unwrap();
    folder
}

#[tokio::test]
async fn a_directory_is_indexed_and_an_unchanged_one_costs_nothing() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let folder = folder(&stack);
    let source = json!({ "source_type": "directory", "source_config": { "path": folder } });

    let first = add(&user, &collection, source.clone()).await;
    assert_eq!(first["status"], "completed", "{first}");
    assert_eq!(first["progress"]["by_state"]["completed"], 2, "{first}");
    let results = user.search(&collection, "the biggest creature on the planet").await;
    assert_eq!(results[0]["file_name"], "whales.md");

    let second = add(&user, &collection, source.clone()).await;
    assert_eq!(second["progress"]["by_state"]["unchanged"], 2, "{second}");
    assert_eq!(second["progress"]["by_state"]["completed"], 0, "{second}");

    std::fs::write(folder.join("whales.md"), "# Ants\n\nLeafcutter ants farm fungus underground.").unwrap();
    let third = add(&user, &collection, source).await;
    assert_eq!(third["progress"]["by_state"]["completed"], 1, "{third}");
    let results = user.search(&collection, "insects that grow mushrooms").await;
    assert!(results[0]["text"].as_str().unwrap().contains("Leafcutter"), "{results:?}");
}

#[tokio::test]
async fn a_single_file_is_a_source() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let path = folder(&stack).join("deep/volcano.txt");
    let operation =
        add(&user, &collection, json!({ "source_type": "file", "source_config": { "path": path } })).await;
    assert_eq!(operation["progress"]["by_state"]["completed"], 1, "{operation}");
}

#[tokio::test]
async fn paths_outside_the_roots_are_rejected() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let path = format!("/api/v2/collections/{collection}/sources");
    for outside in ["/etc", "/root/../etc", "relative/path"] {
        let body = json!({ "source_type": "directory", "source_config": { "path": outside } });
        let answer = user.post(&path, &body).await;
        if answer.status.as_u16() == 202 {
            // What only the scan function can see ends as a failed operation with the reason.
            let operation = user.wait_for_operation(answer.json()["id"].as_str().unwrap()).await;
            assert_eq!(operation["status"], "failed", "{outside}: {operation}");
            assert!(operation["error_message"].as_str().unwrap().contains("root"), "{operation}");
        } else {
            answer.expect(422);
        }
    }
    let documents = user.get(&format!("/api/v2/collections/{collection}/documents")).await.expect(200);
    assert_eq!(documents["total"], 0);
}

#[tokio::test]
async fn a_bucket_is_indexed_and_the_staging_bucket_is_rejected() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let prefix = unique("manuals");
    let bucket = connectors_bucket(&stack).await;
    bucket.put(&format!("{prefix}/pump.txt"), "The pump must be primed before it is switched on.").await;
    bucket.put(&format!("{prefix}/valve.txt"), "A check valve lets water flow one way only.").await;
    let source = json!({
        "source_type": "s3",
        "source_config": { "bucket": stack.source_bucket, "prefix": format!("{prefix}/") },
    });
    let operation = add(&user, &collection, source).await;
    assert_eq!(operation["progress"]["by_state"]["completed"], 2, "{operation}");
    let results = user.search(&collection, "one-directional flow").await;
    assert_eq!(results[0]["file_name"], "valve.txt");

    let staging =
        json!({ "source_type": "s3", "source_config": { "bucket": stack.staging_bucket, "prefix": "" } });
    user.post(&format!("/api/v2/collections/{collection}/sources"), &staging).await.expect(422);
}

#[tokio::test]
async fn an_unknown_source_type_names_the_known_ones() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let body = json!({ "source_type": "gopher", "source_config": {} });
    let problem = user.post(&format!("/api/v2/collections/{collection}/sources"), &body).await.expect(422);
    let detail = problem["detail"].as_str().unwrap();
    assert!(["gopher", "directory", "file", "s3"].iter().all(|word| detail.contains(word)), "{detail}");
}

/// A bucket whose keys are not artifact keys.
struct SourceBucket(artifacts::ArtifactStore);

async fn connectors_bucket(stack: &Stack) -> SourceBucket {
    SourceBucket(artifacts::ArtifactStore::new(&aws::sdk_config().await, &stack.source_bucket))
}

impl SourceBucket {
    async fn put(&self, key: &str, text: &'static str) {
        self.0.write_object(key, text, "text/plain").await.unwrap();
    }
}
