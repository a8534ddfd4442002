//! Removing a source with its documents.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload, unique};

#[tokio::test]
async fn removing_a_source_deletes_its_documents_and_vectors_and_no_others() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let path = format!("/api/v2/collections/{collection}");
    let folder = Path::new(&stack.directory_root).join(unique("removal"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("whales.md"), "# Whales\n\nBlue whales are the largest animals.").unwrap();
    std::fs::write(folder.join("volcano.txt"), "Lava is molten rock that a volcano erupts.").unwrap();
    let source = json!({ "source_type": "directory", "source_config": { "path": folder } });
    let added = user.post(&format!("{path}/sources"), &source).await.expect(202);
    let source_id = added["source_id"].clone();
    user.wait_for_operation(added["id"].as_str().unwrap()).await;
    // The second has the bytes of a document of the source, and stays when that is deleted.
    user.upload(
        &collection,
        &[
            Upload::text("bread.txt", "Bread is baked from flour and water."),
            Upload::text("lava.txt", "Lava is molten rock that a volcano erupts."),
        ],
    )
    .await;
    user.wait_until_idle(&collection).await;
    let row = user.get(&path).await.expect(200);
    assert_eq!((&row["document_count"], &row["vector_count"]), (&json!(4), &json!(4)), "{row}");

    let removal = user.delete(&format!("{path}/sources/{source_id}")).await.expect(202);
    let removed = user.wait_for_operation(removal["id"].as_str().unwrap()).await;
    assert_eq!((&removed["status"], &removed["meta"]["counts"]["removed"]), (&json!("completed"), &json!(2)));
    user.get(&format!("{path}/sources/{source_id}")).await.expect(404);
    user.wait_until_idle(&collection).await;

    let row = user.get(&path).await.expect(200);
    assert_eq!((&row["document_count"], &row["vector_count"]), (&json!(2), &json!(2)), "{row}");
    assert_eq!(row["status"], "ready");
    let qdrant = vectors::VectorDatabase::connect(&vectors::VectorsConfig::new(&stack.qdrant_url)).unwrap();
    assert_eq!(qdrant.count(row["vector_store_name"].as_str().unwrap()).await.unwrap(), 2);
    let found = user.search(&collection, "the biggest creature on the planet").await;
    assert!(found.iter().all(|result| result["file_name"] != "whales.md"), "{found:?}");
    let found = user.search(&collection, "hot liquid stone").await;
    assert_eq!(found[0]["file_name"], "lava.txt", "it has points of its own: {found:?}");

    // Its documents can be restored one by one, although the source is gone.
    let documents = user.get(&format!("{path}/documents?status=deleted")).await.expect(200);
    let whales =
        documents["documents"].as_array().unwrap().iter().find(|row| row["file_name"] == "whales.md");
    let whales = whales.unwrap_or_else(|| panic!("{documents}"));
    assert_eq!(whales["source_id"], Value::Null);
    let restore = format!("{path}/documents/{}/restore", whales["id"].as_str().unwrap());
    let restored = user.post(&restore, &json!({})).await.expect(202);
    let restored = user.wait_for_operation(restored["id"].as_str().unwrap()).await;
    assert_eq!(restored["meta"]["chunks"], json!({ "embedded": 0, "reused": 1 }), "{restored}");
    let found = user.search(&collection, "the biggest creature on the planet").await;
    assert_eq!(found[0]["file_name"], "whales.md", "{found:?}");
}
