//! A collection whose stores were damaged behind the system's back: the check finds each damage, the repair mends it.

use aws_sdk_s3::Client;
use domain::{ArtifactKey, DocumentId, Generation, point_id};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::{DeletePointsBuilder, PointsIdsList};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{Stack, TestUser, Upload};

/// Checks the whole collection. Returns the discrepancies as kind and document.
async fn check(user: &TestUser, path: &str) -> Vec<(String, Value)> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = user.get(&format!("{path}/integrity?limit=2&cursor={cursor}")).await.expect(200);
        assert_eq!(page["in_progress"], 0, "{page}");
        for discrepancy in page["discrepancies"].as_array().unwrap() {
            let kind = discrepancy["kind"].as_str().unwrap().to_owned();
            found.push((kind, discrepancy["document_id"].clone()));
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => return found,
        }
    }
}

#[tokio::test]
async fn a_lost_point_object_and_row_are_found_and_repaired() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let path = format!("/api/v2/collections/{collection}");
    let texts = ["Basalt is a volcanic rock.", "Chalk is a soft limestone.", "Quartz scratches glass."];
    let files: Vec<Upload> =
        (0..).zip(texts).map(|(number, text)| Upload::text(&format!("{number}.txt"), text)).collect();
    let documents = user.upload(&collection, &files).await;
    user.wait_until_idle(&collection).await;
    assert_eq!(check(&user, &path).await, []);
    let [without_point, without_object, without_row] =
        [0, 1, 2].map(|number: usize| &documents[number]["id"]);

    let id: DocumentId = without_point.as_str().unwrap().parse().unwrap();
    let point = point_id(id, Generation::FIRST, 0).to_string();
    let qdrant = Qdrant::from_url(&stack.qdrant_url).skip_compatibility_check().build().unwrap();
    let indexes = qdrant.list_collections().await.unwrap().collections;
    let index = indexes.into_iter().find(|index| index.name.contains(&collection)).unwrap().name;
    let points = PointsIdsList { ids: vec![point.into()] };
    qdrant.delete_points(DeletePointsBuilder::new(&index).points(points).wait(true)).await.unwrap();

    let s3 = Client::new(&aws::sdk_config().await);
    let key = ArtifactKey::Vectors {
        collection_id: collection.parse().unwrap(),
        document_id: without_object.as_str().unwrap().parse().unwrap(),
        generation: Generation::FIRST,
        batch: 0,
    };
    let key = key.path();
    s3.head_object().bucket(&stack.staging_bucket).key(&key).send().await.unwrap();
    s3.delete_object().bucket(&stack.staging_bucket).key(&key).send().await.unwrap();

    let pool = PgPool::connect(&stack.database_url).await.unwrap();
    let deleted = sqlx::query("DELETE FROM document_artifacts WHERE document_id = $1::uuid")
        .bind(without_row.as_str().unwrap())
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(deleted.rows_affected(), 1);

    let mut found = check(&user, &path).await;
    found.sort_by(|(kind, _), (other, _)| kind.cmp(other));
    let expected = [
        // The number of points of the whole index.
        ("counter", &Value::Null),
        ("missing_artifact_row", without_row),
        ("missing_objects", without_object),
        ("missing_points", without_point),
    ];
    assert_eq!(found, expected.map(|(kind, document)| (kind.to_owned(), document.clone())));

    let repair = user.post(&format!("{path}/integrity/repair"), &json!({})).await.expect(202);
    let repair = user.wait_for_operation(repair["id"].as_str().unwrap()).await;
    assert_eq!(repair["status"], "completed", "{repair}");
    assert_eq!(check(&user, &path).await, []);
    for (document, text) in documents.iter().zip(texts) {
        let first = user.search(&collection, text).await.remove(0);
        assert_eq!(first["document_id"], document["id"], "{first}");
        let content =
            user.get(&format!("{path}/documents/{}/content", document["id"].as_str().unwrap())).await;
        assert_eq!(content.bytes, text.as_bytes());
    }
}
