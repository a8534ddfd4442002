//! Pushed documents: one by one, many at once, and in runs that find out what is gone.

use std::time::Instant;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Response, Stack, TestUser, Upload};

struct Pusher {
    user: TestUser,
    collection: String,
}

impl Pusher {
    async fn new() -> Self {
        let user = TestUser::register(&Stack::from_env()).await;
        let collection = user.create_collection().await;
        Self { user, collection }
    }

    fn path(&self, rest: &str) -> String {
        format!("/api/v2/collections/{}/{rest}", self.collection)
    }

    async fn put(&self, body: &Value) -> Response {
        self.user.send(Method::PUT, &self.path("documents/by-uri"), Some(body)).await
    }

    /// Pushes a text and waits until its operation has ended; returns the counts of the operation.
    async fn push(&self, body: Value) -> Value {
        let pushed = self.put(&body).await.expect(202);
        self.wait_for(&pushed).await["meta"]["counts"].clone()
    }

    /// Waits until the operation of what was pushed has ended; returns it.
    async fn wait_for(&self, pushed: &Value) -> Value {
        let upload = pushed["upload"].as_str().unwrap();
        let received = self.user.wait_until(upload, |upload| upload["status"] != "expected").await;
        assert_eq!(received["status"], "received", "{received}");
        self.user.wait_for_operation(received["operation_id"].as_str().unwrap()).await
    }

    async fn texts(&self, query: &str) -> Vec<String> {
        let results = self.user.search(&self.collection, query).await;
        results.iter().map(|result| result["text"].as_str().unwrap().to_owned()).collect()
    }

    async fn documents(&self) -> Vec<String> {
        let page = self.user.get(&self.path("documents?per_page=100&sort_by=created_at")).await.expect(200);
        let rows = page["documents"].as_array().unwrap().iter();
        let mut uris: Vec<String> = rows.map(|row| row["uri"].as_str().unwrap().to_owned()).collect();
        uris.sort_unstable();
        uris
    }

    async fn operations(&self) -> usize {
        let path = self.path("operations?per_page=100");
        let page = self.user.get(&path).await.expect(200);
        let operations = page.as_array().unwrap();
        operations.iter().filter(|operation| operation["type"] == "append").count()
    }
}

fn ticket(number: usize, text: &str) -> Value {
    json!({
        "uri": format!("crm://tickets/{number}"), "text": text, "source": "crm", "title": format!("Ticket {number}"),
    })
}

fn encoded(number: usize) -> String {
    format!("documents/by-uri?uri=crm%3A%2F%2Ftickets%2F{number}")
}

#[tokio::test]
async fn a_pushed_text_is_found_within_seconds_changed_and_deleted() {
    let pusher = Pusher::new().await;
    let started = Instant::now();
    let first = ticket(17, "The printer on floor three is out of order.");
    let pushed = pusher.put(&first).await.expect(202);
    let answered = started.elapsed();
    pusher.wait_for(&pushed).await;
    let found = pusher.texts("broken printer").await;
    println!("pushed in {} ms, searchable after {} ms", answered.as_millis(), started.elapsed().as_millis());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("out of order"), "{found:?}");
    let document = pusher.user.get(&pusher.path(&encoded(17))).await.expect(200);
    assert_eq!(
        (&document["id"], &document["file_path"], &document["status"], &document["title"]),
        (&pushed["document_id"], &json!("tickets/17"), &json!("completed"), &json!("Ticket 17"))
    );

    // The same again, and with the title left out: nothing is embedded.
    let counts = pusher.push(first.clone()).await;
    assert_eq!((&counts["unchanged"], &counts["changed"]), (&json!(1), &json!(0)), "{counts}");
    let mut untitled = first;
    untitled.as_object_mut().unwrap().remove("title");
    assert_eq!(pusher.push(untitled).await["unchanged"], 1);

    pusher.push(ticket(17, "The printer on floor three works again.")).await;
    let found = pusher.texts("printer").await;
    assert!(found.len() == 1 && found[0].contains("works again"), "{found:?}");

    pusher.user.delete(&pusher.path(&encoded(17))).await.expect(204);
    assert_eq!(pusher.texts("printer").await, [""; 0]);
    pusher.user.delete(&pusher.path(&encoded(17))).await.expect(404);
    pusher.push(ticket(17, "The printer is broken again.")).await;
    assert_eq!(pusher.texts("printer").await.len(), 1, "a later push brings it back");
}

