//! What the end of an operation tells webhooks of.

use std::time::Duration;

use domain::{ErrorCategory, WebhookDeliveryState, WebhookEvent, WebhookId};
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

use super::MAX_FAILED_DOCUMENTS;
use crate::operations::StagingOutcome;
use crate::testing::{Fixture, binary};
use crate::webhooks::{DeliveryQuery, NewWebhook, WebhookDelivery};

const ALL: &[WebhookEvent] = &[
    WebhookEvent::OperationCompleted,
    WebhookEvent::OperationFailed,
    WebhookEvent::DocumentFailed,
    WebhookEvent::CollectionDegraded,
    WebhookEvent::SourceFailed,
    WebhookEvent::IntegrityMismatch,
];

impl Fixture {
    /// Inserts a webhook of the collection's owner, for the collection or the account.
    async fn webhook(&self, events: &[WebhookEvent], is_of_collection: bool) -> WebhookId {
        let new = NewWebhook {
            id: WebhookId(Uuid::new_v4()),
            user_id: self.user_id,
            collection_id: is_of_collection.then_some(self.collection_id),
            url: "https://hooks.example.org",
            description: "",
            events,
            enabled: true,
        };
        self.connection().await.webhooks().insert(&new).await.unwrap();
        new.id
    }

    async fn told(&self, webhook_id: WebhookId) -> Vec<WebhookDelivery> {
        let query = DeliveryQuery { webhook_id, state: None, event: None, limit: 100, offset: 0 };
        let mut page = self.connection().await.webhook_deliveries().list(&query).await.unwrap().items;
        page.sort_by_key(|delivery| delivery.event.as_str());
        page
    }

    async fn execute_sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&self.pool).await.unwrap();
    }

    /// Runs an append operation whose first `failed` documents of `names` fail.
    async fn append(&self, names: &[&str], failed: usize) {
        let (operation, items) = self.run_append(names).await;
        for (index, (item, name)) in items.iter().zip(names).enumerate() {
            if index < failed {
                assert!(self.stage(*item, name, name, &StagingOutcome::Staged).await.unwrap());
                self.fail(*item, &binary()).await;
            } else {
                self.index(*item, name, name).await;
            }
        }
        self.finish(operation).await;
    }
}

