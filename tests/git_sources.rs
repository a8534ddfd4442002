//! Git repositories as sources: from git's own HTTP backend to the search results and back.

use serde_json::{Value, json};
use testkit::{GitChange, GitRepository, GitServer, Stack, TestUser};

/// "x-access-token:s3cret" in Base64.
const TOKEN: &str = "eC1hY2Nlc3MtdG9rZW46czNjcmV0";

async fn end(user: &TestUser, operation: &Value) -> Value {
    user.wait_for_operation(operation["id"].as_str().unwrap()).await
}

fn counts(operation: &Value) -> [i64; 4] {
    let states = &operation["progress"]["by_state"];
    ["completed", "unchanged", "removed", "failed"].map(|state| states[state].as_i64().unwrap())
}

#[tokio::test]
async fn a_repository_is_indexed_and_only_what_changed_is_read_again() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let repository = GitRepository::create();
    let first = repository.commit(
        "main",
        &[
            GitChange::Write("docs/harbour.md", b"# Harbour\n\nThe harbour master assigns the berths.\n"),
            GitChange::Write("src/crane.rs", b"/// Lifts a container.\npub fn lift() {}\n"),
            GitChange::Write("notes.txt", b"Ropes are checked every spring.\n"),
            GitChange::Link("passwords", "/etc/passwd"),
        ],
    );
    let server = GitServer::start(repository.folder.path().to_owned(), Some(TOKEN)).await;
    let sources = format!("/api/v2/collections/{collection}/sources");
    let template = "https://git.example.org/harbour/blob/{commit}/{path}";
    let config = json!({ "url": server.url, "link_template": template });

    let tried = json!({ "source_type": "git", "source_config": config, "secrets": { "token": "wrong" } });
    let tried = user.post(&format!("{sources}/test"), &tried).await.expect(200);
    assert_eq!(tried["ok"], false, "{tried}");
    assert!(!tried.to_string().contains("wrong"), "no answer shows a secret: {tried}");

    let source = json!({ "source_type": "git", "source_config": config, "secrets": { "token": "s3cret" } });
    let added = user.post(&sources, &source).await.expect(202);
    let ended = end(&user, &added).await;
    assert_eq!((counts(&ended), &ended["status"]), ([3, 0, 0, 0], &json!("completed")), "{ended}");
    let hits = user.search(&collection, "who decides where ships moor").await;
    let link = hits[0]["url"].as_str().unwrap();
    assert!(
        link.starts_with(&format!("https://git.example.org/harbour/blob/{first}/docs/harbour.md")),
        "{link}"
    );

    // Unchanged: one request.
    server.take_counts();
    let sync =
        user.post(&format!("/api/v2/collections/{collection}/sync/run"), &Value::Null).await.expect(202);
    let id = added["source_id"].as_i64().unwrap();
    let run = loop {
        let run =
            user.get(&format!("/api/v2/collections/{collection}/sync/runs/{}", sync["id"])).await.expect(200);
        if run["status"] != "running" {
            break run;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    assert_eq!(run["status"], "success", "{run}");
    assert_eq!(server.take_counts().0, 1, "an unchanged branch is one request");
    let shown = user.get(&format!("{sources}/{id}")).await.expect(200);
    assert_eq!((&shown["has_token"], &shown["document_count"]), (&json!(true), &json!(3)), "{shown}");

    repository.commit(
        "main",
        &[
            GitChange::Write("docs/harbour.md", b"# Harbour\n\nPilots guide tankers past the sandbank.\n"),
            GitChange::Delete("notes.txt"),
        ],
    );
    let again =
        user.post(&sources, &json!({ "source_type": "git", "source_config": config })).await.expect(202);
    let ended = end(&user, &again).await;
    assert_eq!(counts(&ended), [1, 1, 1, 0], "{ended}");
    let hits = user.search(&collection, "shallow water that ships must avoid").await;
    assert!(hits[0]["text"].as_str().unwrap().contains("sandbank"), "{hits:?}");

    user.send(
        reqwest::Method::PATCH,
        &format!("{sources}/{id}"),
        Some(&json!({ "secrets": { "token": "revoked" } })),
    )
    .await
    .expect(200);
    let refused =
        user.post(&sources, &json!({ "source_type": "git", "source_config": config })).await.expect(202);
    let ended = end(&user, &refused).await;
    assert_eq!(ended["status"], "failed", "{ended}");
    assert!(!ended.to_string().contains("revoked"), "{ended}");
    let shown = user.get(&format!("{sources}/{id}")).await.expect(200);
    assert_eq!((&shown["consecutive_failures"], &shown["document_count"]), (&json!(1), &json!(2)), "{shown}");
}