#[tokio::test]
async fn thirty_pushes_at_once_share_few_operations() {
    let pusher = Pusher::new().await;
    let started = Instant::now();
    let bodies: Vec<Value> =
        (0..30).map(|number| ticket(number, &format!("Ticket about lamp number {number}."))).collect();
    let pushed = join_all(bodies.iter().map(|body| pusher.put(body))).await;
    for answer in &pushed {
        pusher.wait_for(&answer.expect(202)).await;
    }
    let operations = pusher.operations().await;
    println!("30 pushes searchable after {} ms, in {operations} operations", started.elapsed().as_millis());
    assert_eq!(pusher.documents().await.len(), 30);
    assert!(operations <= 15, "{operations} operations");
}

#[tokio::test]
async fn a_run_removes_what_it_has_not_named() {
    let pusher = Pusher::new().await;
    for number in 1..4 {
        pusher.put(&ticket(number, &format!("Text of ticket {number}."))).await.expect(202);
    }
    pusher.push(ticket(4, "Text of ticket 4.")).await;
    pusher.user.wait_until_idle(&pusher.collection).await;
    let runs = pusher.path("push-runs");
    let run = pusher.user.post(&runs, &json!({ "source": "crm" })).await.expect(201);
    let run = format!("{runs}/{}", run["run_id"].as_str().unwrap());
    let uris = json!({ "uris": ["crm://tickets/1", "crm://tickets/8"] });
    let seen = pusher.user.post(&format!("{run}/seen"), &uris).await.expect(200);
    assert_eq!(seen["unknown"], json!(["crm://tickets/8"]));
    // One is changed, and a new one is still on its way when the run ends.
    pusher.put(&ticket(2, "Another text of ticket 2.")).await.expect(202);
    let late = pusher.put(&ticket(9, "Text of ticket 9.")).await.expect(202);
    let ended = pusher.user.post(&format!("{run}/end"), &json!({})).await.expect(202);
    assert_eq!((&ended["named"], &ended["removed"]), (&json!(4), &json!(2)), "{ended}");
    pusher.user.wait_for_operation(ended["operation_id"].as_str().unwrap()).await;
    pusher.wait_for(&late).await;
    pusher.user.wait_until_idle(&pusher.collection).await;
    assert_eq!(pusher.documents().await, ["crm://tickets/1", "crm://tickets/2", "crm://tickets/9"]);
    let found = pusher.texts("text of ticket").await;
    assert_eq!(found.len(), 3, "{found:?}");
}

#[tokio::test]
async fn larger_documents_are_announced_under_their_uris() {
    let pusher = Pusher::new().await;
    let text = "The tide follows the moon.\n".repeat(40_000);
    let refused = pusher.put(&json!({ "uri": "crm://tides", "text": text })).await;
    assert_eq!(refused.status, 413);
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("1080000 bytes") && detail.contains("/uploads, with the same uri"), "{detail}");

    let file = Upload::text("tides.txt", "The tide follows the moon.");
    let files = json!({ "source": "crm", "files": [{
        "name": "tides.txt", "size": file.bytes.len(), "content_type": "text/plain", "uri": "crm://tides",
        "url": "https://crm.example.org/tides",
    }] });
    let announced = pusher.user.post(&pusher.path("uploads"), &files).await.expect(201);
    assert!(pusher.user.put(&announced["uploads"][0], file.bytes).await.is_success());
    let document = pusher.user.wait_for_document(&pusher.collection, "tides.txt").await;
    assert_eq!((&document["uri"], &document["status"]), (&json!("crm://tides"), &json!("completed")));
    assert_eq!(document["url"], "https://crm.example.org/tides");
    let sources = pusher.user.get(&pusher.path("sources")).await.expect(200);
    let source = sources["items"].as_array().unwrap().iter().find(|source| source["source_type"] == "push");
    assert_eq!(source.unwrap()["id"], document["source_id"]);
}
