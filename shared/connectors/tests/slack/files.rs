//! Files in messages.

use chrono::Duration;
use domain::{Classify, ErrorKind};
use serde_json::{Value, json};

use crate::fake::{Slack, noon};
use crate::source::Source;

async fn workspace() -> Slack {
    let slack = Slack::start().await;
    slack.add_channel("C1", "general", false);
    let shared = |id: &str, name: &str, url: String| {
        json!({ "id": id, "name": name, "title": "The plan", "mimetype": "text/plain", "mode": "hosted", "size": 9,
            "timestamp": 7, "permalink": format!("https://acme.slack.com/files/U1/{id}/x"), "url_private_download": url })
    };
    let plan = shared("F1", "plan/a.txt", format!("{}/files/F1", slack.url));
    let elsewhere = shared("F2", "other.txt", "https://elsewhere.example.org/files/F2".to_owned());
    let old = json!({ "id": "F3", "mode": "tombstone" });
    let message = |text: &str, files: &[&Value]| json!({ "user": "U1", "text": text, "files": files });
    slack.add("C1", noon(1), message("see", &[&plan, &old]));
    let root = slack.say("C1", noon(50), "root");
    let mut reply = message("and", &[&elsewhere]);
    reply["thread_ts"] = json!(root);
    slack.add("C1", noon(50) + Duration::minutes(1), reply);
    let mut state = slack.state();
    for file in [plan, elsewhere] {
        state.files.insert(file["id"].as_str().unwrap().to_owned(), (file, "the bytes".to_owned()));
    }
    drop(state);
    slack
}

#[tokio::test]
async fn files_are_documents_if_the_source_includes_them() {
    let slack = workspace().await;
    let without = Source::of(&slack, json!({})).list(None).await;
    assert!(without.entries.iter().all(|entry| !entry.location.starts_with("file/")));

    let source = Source::of(&slack, json!({ "include_files": true }));
    let page = source.list(None).await;
    let files: Vec<_> = page.entries.iter().filter(|entry| entry.location.starts_with("file/")).collect();
    let [plan, elsewhere] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!((plan.location.as_str(), plan.file_name.as_str()), ("file/F1", "plan a.txt"));
    assert!(plan.uri.starts_with("slack://T1/C1/") && plan.uri.ends_with("/F1"), "{}", plan.uri);
    assert_eq!(plan.url.as_deref(), Some("https://acme.slack.com/files/U1/F1/x"));
    let (bytes, hint) = source.open(plan).await.unwrap();
    assert_eq!((bytes.as_str(), &hint), ("the bytes", &plan.change_hint));
    let error = source.open(elsewhere).await.unwrap_err();
    assert!(error.to_string().contains("not on a server of Slack"), "{error}");
    assert_eq!(error.kind(), ErrorKind::Forbidden);
}

#[tokio::test]
async fn missing_scope_is_named_when_a_file_is_read() {
    let slack = workspace().await;
    let source = Source::of(&slack, json!({ "include_files": true }));
    let page = source.list(None).await;
    slack.state().hides_files = true;
    let plan = page.entries.iter().find(|entry| entry.location == "file/F1").unwrap();
    let error = source.open(plan).await.unwrap_err();
    assert!(error.to_string().contains("files:read"), "{error}");
    slack.state().files.clear();
    assert_eq!(source.open(plan).await.unwrap_err().kind(), ErrorKind::NotFound);
}
