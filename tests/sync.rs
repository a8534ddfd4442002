//! Reading a collection's sources again.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testkit::{Stack, TestUser, unique};

/// A folder below the root that the stack lets directory sources read.
fn folder(stack: &Stack) -> PathBuf {
    let folder = Path::new(&stack.directory_root).join(unique("sync"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("whales.md"), "# Whales\n\nBlue whales are the largest animals.").unwrap();
    std::fs::write(folder.join("volcano.txt"), "Lava is molten rock that a volcano erupts.").unwrap();
    folder
}

/// Starts a run and waits until it has ended; returns it with its operations.
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
async fn a_synced_source_costs_what_changed_and_its_history_says_how_it_went() {
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

    // A source that is gone is no success.
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
