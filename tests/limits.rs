//! Quotas: exceeding one is rejected with the limit and the usage, both when uploads are announced and when
//! files arrive without announcement.

use db::collections::CollectionLimits;
use domain::ArtifactKey;
use serde_json::{Value, json};
use testkit::{Stack, TestUser};

#[tokio::test]
async fn a_collection_takes_no_more_documents_than_its_quota() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let path = format!("/api/v2/collections/{collection}");
    let texts = ["Basalt is dark.", "Chalk is soft.", "Marble is hard."];
    limit(&stack, &collection, 2).await;
    let files: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(n, text)| json!({ "name": format!("{n}.txt"), "size": text.len() }))
        .collect();
    let refused = user.post(&format!("{path}/uploads"), &json!({ "files": files })).await.expect(409);
    assert_eq!(
        refused["detail"],
        "0 of at most 2 documents are used by the collection, and with these files 3 more would be announced; \
         delete some, or ask an administrator for a higher limit"
    );

    // Files can be written to the bucket without an announcement.
    let bucket = artifacts::ArtifactStore::new(&aws::sdk_config().await, &stack.staging_bucket);
    let collection_id = collection.parse().unwrap();
    let mut refused = Vec::new();
    for (n, text) in texts.into_iter().enumerate() {
        let key = ArtifactKey::Dropped { collection_id, name: format!("{n}.txt") };
        bucket.write(&key, text, "text/plain").await.unwrap();
    }
    for n in 0..3 {
        let document = user.wait_for_document(&collection, &format!("{n}.txt")).await;
        if document["status"] == "failed" {
            refused.push(document);
        }
    }
    let [refused] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!(
        (&refused["error_message"], &refused["error_category"]),
        (
            &json!(
                "the collection holds 2 of at most 2 documents, and this would add 1; delete some, or ask an \
                 administrator for a higher limit"
            ),
            &json!("permanent")
        )
    );
    user.wait_until_idle(&collection).await;
    let row = user.get(&path).await.expect(200);
    assert_eq!((&row["status"], &row["document_count"]), (&json!("degraded"), &json!(3)));
    assert_eq!(user.get(&format!("{path}/limits")).await.expect(200)["usage"]["documents"], 2);
    let id = refused["id"].as_str().unwrap();
    // Its bytes were not kept.
    user.get(&format!("{path}/documents/{id}/content")).await.expect(404);

    // There is no room yet. When there is, it is read again from its source.
    user.post(&format!("{path}/documents/{id}/retry"), &json!({})).await.expect(409);
    limit(&stack, &collection, 3).await;
    let retried = user.post(&format!("{path}/documents/{id}/retry"), &json!({})).await.expect(200);
    user.wait_for_operation(retried["operation_id"].as_str().unwrap()).await;
    let document = user.get(&format!("{path}/documents/{id}")).await.expect(200);
    assert_eq!(document["status"], "completed", "{document}");
    assert_eq!(user.get(&format!("{path}/limits")).await.expect(200)["usage"]["documents"], 3);
}

/// Sets the quota, as an administrator would.
async fn limit(stack: &Stack, collection: &str, max_documents: i64) {
    let db = db::Db::connect(&db::DbConfig::by_url(stack.database_url.as_str())).unwrap();
    let mut tx = db.begin().await.unwrap();
    let id = collection.parse().unwrap();
    tx.collection_resource_limits().lock(id).await.unwrap();
    let limits = CollectionLimits { max_documents, ..CollectionLimits::default() };
    tx.collection_resource_limits().update(id, &limits).await.unwrap();
    tx.commit().await.unwrap();
}
