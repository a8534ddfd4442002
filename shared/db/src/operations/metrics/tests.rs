//! Metrics of operations.

use std::collections::BTreeMap;

use domain::OperationId;
use sqlx::PgPool;

use crate::testing::{Fixture, binary};

impl Fixture {
    async fn metrics(&self, id: OperationId) -> BTreeMap<String, f64> {
        let mut connection = self.connection().await;
        let page = connection.operation_metrics().list(id, 100, 0).await.unwrap();
        assert_eq!(usize::try_from(page.total).unwrap(), page.items.len());
        page.items.into_iter().map(|metric| (metric.name, metric.value)).collect()
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn ended_operation_has_metrics_of_each_stage(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.run_append(&["a", "b", "c"]).await;
    fixture.index(items[0], "a", "h1").await;
    fixture.index(items[1], "b", "h2").await;
    assert!(fixture.fail(items[2], &binary()).await);
    assert_eq!(fixture.metrics(operation).await, BTreeMap::new());
    // Gives each step a duration.
    sqlx::query(
        "UPDATE operations SET created_at = now() - interval '100 s', started_at = now() - interval '90 s'",
    )
    .execute(&fixture.pool)
    .await
    .unwrap();
    sqlx::query(
        "UPDATE operation_items
        SET staged_at = now() - interval '80 s' + (id % 3) * interval '1 s',
            chunked_at = now() - interval '60 s' + (id % 3) * interval '1 s',
            updated_at = now() - interval '20 s'
        WHERE state = 'completed'",
    )
    .execute(&fixture.pool)
    .await
    .unwrap();
    fixture.finish(operation).await;
    let metrics = fixture.metrics(operation).await;
    let whole: Vec<(&str, f64)> =
        metrics.iter().map(|(name, value)| (name.as_str(), value.round())).collect();
    assert_eq!(
        whole,
        [
            ("bytes", 20.0),
            ("chunking_seconds", 21.0),
            ("chunks", 4.0),
            ("documents", 2.0),
            ("duration_seconds", 90.0),
            ("embedded_chunks", 4.0),
            ("embedding_seconds", 39.0),
            ("listing_seconds", 90.0),
            ("read_bytes", 20.0),
            ("read_documents", 2.0),
            ("reading_seconds", 12.0),
            ("reused_chunks", 0.0),
            ("waiting_seconds", 10.0),
        ]
    );
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn stages_without_documents_have_no_metrics(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, _) = fixture.run_append(&[]).await;
    fixture.finish(operation).await;
    let names: Vec<String> = fixture.metrics(operation).await.into_keys().collect();
    assert_eq!(
        names,
        [
            "bytes",
            "chunks",
            "documents",
            "duration_seconds",
            "embedded_chunks",
            "listing_seconds",
            "read_bytes",
            "read_documents",
            "reused_chunks",
            "waiting_seconds"
        ]
    );
}
