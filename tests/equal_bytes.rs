//! Files with equal bytes: each is a document of its own, and their text is embedded once.

use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};

const TEXT: &str = "Granite is a coarse-grained igneous rock, which cools slowly below the surface.";

async fn found_by(user: &TestUser, collection: &str, filter: &Value, mode: &str) -> Vec<String> {
    let body = json!({
        "collection_uuids": [collection], "query": "igneous rock", "search_mode": mode, "metadata_filter": filter,
    });
    let answer = user.post("/api/v2/search", &body).await.expect(200);
    let results = answer["results"].as_array().unwrap();
    results.iter().map(|hit| hit["file_path"].as_str().unwrap().to_owned()).collect()
}

/// Returns the numbers of chunks that the collection's operations have embedded and reused.
async fn chunks(user: &TestUser, collection: &str) -> (u64, u64) {
    let operations = user.get(&format!("/api/v2/collections/{collection}/operations")).await.expect(200);
    let sum = |name: &str| {
        let operations = operations.as_array().unwrap().iter();
        operations.filter_map(|operation| operation["meta"]["chunks"][name].as_u64()).sum()
    };
    (sum("embedded"), sum("reused"))
}

#[tokio::test]
async fn each_is_found_by_its_own_folder_and_metadata_and_embedded_once() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let files = [("north/report.txt", 2023), ("south/report.txt", 2024)];
    for (name, year) in files {
        let file = Upload::text(name, TEXT);
        user.upload_with_metadata(&collection, &file, &json!({ "year": year })).await;
    }
    user.wait_until_idle(&collection).await;
    for mode in ["dense", "sparse", "hybrid"] {
        for (name, year) in files {
            let folder = name.split('/').next().unwrap();
            for filter in [json!({ "path_prefix": folder }), json!({ "attributes": { "year": year } })] {
                assert_eq!(found_by(&user, &collection, &filter, mode).await, [name], "{mode} {filter}");
            }
        }
    }
    assert_eq!(chunks(&user, &collection).await, (1, 1));
    let rows = user.get(&format!("/api/v2/collections/{collection}/documents")).await.expect(200);
    let rows = rows["documents"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["file_path"] == name).unwrap();
    let (original, copy) = (row("north/report.txt"), row("south/report.txt"));
    assert_eq!((&original["duplicate_of"], &copy["duplicate_of"]), (&Value::Null, &original["id"]));
    assert_eq!((&original["chunk_count"], &copy["chunk_count"]), (&json!(1), &json!(1)));

    // The copy does not depend on the original.
    let path = format!("/api/v2/collections/{collection}/documents/{}", original["id"].as_str().unwrap());
    user.delete(&path).await.expect(204);
    user.wait_until_idle(&collection).await;
    assert_eq!(found_by(&user, &collection, &json!({}), "dense").await, ["south/report.txt"]);
    assert_eq!(chunks(&user, &collection).await, (1, 1), "nothing was embedded again");
}

#[tokio::test]
async fn of_many_that_are_uploaded_at_once_one_is_embedded() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let files: Vec<Upload> = (0..8).map(|n| Upload::text(&format!("{n}/report.txt"), TEXT)).collect();
    user.upload(&collection, &files).await;
    user.wait_until_idle(&collection).await;
    let (embedded, reused) = chunks(&user, &collection).await;
    assert_eq!((embedded, reused), (1, 7));
    for number in 0..8 {
        let filter = json!({ "path_prefix": number.to_string() });
        let name = format!("{number}/report.txt");
        assert_eq!(found_by(&user, &collection, &filter, "dense").await, [name]);
    }
}
