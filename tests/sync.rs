//! Syncing a collection: reading its sources again.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::{Stack, TestUser, unique};

/// Creates a directory below the root that directory sources may read.
fn folder(stack: &Stack) -> PathBuf {
    let folder = Path::new(&stack.directory_root).join(unique("sync"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("whales.md"), "# Whales\n\nBlue whales are the largest animals.").unwrap();
    std::fs::write(folder.join("volcano.txt"), "Lava is molten rock that a volcano erupts.").unwrap();
    folder
}

/// Starts a sync run and waits until it has ended; returns it with its operations.
async fn sync(user: &TestUser, collection: &str) -> Value {
    let path = format!("/api/v2/collections/{collection}/sync");
    let started = user.post(&format!("{path}/run"), &json!({})).await.expect(202);
    assert_eq!((&started["status"], &started["triggered_by"]), (&json!("running"), &json!("manual")));
    let run = format!("{path}/runs/{}", started["id"]);
    user.wait_until(&run, |run| run["status"] != "running").await
}

fn by_state(run: &Value) -> &Value {
    &run["operations"][0]["progress"]["by_state"]
}

#[tokio::test]
async fn a_sync_run_costs_what_changed_and_is_recorded() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let folder = folder(&stack);
    let source = json!({ "source_type": "directory", "source_config": { "path": folder } });
    let added = user.post(&format!("/api/v2/collections/{collection}/sources"), &source).await.expect(202);
    let added = user.wait_for_operation(added["id"].as_str().unwrap()).await;
    assert_eq!(added["progress"]["by_state"]["completed"], 2, "{added}");

    let unchanged = sync(&user, &collection).await;
    assert_eq!(unchanged["status"], "success", "{unchanged}");
    assert_eq!(unchanged["completed_sources"], 1);
    assert_eq!(
        (&by_state(&unchanged)["unchanged"], &by_state(&unchanged)["completed"]),
        (&json!(2), &json!(0)),
        "{unchanged}"
    );

    std::fs::write(folder.join("whales.md"), "# Ants\n\nLeafcutter ants farm fungus underground.").unwrap();
    let changed = sync(&user, &collection).await;
    assert_eq!(changed["status"], "success", "{changed}");
    assert_eq!(
        (&by_state(&changed)["unchanged"], &by_state(&changed)["completed"]),
        (&json!(1), &json!(1)),
        "{changed}"
    );
    let results = user.search(&collection, "insects that grow mushrooms").await;
    assert!(results[0]["text"].as_str().unwrap().contains("Leafcutter"), "{results:?}");

    // A source that no longer exists is a failure.
    std::fs::remove_dir_all(&folder).unwrap();
    let gone = sync(&user, &collection).await;
    assert_eq!((&gone["status"], &gone["failed_sources"]), (&json!("failed"), &json!(1)), "{gone}");
    assert!(gone["error_summary"].as_str().unwrap().contains(folder.to_str().unwrap()), "{gone}");
    let row = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    assert_eq!(row["sync_last_run_status"], "failed", "{row}");
    assert_eq!(row["sync_last_error"], gone["error_summary"]);

    let history = user.get(&format!("/api/v2/collections/{collection}/sync/runs")).await.expect(200);
    let statuses: Vec<&Value> =
        history["items"].as_array().unwrap().iter().map(|run| &run["status"]).collect();
    assert_eq!(statuses, ["failed", "success", "success"], "{history}");
    assert_eq!(history["total"], 3);
}

#[tokio::test]
async fn documents_missing_from_a_source_are_removed_or_kept_as_configured() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    for on_missing in ["remove", "keep"] {
        let collection = user.create_collection().await;
        let folder = folder(&stack);
        let source = json!({
            "source_type": "directory", "source_config": { "path": folder, "on_missing": on_missing },
        });
        let path = format!("/api/v2/collections/{collection}");
        let added = user.post(&format!("{path}/sources"), &source).await.expect(202);
        user.wait_for_operation(added["id"].as_str().unwrap()).await;

        std::fs::remove_file(folder.join("whales.md")).unwrap();
        let run = sync(&user, &collection).await;
        let is_removed = on_missing == "remove";
        let counts = &run["operations"][0]["meta"]["counts"];
        assert_eq!(
            (&counts["unchanged"], &counts["removed"]),
            (&json!(1), &json!(u8::from(is_removed))),
            "{on_missing}: {run}"
        );
        let found = user.search(&collection, "the biggest creature on the planet").await;
        assert_eq!(found.iter().any(|result| result["file_name"] == "whales.md"), !is_removed, "{found:?}");
        let documents = user.get(&format!("{path}/documents")).await.expect(200);
        let stale = documents["documents"].as_array().unwrap().iter().filter(|row| row["is_stale"] == true);
        assert_eq!(stale.count(), usize::from(!is_removed), "{documents}");
        let row = user.get(&path).await.expect(200);
        let left = if is_removed { 1 } else { 2 };
        assert_eq!((&row["document_count"], &row["vector_count"]), (&json!(left), &json!(left)), "{row}");

        // A document that reappears is restored, or no longer stale.
        std::fs::write(folder.join("whales.md"), "# Whales\n\nBlue whales are the largest animals.").unwrap();
        let back = sync(&user, &collection).await;
        assert_eq!(back["operations"][0]["meta"]["chunks"]["embedded"], 0, "its vectors are staged: {back}");
        let found = user.search(&collection, "the biggest creature on the planet").await;
        assert_eq!(found[0]["file_name"], "whales.md", "{found:?}");
        let documents = user.get(&format!("{path}/documents")).await.expect(200);
        let rows = documents["documents"].as_array().unwrap();
        assert!(rows.len() == 2 && rows.iter().all(|row| row["is_stale"] == false), "{documents}");
    }
}
