//! Attempts, and what they mean for the delivery and its webhook.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::{ConnectorKeys, SecretCipher, WebhookSecret, sign};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use axum::{Router, serve};
use chrono::Utc;
use db::Db;
use db::webhooks::{DeliveryQuery, NewDelivery, NewWebhook, Webhook, WebhookDelivery};
use domain::{AttemptDelivery, UserId, WebhookDeliveryId, WebhookDeliveryState, WebhookEvent, WebhookId};
use egress::{Egress, EgressConfig};
use http::{HeaderMap, StatusCode};
use lambda::event::Invocation;
use lambda::sqs::Delivery;
use notify::{State, handle};
use queue::{QueueUrls, Queues, SweepQueue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::net::TcpListener;
use uuid::Uuid;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// No process listens on this port.
const UNREACHABLE: &str = "http://127.0.0.1:9";

/// What the receiver got, and what it answers next; 204 when nothing is left.
#[derive(Clone, Default)]
struct Receiver {
    requests: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    answers: Arc<Mutex<VecDeque<u16>>>,
}

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let router = Router::new().route("/hook", post(receive)).with_state(receiver.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        tokio::spawn(async move { serve(listener, router).await });
        (receiver, url)
    }

    fn will_answer(&self, statuses: &[u16]) {
        self.answers.lock().unwrap().extend(statuses);
    }

    fn requests(&self) -> Vec<(HeaderMap, Bytes)> {
        self.requests.lock().unwrap().clone()
    }
}

