//! Announced uploads that arrive, and those that do not.

use serde_json::json;
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
    // Sweep runs every minute.
    let upload = user.wait_until(&format!("{uploads}/{id}"), |upload| upload["status"] == "expired").await;
    let message = upload["message"].as_str().unwrap();
    assert!(message.contains("never.txt") && message.contains("again"), "{message}");
}
