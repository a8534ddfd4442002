//! Webhooks: a receiver of one's own is told what happens, and every request is signed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth::sign;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Router, serve};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload, unique};
use tokio::net::TcpListener;

/// A request that the receiver got.
#[derive(Debug, Clone)]
struct Request {
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn event(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The signature that these secrets make of it, compared with the one that it has.
    fn assert_signed_by(&self, secrets: &[&str]) {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        let timestamp = self.header("webhook-timestamp").parse().unwrap();
        let expected = sign(&secrets, self.header("webhook-id"), timestamp, &self.body).unwrap();
        assert_eq!(self.header("webhook-signature"), expected);
    }
}

type Answer = Arc<dyn Fn(usize) -> u16 + Send + Sync>;

/// An HTTP server whose answers a function chooses, by the number of requests before.
#[derive(Clone)]
struct Receiver {
    requests: Arc<Mutex<Vec<Request>>>,
    answer: Arc<Mutex<Answer>>,
    url: String,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let accept: Answer = Arc::new(|_| 204);
        let receiver = Self { requests: Arc::default(), answer: Arc::new(Mutex::new(accept)), url };
        let router = Router::new().route("/", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { serve(listener, router).await });
        receiver
    }

    fn answers(&self, answer: impl Fn(usize) -> u16 + Send + Sync + 'static) {
        *self.answer.lock().unwrap() = Arc::new(answer);
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until there are so many requests that meet the condition; returns those.
    async fn wait_for(&self, number: usize, condition: impl Fn(&Request) -> bool) -> Vec<Request> {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let found: Vec<Request> = self.requests().into_iter().filter(&condition).collect();
            if found.len() >= number {
                return found;
            }
            let events: Vec<Value> = self.requests().iter().map(Request::event).collect();
            assert!(Instant::now() < deadline, "{} of {number} requests: {events:?}", found.len());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn wait_for_event(&self, event: &str) -> Request {
        self.wait_for(1, |request| request.event()["type"] == event).await.remove(0)
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut requests = receiver.requests.lock().unwrap();
    let answer = Arc::clone(&receiver.answer.lock().unwrap());
    let status = answer(requests.len());
    requests.push(Request { headers, body });
    StatusCode::from_u16(status).unwrap()
}

/// A user with a webhook for all events of the account.
struct Subscriber {
    user: TestUser,
    receiver: Receiver,
    path: String,
    secret: String,
}

impl Subscriber {
    async fn new() -> Self {
        let user = TestUser::register(&Stack::from_env()).await;
        let receiver = Receiver::start().await;
        let body = json!({
            "url": receiver.url,
            "events": [
                "operation.completed", "operation.failed", "document.failed", "collection.degraded", "source.failed",
            ],
        });
        let made = user.post("/api/v2/webhooks", &body).await.expect(201);
        let path = format!("/api/v2/webhooks/{}", made["id"].as_str().unwrap());
        let secret = made["secret"].as_str().unwrap().to_owned();
        Self { user, receiver, path, secret }
    }

    async fn test(&self) -> String {
        let sent = self.user.send(Method::POST, &format!("{}/test", self.path), None).await.expect(202);
        sent["delivery_id"].as_str().unwrap().to_owned()
    }

    async fn wait_for_state(&self, delivery: &str, state: &str) -> Value {
        let path = format!("{}/deliveries?per_page=100", self.path);
        let find = |page: &Value| {
            let rows = page["deliveries"].as_array().unwrap().clone();
            rows.into_iter().find(|row| row["id"] == delivery).unwrap()
        };
        find(&self.user.wait_until(&path, |page| find(page)["state"] == state).await)
    }
}

#[tokio::test]
async fn a_receiver_is_told_of_operations_and_failed_documents() {
    let subscriber = Subscriber::new().await;
    let (user, receiver) = (&subscriber.user, &subscriber.receiver);
    let collection = user.create_collection().await;
    let index = receiver.wait_for_event("operation.completed").await;
    index.assert_signed_by(&[&subscriber.secret]);
    assert_eq!(index.event()["data"]["collection_id"], collection.as_str());

    let broken = Upload::file("broken.pdf", b"%PDF-1.7 and nothing else".to_vec());
    user.upload(&collection, &[Upload::text("tide.txt", "The tide follows the Moon."), broken]).await;
    let failed = receiver.wait_for_event("document.failed").await;
    failed.assert_signed_by(&[&subscriber.secret]);
    let data = &failed.event()["data"];
    assert_eq!((&data["name"], &data["collection_id"]), (&json!("broken.pdf"), &json!(collection)));
    assert!(data["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{data}");
    receiver.wait_for_event("collection.degraded").await;
    let texts: String = receiver.requests().iter().map(|request| request.event().to_string()).collect();
    assert!(!texts.contains("follows the Moon"), "the text of a document");

    let missing = format!("{}/{}", Stack::from_env().directory_root, unique("missing"));
    let add = format!("/api/v2/collections/{collection}/sources");
    user.post(&add, &json!({ "source_path": missing })).await.expect(202);
    let source = receiver.wait_for_event("source.failed").await;
    assert_eq!(source.event()["data"]["source_path"], missing.as_str());
    receiver.wait_for_event("operation.failed").await;
}

#[tokio::test]
async fn what_fails_is_sent_again_with_the_same_id_until_the_receiver_is_gone() {
    let subscriber = Subscriber::new().await;
    let (user, receiver) = (&subscriber.user, &subscriber.receiver);
    receiver.answers(|before| if before == 0 { 500 } else { 204 });
    let first = subscriber.test().await;
    let attempts = receiver.wait_for(2, |_| true).await;
    assert!(attempts.iter().all(|request| request.header("webhook-id") == first), "{attempts:?}");
    let delivered = subscriber.wait_for_state(&first, "delivered").await;
    assert_eq!((&delivered["attempts"], &delivered["last_status"]), (&2.into(), &204.into()));

    let rotate = format!("{}/rotate-secret", subscriber.path);
    let rotated = user.send(Method::POST, &rotate, None).await.expect(201);
    let again = format!("{}/deliveries/{first}/redeliver", subscriber.path);
    user.send(Method::POST, &again, None).await.expect(202);
    let redelivered = receiver.wait_for(3, |_| true).await.remove(2);
    assert_eq!(redelivered.header("webhook-id"), first);
    redelivered.assert_signed_by(&[rotated["secret"].as_str().unwrap(), &subscriber.secret]);

    receiver.answers(|_| 410);
    let last = subscriber.test().await;
    subscriber.wait_for_state(&last, "failed").await;
    let webhook = user.wait_until(&subscriber.path, |webhook| webhook["enabled"] == false).await;
    assert!(webhook["disabled_reason"].as_str().unwrap().contains("410"), "{webhook}");
    user.send(Method::POST, &format!("{}/test", subscriber.path), None).await.expect(409);
    user.create_collection().await;
    assert_eq!(receiver.requests().len(), 4, "nothing is sent to a disabled webhook");
}

/// Prints figures: requests by their number for each delivery, and seconds.
#[tokio::test]
#[ignore = "takes minutes; run it with --ignored --nocapture"]
async fn a_thousand_deliveries_reach_a_receiver_that_fails_three_of_ten() {
    const DELIVERIES: usize = 1000;
    let subscriber = Subscriber::new().await;
    let receiver = &subscriber.receiver;
    // Spread evenly and not by chance, so that runs can be compared.
    receiver.answers(|before| if (before * 7) % 10 < 3 { 500 } else { 204 });
    let started = Instant::now();
    let mut ids = Vec::new();
    for _ in 0..DELIVERIES {
        ids.push(subscriber.test().await);
    }
    let sent = started.elapsed();
    let path = format!("{}/deliveries?state=delivered&per_page=1", subscriber.path);
    let deadline = Instant::now() + Duration::from_secs(900);
    loop {
        let delivered = subscriber.user.get(&path).await.expect(200)["total"].as_u64().unwrap();
        if delivered == DELIVERIES as u64 {
            break;
        }
        assert!(Instant::now() < deadline, "{delivered} of {DELIVERIES} delivered");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let total = started.elapsed();
    let requests = receiver.requests();
    let mut attempts: HashMap<String, usize> = HashMap::new();
    for request in &requests {
        request.assert_signed_by(&[&subscriber.secret]);
        *attempts.entry(request.header("webhook-id").to_owned()).or_default() += 1;
    }
    assert!(ids.iter().all(|id| attempts.contains_key(id)), "each at least once");
    assert_eq!(attempts.len(), DELIVERIES, "no other id");
    let mut by_number: BTreeMap<usize, usize> = BTreeMap::new();
    for number in attempts.values() {
        *by_number.entry(*number).or_default() += 1;
    }
    let off = json!({ "enabled": false });
    subscriber.test().await;
    subscriber.user.send(Method::PATCH, &subscriber.path, Some(&off)).await.expect(200);
    let disabled_at = receiver.requests().len();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let later = receiver.requests().len() - disabled_at;
    eprintln!(
        "{}",
        json!({
            "deliveries": DELIVERIES, "requests": requests.len(), "attempts": by_number,
            "seconds_sending": sent.as_secs_f64(), "seconds": total.as_secs_f64(), "after_disabling": later,
        })
    );
    // A request that had begun may still arrive.
    assert!(later <= 1, "{later} requests after disabling");
}
