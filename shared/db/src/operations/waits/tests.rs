//! What operations wait for.

use std::time::Duration;

use domain::{OperationId, OperationType, TransientError, WaitingFor};
use sqlx::PgPool;

use crate::operations::Wait;
use crate::testing::Fixture;

impl Fixture {
    async fn wait_of(&self, id: OperationId) -> Option<Wait> {
        self.connection().await.operations().waits_of(&[id]).await.unwrap().remove(&id)
    }

    async fn record_wait(&self, id: OperationId, waiting_for: WaitingFor, seconds: u64) {
        let mut connection = self.connection().await;
        let delay = Duration::from_secs(seconds);
        let error = TransientError::Unavailable;
        connection.operations().record_wait(id, waiting_for, error, delay).await.unwrap();
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_failed_attempt_says_what_the_operation_waits_for_until_the_next_one(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.run_append(&["a"]).await;
    assert_eq!(fixture.wait_of(operation).await, None);
    fixture.record_wait(operation, WaitingFor::StagingBucket, 2).await;
    fixture.record_wait(operation, WaitingFor::VectorDatabase, 240).await;
    let wait = fixture.wait_of(operation).await.unwrap();
    assert_eq!(
        (wait.waiting_for, wait.error),
        (WaitingFor::VectorDatabase, Some(TransientError::Unavailable))
    );
    let left = wait.next_attempt_at.unwrap() - chrono::Utc::now();
    assert!((200..=240).contains(&left.num_seconds()), "{left}");

    // The attempt is over, and none has failed since.
    sqlx::query("UPDATE operation_waits SET next_attempt_at = now() - interval '31 s'")
        .execute(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(fixture.wait_of(operation).await, None);

    fixture.record_wait(operation, WaitingFor::Retry, 240).await;
    fixture.index(items[0], "a", "h1").await;
    fixture.finish(operation).await;
    assert_eq!(fixture.wait_of(operation).await, None, "it has ended");
    fixture.record_wait(operation, WaitingFor::Source, 240).await;
    assert_eq!(fixture.wait_of(operation).await, None);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_pending_operation_waits_for_the_older_ones_of_its_collection(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let first = fixture.insert_operation(OperationType::Append).await;
    let second = fixture.insert_operation(OperationType::Append).await;
    fixture.record_wait(second, WaitingFor::Source, 240).await;
    assert_eq!(fixture.wait_of(first).await, None, "it is its turn");
    let behind = Wait { waiting_for: WaitingFor::AnotherOperation, error: None, next_attempt_at: None };
    assert_eq!(fixture.wait_of(second).await, Some(behind));
    assert!(fixture.connection().await.operations().claim(first).await.unwrap());
    assert_eq!(fixture.wait_of(second).await, Some(behind));
    fixture.finish(first).await;
    assert_eq!(fixture.wait_of(second).await.unwrap().waiting_for, WaitingFor::Source);
}
