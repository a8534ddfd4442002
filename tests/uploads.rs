//! Announced uploads that arrive, those that do not, and files dropped into the bucket.

use artifacts::ArtifactStore;
use domain::ArtifactKey;
use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};

#[tokio::test]
async fn an_upload_is_expected_until_its_file_arrives() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let file = Upload::text("late.txt", "Better late than never.");
    let announced = user.announce(&collection, &file).await;
    let path = format!("/api/v2/collections/{collection}/uploads/{}", announced["id"].as_str().unwrap());
    let waiting = user.get(&path).await.expect(200);
    assert_eq!(waiting["status"], "expected");
    assert_eq!(waiting["operation_id"], json!(null));

    assert!(user.put(&announced, file.bytes).await.is_success());
    let arrived = user.wait_until(&path, |upload| upload["status"] == "received").await;
    user.wait_for_operation(arrived["operation_id"].as_str().unwrap()).await;
    let document = user.wait_for_document(&collection, "late.txt").await;
    assert_eq!(document["status"], "completed", "{document}");
}

#[tokio::test]
async fn an_upload_that_never_arrives_is_reported_as_expired() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let body = json!({
        "files": [{ "name": "never.txt", "size": 5, "content_type": "text/plain" }],
        "expires_in_seconds": 1,
    });
    let uploads = format!("/api/v2/collections/{collection}/uploads");
    let announced = user.post(&uploads, &body).await.expect(201);
    let id = announced["uploads"][0]["id"].as_str().unwrap();
    // Sweep runs when it expires.
    let upload = user.wait_until(&format!("{uploads}/{id}"), |upload| upload["status"] == "expired").await;
    let message = upload["message"].as_str().unwrap();
    assert!(message.contains("never.txt") && message.contains("again"), "{message}");
}

#[tokio::test]
async fn an_upload_takes_one_file_which_is_deleted_once_it_is_staged() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let file = Upload::text("once.txt", "Only once.");
    let announced = user.announce(&collection, &file).await;
    let path = format!("/api/v2/collections/{collection}/uploads/{}", announced["id"].as_str().unwrap());
    assert!(user.put(&announced, file.bytes).await.is_success());
    user.wait_for_document(&collection, "once.txt").await;
    user.wait_until_idle(&collection).await;
    let bucket = ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    let key = key_of(&collection, &announced);
    assert_eq!(bucket.head(&key).await.unwrap(), None, "it is staged");

    // Of the announced size, with other bytes.
    assert!(user.put(&announced, "Once more.".into()).await.is_success());
    wait_until_deleted(&bucket, &key).await;
    let upload = user.get(&path).await.expect(200);
    assert_eq!(upload["status"], "received");
    user.wait_until_idle(&collection).await;
    let results = user.search(&collection, "Only once.").await;
    assert_eq!((results.len(), &results[0]["text"]), (1, &json!("Only once.")));
}

#[tokio::test]
async fn a_withdrawn_upload_is_refused_and_its_file_deleted() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let file = Upload::text("withdrawn.txt", "Never mind.");
    let announced = user.announce(&collection, &file).await;
    let path = format!("/api/v2/collections/{collection}/uploads/{}", announced["id"].as_str().unwrap());
    user.delete(&path).await.expect(204);
    user.delete(&path).await.expect(204);
    assert!(user.put(&announced, file.bytes).await.is_success());
    let bucket = ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    wait_until_deleted(&bucket, &key_of(&collection, &announced)).await;
    assert_eq!(user.get(&path).await.expect(200)["status"], "withdrawn");
    let documents = user.get(&format!("/api/v2/collections/{collection}/documents")).await.expect(200);
    assert_eq!(documents["total"], 0, "{documents}");
}

#[tokio::test]
async fn drops_follow_the_rules_for_names_and_go_with_their_files() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let bucket = ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    let collection_id = collection.parse().unwrap();
    let key = |name: &str| ArtifactKey::Dropped { collection_id, name: name.to_owned() };
    bucket.write(&key("a/../up.txt"), "Up.", "text/plain").await.unwrap();
    let document = user.wait_for_document(&collection, "a/../up.txt").await;
    assert_eq!(
        (&document["status"], &document["error_message"]),
        (
            &json!("failed"),
            &json!(
                r#"name: contains the folder ".."; names of folders allowed between two '/', got "a/../up.txt""#
            )
        )
    );

    bucket.write(&key("kept.txt"), "Kept.", "text/plain").await.unwrap();
    let document = user.wait_for_document(&collection, "kept.txt").await;
    assert_eq!(document["status"], "completed", "{document}");
    bucket.delete(&key("kept.txt")).await.unwrap();
    let documents = format!("/api/v2/collections/{collection}/documents");
    user.wait_until(&format!("{documents}?status=deleted"), |page| page["total"] == 1).await;
    user.wait_until_idle(&collection).await;
    assert_eq!(user.search(&collection, "Kept.").await.len(), 0);
}

fn key_of(collection: &str, upload: &Value) -> ArtifactKey {
    let upload_id = upload["id"].as_str().unwrap().parse().unwrap();
    ArtifactKey::Announced { collection_id: collection.parse().unwrap(), upload_id }
}

async fn wait_until_deleted(bucket: &ArtifactStore, key: &ArtifactKey) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while bucket.head(key).await.unwrap().is_some() {
        assert!(std::time::Instant::now() < deadline, "{} is not deleted", key.path());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}