async fn receive(Shared(receiver): Shared<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    receiver.requests.lock().unwrap().push((headers, body));
    match receiver.answers.lock().unwrap().pop_front() {
        Some(308) => Redirect::permanent("/hook").into_response(),
        Some(status) => StatusCode::from_u16(status).unwrap().into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

struct World {
    state: Arc<State>,
    pool: PgPool,
    user_id: UserId,
    collection: Uuid,
    webhook_id: WebhookId,
    secret: SecretString,
}

impl World {
    /// Creates a webhook of a collection. Loopback is open to it, as to the local stack.
    async fn new(pool: PgPool, url: &str) -> Self {
        Self::with_policy(pool, url, "127.0.0.0/8").await
    }

    async fn with_policy(pool: PgPool, url: &str, allowed: &str) -> Self {
        let user_id: i64 = sqlx::query_scalar(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x') RETURNING id",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        let collection = Uuid::new_v4();
        sqlx::query(
            "INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            VALUES ($1, 'notes', $2, 'notes', 'model', 256, 51)",
        )
        .bind(collection)
        .bind(user_id)
        .execute(&pool)
        .await
        .unwrap();
        let keys = ConnectorKeys::fixed(SecretCipher::new(&KEY.into()).unwrap());
        let sdk = sdk_config();
        let url_of = |name: &str| format!("{UNREACHABLE}/000000000000/{name}");
        let sweep = SweepQueue { url: url_of("sweep.fifo"), interval: Duration::from_secs(60) };
        let urls = QueueUrls { notify: Some(url_of("notify")), sweep: Some(sweep), ..QueueUrls::default() };
        let state = State {
            db: Db::from_pool(pool.clone()),
            secrets: keys,
            egress: Egress::new(EgressConfig::new(allowed.parse().unwrap())).unwrap(),
            queues: Queues::new(&sdk, urls),
            retry_factor: 1.0,
        };
        let webhook_id = WebhookId(Uuid::new_v4());
        let new = NewWebhook {
            id: webhook_id,
            user_id: UserId(user_id),
            collection_id: Some(collection.into()),
            url,
            description: "",
            events: &[WebhookEvent::OperationCompleted],
            enabled: true,
        };
        state.db.connection().await.unwrap().webhooks().insert(&new).await.unwrap();
        let mut world = Self {
            state: Arc::new(state),
            pool,
            user_id: UserId(user_id),
            collection,
            webhook_id,
            secret: SecretString::from(""),
        };
        world.secret = world.rotate(0).await;
        world
    }

    /// Gives the webhook a new secret and returns it; the one before signs for so many seconds more.
    async fn rotate(&self, overlap_seconds: i64) -> SecretString {
        let secret = WebhookSecret::generate();
        let cipher = self.state.secrets.newest().await.unwrap();
        let sealed = cipher.seal(self.webhook_id, secret.text()).unwrap();
        let until = Utc::now() + chrono::TimeDelta::seconds(overlap_seconds);
        let mut tx = self.state.db.begin().await.unwrap();
        tx.webhook_secrets()
            .rotate(self.webhook_id, &sealed.ciphertext, &sealed.key_id, until)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        secret.text().clone()
    }

    /// Inserts a delivery about the collection.
    async fn event(&self) -> WebhookDeliveryId {
        let id = WebhookDeliveryId(Uuid::new_v4());
        let payload = json!({ "type": "operation.completed", "data": { "collection_id": self.collection } });
        let event = WebhookEvent::OperationCompleted;
        let new = NewDelivery { id, webhook_id: self.webhook_id, event, payload: &payload };
        self.state.db.connection().await.unwrap().webhook_deliveries().insert(&new).await.unwrap();
        sqlx::query("UPDATE webhook_deliveries SET collection_id = $1")
            .bind(self.collection)
            .execute(&self.pool)
            .await
            .unwrap();
        id
    }

    async fn attempt(&self, delivery_id: WebhookDeliveryId, attempts: u32) {
        let message = AttemptDelivery { delivery_id, webhook_id: self.webhook_id, attempts };
        let delivery = Delivery {
            message_id: "m".to_owned(),
            receive_count: 1,
            receipt_handle: String::new(),
            queue_arn: String::new(),
            invocation: Invocation::lasting(Duration::from_secs(60)),
        };
        handle(Arc::clone(&self.state), message, delivery).await.unwrap();
    }

    async fn delivery(&self, id: WebhookDeliveryId) -> WebhookDelivery {
        let mut connection = self.state.db.connection().await.unwrap();
        connection.webhook_deliveries().find(self.webhook_id, id).await.unwrap().unwrap()
    }

    async fn webhook(&self) -> Webhook {
        let mut connection = self.state.db.connection().await.unwrap();
        connection.webhooks().find(self.user_id, self.webhook_id).await.unwrap().unwrap()
    }

    async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }
}

fn sdk_config() -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(UNREACHABLE)
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

fn header<'a>(request: &'a (HeaderMap, Bytes), name: &str) -> &'a str {
    request.0[name].to_str().unwrap()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_delivery_is_signed_and_sent_once(pool: PgPool) {
    let (receiver, url) = Receiver::start().await;
    let world = World::new(pool, &url).await;
    let id = world.event().await;
    world.attempt(id, 0).await;
    world.attempt(id, 0).await;
    let requests = receiver.requests();
    assert_eq!(requests.len(), 1, "the second message is about an attempt that was made");
    let request = &requests[0];
    assert_eq!(header(request, "webhook-id"), id.to_string());
    assert_eq!(header(request, "content-type"), "application/json");
    let timestamp: i64 = header(request, "webhook-timestamp").parse().unwrap();
    assert!((Utc::now().timestamp() - timestamp).abs() < 60);
    let expected = sign(std::slice::from_ref(&world.secret), &id.to_string(), timestamp, &request.1).unwrap();
    assert_eq!(header(request, "webhook-signature"), expected);
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state, delivery.last_status), (WebhookDeliveryState::Delivered, Some(204)));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn while_a_secret_rotates_both_sign(pool: PgPool) {
    let (receiver, url) = Receiver::start().await;
    let world = World::new(pool, &url).await;
    let new = world.rotate(60).await;
    world.attempt(world.event().await, 0).await;
    let request = &receiver.requests()[0];
    let (id, timestamp) = (header(request, "webhook-id"), header(request, "webhook-timestamp"));
    let both = [new.clone(), world.secret.clone()];
    let expected = sign(&both, id, timestamp.parse().unwrap(), &request.1).unwrap();
    assert_eq!(header(request, "webhook-signature"), expected);
    world.sql("UPDATE webhook_secrets SET expires_at = now() WHERE expires_at IS NOT NULL").await;
    world.attempt(world.event().await, 0).await;
    assert!(!header(&receiver.requests()[1], "webhook-signature").contains(' '), "the overlap has ended");
    assert!(!format!("{:?}", world.webhook().await).contains(new.expose_secret()));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_failed_attempt_is_followed_by_another_with_the_same_id(pool: PgPool) {
    let (receiver, url) = Receiver::start().await;
    let world = World::new(pool, &url).await;
    receiver.will_answer(&[500, 308]);
    let id = world.event().await;
    world.attempt(id, 0).await;
    let delivery = world.delivery(id).await;
    assert_eq!((delivery.state, delivery.attempts), (WebhookDeliveryState::Pending, 1));
    let wait = delivery.next_attempt_at - Utc::now();
    assert!(wait.num_seconds() > 55 && wait.num_seconds() < 70, "{wait}");
    assert!(delivery.last_error.unwrap().contains("500"));
    world.attempt(id, 1).await;
    let error = world.delivery(id).await.last_error.unwrap();
    assert!(error.contains("redirects are not followed"), "{error}");
    assert_eq!(world.webhook().await.failures, 2);
    world.attempt(id, 2).await;
    assert_eq!(world.delivery(id).await.state, WebhookDeliveryState::Delivered);
    assert_eq!(world.webhook().await.failures, 0);
    let requests = receiver.requests();
    assert_eq!(requests.len(), 3, "the redirect was not followed");
    assert!(requests.iter().all(|request| header(request, "webhook-id") == id.to_string()));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn after_eight_attempts_a_delivery_has_failed(pool: PgPool) {
    let (receiver, url) = Receiver::start().await;
    let world = World::new(pool, &url).await;
    receiver.will_answer(&[503; 8]);
    let id = world.event().await;
    for attempts in 0..8 {
        assert_eq!(world.delivery(id).await.state, WebhookDeliveryState::Pending);
        world.attempt(id, attempts).await;
    }
    assert_eq!(world.delivery(id).await.state, WebhookDeliveryState::Failed);
    world.attempt(id, 8).await;
    assert_eq!(receiver.requests().len(), 8);
    assert!(world.webhook().await.enabled, "one day of failures");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_receiver_that_is_gone_is_told_nothing_more(pool: PgPool) {
    let (receiver, url) = Receiver::start().await;
    let world = World::new(pool, &url).await;
    receiver.will_answer(&[410]);
    let (gone, waiting) = (world.event().await, world.event().await);
    world.attempt(gone, 0).await;
    world.attempt(waiting, 0).await;
    world.attempt(gone, 1).await;
    assert_eq!(receiver.requests().len(), 1);
    let webhook = world.webhook().await;
    assert!(!webhook.enabled && webhook.disabled_reason.unwrap().contains("410"));
    assert_eq!(world.delivery(gone).await.state, WebhookDeliveryState::Failed);
    assert_eq!(world.delivery(waiting).await.state, WebhookDeliveryState::Cancelled);
    let audited: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM collection_audit_log WHERE action = 'webhook_disabled' AND collection_name = 'notes'",
    )
    .fetch_one(&world.pool)
    .await
    .unwrap();
    assert_eq!(audited, 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_event_of_the_moment_in_which_a_webhook_is_disabled_is_not_sent(pool: PgPool) {
    let (receiver, url) = Receiver::start().await;
    let world = World::new(pool, &url).await;
    let id = world.event().await;
    // The transaction of the event began before, and committed afterwards.
    world.sql("UPDATE webhooks SET enabled = FALSE").await;
    world.attempt(id, 0).await;
    assert_eq!(receiver.requests().len(), 0);
    assert_eq!(world.delivery(id).await.state, WebhookDeliveryState::Cancelled, "sweep has nothing to send");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn days_of_failures_disable_a_webhook(pool: PgPool) {
    let (receiver, url) = Receiver::start().await;
    let world = World::new(pool, &url).await;
    receiver.will_answer(&[500, 500]);
    world.sql("UPDATE webhooks SET failing_since = now() - interval '71 hours'").await;
    world.attempt(world.event().await, 0).await;
    assert!(world.webhook().await.enabled);
    world.sql("UPDATE webhooks SET failing_since = now() - interval '73 hours'").await;
    world.attempt(world.event().await, 0).await;
    let webhook = world.webhook().await;
    assert!(!webhook.enabled && webhook.disabled_reason.unwrap().contains("in 3 days"));
    let query = DeliveryQuery { webhook_id: world.webhook_id, state: None, event: None, limit: 9, offset: 0 };
    let mut connection = world.state.db.connection().await.unwrap();
    let all = connection.webhook_deliveries().list(&query).await.unwrap().items;
    assert!(all.iter().all(|delivery| delivery.state == WebhookDeliveryState::Cancelled), "{all:?}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_owner_without_access_is_told_nothing(pool: PgPool) {
    let (receiver, url) = Receiver::start().await;
    let world = World::new(pool, &url).await;
    let bob = "INSERT INTO users (username, email, hashed_password) VALUES ('bob', 'bob@example.org', 'x');
        UPDATE collections SET owner_id = (SELECT id FROM users WHERE username = 'bob')";
    world.sql(bob).await;
    let permit = "INSERT INTO collection_permissions (collection_id, user_id, permission)
        SELECT c.id, u.id, 'admin' FROM collections c, users u WHERE u.username = 'ada'";
    world.sql(permit).await;
    world.attempt(world.event().await, 0).await;
    assert_eq!(receiver.requests().len(), 1, "admin access suffices for a webhook of the collection");

    // One of the account is notified of what the account owns.
    world.sql("UPDATE webhooks SET collection_id = NULL").await;
    let id = world.event().await;
    world.attempt(id, 0).await;
    assert_eq!(world.delivery(id).await.state, WebhookDeliveryState::Cancelled);
    assert!(world.webhook().await.enabled, "it goes on with other collections");

    world.sql("UPDATE webhooks SET collection_id = (SELECT id FROM collections)").await;
    world.sql("UPDATE collection_permissions SET permission = 'write'").await;
    world.attempt(world.event().await, 0).await;
    let webhook = world.webhook().await;
    assert!(!webhook.enabled && webhook.disabled_reason.unwrap().contains("no admin access"));
    assert_eq!(receiver.requests().len(), 1);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn no_spelling_of_an_internal_address_is_reached(pool: PgPool) {
    let (receiver, url) = Receiver::start().await;
    let port = url.rsplit(':').next().unwrap().to_owned();
    let world = World::with_policy(pool, &url, "").await;
    let spellings = [
        "127.0.0.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "localhost",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",
    ];
    for spelling in spellings {
        let url = format!("http://{spelling}:{port}");
        sqlx::query("UPDATE webhooks SET url = $1").bind(&url).execute(&world.pool).await.unwrap();
        let id = world.event().await;
        world.attempt(id, 0).await;
        let delivery = world.delivery(id).await;
        assert_eq!((delivery.state, delivery.last_status), (WebhookDeliveryState::Pending, None), "{url}");
        let error = delivery.last_error.unwrap();
        assert!(error.contains("ask the operator") || error.contains("never reached"), "{url}: {error}");
    }
    assert_eq!(receiver.requests().len(), 0);
}