fn events(told: &[WebhookDelivery]) -> Vec<&'static str> {
    told.iter().map(|delivery| delivery.event.as_str()).collect()
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_end_of_an_operation_is_told_to_those_who_subscribed(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let of_account = fixture.webhook(ALL, false).await;
    let of_collection = fixture.webhook(&[WebhookEvent::OperationCompleted], true).await;
    let disabled = fixture.webhook(ALL, true).await;
    fixture.connection().await.webhooks().disable(disabled, "a test").await.unwrap();
    let stranger = fixture.webhook(ALL, false).await;
    fixture
        .execute_sql(&format!(
            "INSERT INTO users (username, email, hashed_password) VALUES ('bob', 'bob@example.org', 'x');
            UPDATE webhooks SET user_id = (SELECT id FROM users WHERE username = 'bob') WHERE id = '{stranger}'"
        ))
        .await;
    fixture.append(&["a", "b"], 1).await;
    let told = fixture.told(of_account).await;
    assert_eq!(events(&told), ["collection.degraded", "document.failed", "operation.completed"]);
    let data = |index: usize| &told[index].payload["data"];
    assert_eq!(told[0].payload["type"], "collection.degraded");
    assert_eq!((&data(0)["failed_documents"], &data(0)["documents"]), (&1.into(), &2.into()));
    assert_eq!((&data(1)["name"], &data(1)["reason"]), (&"a".into(), &"this is a binary file".into()));
    assert_eq!(data(1)["category"], ErrorCategory::Permanent.as_str());
    assert_eq!((&data(2)["counts"]["new"], &data(2)["counts"]["failed"]), (&1.into(), &1.into()));
    assert!(told.iter().all(|delivery| delivery.payload["data"]["collection_name"] == "notes"));
    assert_eq!(events(&fixture.told(of_collection).await), ["operation.completed"]);
    assert_eq!((fixture.told(disabled).await, fixture.told(stranger).await), (vec![], vec![]));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn many_failed_documents_are_listed_up_to_a_number_and_then_counted(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let webhook = fixture.webhook(&[WebhookEvent::DocumentFailed], true).await;
    let names: Vec<String> = (0..MAX_FAILED_DOCUMENTS + 5).map(|n| format!("{n}.bin")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fixture.append(&names, names.len()).await;
    let told = fixture.told(webhook).await;
    assert_eq!(told.len(), names.len() - 5 + 1);
    let (counted, listed): (Vec<&WebhookDelivery>, Vec<_>) =
        told.iter().partition(|delivery| delivery.payload["data"]["name"] == Value::Null);
    assert_eq!(listed.len(), 20);
    assert_eq!(counted[0].payload["data"]["failed_documents"], 25);
    assert_eq!(counted[0].payload["data"]["not_listed"], 5);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_failed_operation_tells_of_its_source_and_a_cancelled_one_of_nothing(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let webhook = fixture.webhook(ALL, true).await;
    let (operation, _) = fixture.run_append(&["a"]).await;
    fixture
        .execute_sql("UPDATE collection_sources SET source_type = 'directory', source_path = '/srv/docs'")
        .await;
    let mut tx = fixture.db.begin().await.unwrap();
    let reason = "the directory does not exist";
    tx.operations().mark_failed(operation, reason, ErrorCategory::Permanent).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    let told = fixture.told(webhook).await;
    let told: Vec<_> = told.iter().filter(|one| one.event.as_str() != "document.failed").collect();
    assert_eq!(told.last().unwrap().event, WebhookEvent::SourceFailed);
    let source = &told.last().unwrap().payload["data"];
    assert_eq!((&source["source_path"], &source["reason"]), (&"/srv/docs".into(), &reason.into()));
    assert_eq!(source["failures"], 1);
    assert!(told.iter().any(|one| one.event == WebhookEvent::OperationFailed));

    fixture.execute_sql("DELETE FROM webhook_deliveries").await;
    let cancelled = fixture.insert_operation(domain::OperationType::Append).await;
    fixture.connection().await.operations().cancel_pending(cancelled).await.unwrap().unwrap();
    assert_eq!(fixture.told(webhook).await, []);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn discrepancies_are_told_with_the_record_of_the_check(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let webhook = fixture.webhook(ALL, false).await;
    let mut connection = fixture.connection().await;
    connection.integrity_checks().record(fixture.collection_id, 50, 0).await.unwrap();
    assert_eq!(fixture.told(webhook).await, []);
    connection.integrity_checks().record(fixture.collection_id, 50, 3).await.unwrap();
    let told = fixture.told(webhook).await;
    assert_eq!(events(&told), ["integrity.mismatch"]);
    assert_eq!(told[0].payload["data"]["mismatches"], 3);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_attempt_is_made_once_and_a_lost_one_is_due_again(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let webhook = fixture.webhook(&[WebhookEvent::OperationCompleted], true).await;
    fixture.append(&["a"], 0).await;
    let mut connection = fixture.connection().await;
    let minute = Duration::from_secs(60);
    let due = connection.webhook_deliveries().claim_due(minute, 10).await.unwrap();
    assert_eq!((due.len(), due[0].webhook_id, due[0].attempts), (1, webhook, 0));
    assert_eq!(connection.webhook_deliveries().claim_due(minute, 10).await.unwrap(), []);
    let id = due[0].id;
    let mut deliveries = connection.webhook_deliveries();
    let attempt = deliveries.begin_attempt(id, 0, minute).await.unwrap().unwrap();
    assert_eq!((attempt.number, attempt.is_of_collection), (1, true));
    assert_eq!(deliveries.begin_attempt(id, 0, minute).await.unwrap(), None, "a second message about it");
    // The process dies. After the lease, the next attempt is due.
    fixture.execute_sql("UPDATE webhook_deliveries SET next_attempt_at = now()").await;
    assert_eq!(deliveries.claim_due(minute, 10).await.unwrap()[0].attempts, 1);
    assert_eq!(deliveries.begin_attempt(id, 1, minute).await.unwrap().unwrap().number, 2);

    let failed = deliveries.record_failure(id, Some(500), "it answered 500", Some(minute)).await.unwrap();
    let since = failed.unwrap().failing_since;
    let again = deliveries.record_failure(id, None, "no connection", None).await.unwrap().unwrap();
    assert_eq!(again.failing_since, since, "the first failure counts");
    let ended = deliveries.find(webhook, id).await.unwrap().unwrap();
    assert_eq!((ended.state, ended.last_status), (WebhookDeliveryState::Failed, None));
    assert_eq!(deliveries.begin_attempt(id, 2, minute).await.unwrap(), None, "it has failed");

    assert!(deliveries.reopen(id).await.unwrap());
    assert!(!deliveries.reopen(id).await.unwrap(), "it is pending");
    assert_eq!(deliveries.begin_attempt(id, 2, minute).await.unwrap().unwrap().number, 3);
    deliveries.record_success(id, 204).await.unwrap();
    let found = connection.webhooks().find(fixture.user_id, webhook).await.unwrap().unwrap();
    assert_eq!((found.failures, found.failing_since), (0, None));
    assert!(found.last_delivered_at.is_some());
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn nothing_is_sent_to_a_webhook_that_was_disabled(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let webhook = fixture.webhook(&[WebhookEvent::OperationCompleted], true).await;
    fixture.append(&["a"], 0).await;
    let mut connection = fixture.connection().await;
    let minute = Duration::from_secs(60);
    let due = connection.webhook_deliveries().claim_due(minute, 10).await.unwrap()[0];
    let disabled = connection.webhooks().disable(webhook, "it answered 410").await.unwrap().unwrap();
    assert_eq!(disabled.collection_name.as_deref(), Some("notes"));
    assert_eq!(connection.webhooks().disable(webhook, "again").await.unwrap(), None);
    assert_eq!(connection.webhook_deliveries().begin_attempt(due.id, 0, minute).await.unwrap(), None);
    connection.webhook_deliveries().cancel_pending(webhook, "it answered 410").await.unwrap();
    assert_eq!(fixture.told(webhook).await[0].state, WebhookDeliveryState::Cancelled);
    fixture.append(&["b"], 0).await;
    assert_eq!(fixture.told(webhook).await.len(), 1);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_pending_delivery_makes_sweep_run_when_it_is_due(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    fixture.webhook(&[WebhookEvent::OperationCompleted], true).await;
    fixture.append(&["a"], 0).await;
    let delays = crate::sweep::SweepDelays {
        expired_upload: Duration::ZERO,
        missing_event: Duration::ZERO,
        unpurged: Duration::ZERO,
    };
    let mut connection = fixture.connection().await;
    assert_eq!(connection.next_due(delays).await.unwrap(), Some(Duration::ZERO));
    fixture
        .execute_sql("UPDATE webhook_deliveries SET next_attempt_at = now() + interval '30 minutes'")
        .await;
    let due = connection.next_due(delays).await.unwrap().unwrap();
    assert!(due > Duration::from_secs(1700) && due <= Duration::from_secs(1800), "{due:?}");
    fixture.execute_sql("UPDATE webhook_deliveries SET state = 'failed'").await;
    assert_eq!(connection.next_due(delays).await.unwrap(), None);
}
