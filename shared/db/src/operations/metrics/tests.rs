//! What operations measure.

use std::collections::BTreeMap;

use domain::OperationId;
use sqlx::PgPool;

use crate::testing::{Bench, binary};

impl Bench {
    async fn metrics(&self, id: OperationId) -> BTreeMap<String, f64> {
        let mut connection = self.connection().await;
        let page = connection.operation_metrics().list(id, 100, 0).await.unwrap();
        assert_eq!(usize::try_from(page.total).unwrap(), page.items.len());
        page.items.into_iter().map(|metric| (metric.name, metric.value)).collect()
    }
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn an_operation_says_what_each_stage_did_and_how_long_it_took(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation, items) = bench.run_append(&["a", "b", "c"]).await;
    bench.index(items[0], "a", "h1").await;
    bench.index(items[1], "b", "h2").await;
    assert!(bench.fail(items[2], &binary()).await);
    assert_eq!(bench.metrics(operation).await, BTreeMap::new());
    // As if each step had taken its time.
    sqlx::query(
        "UPDATE operations SET created_at = now() - interval '100 s', started_at = now() - interval '90 s'",
    )
    .execute(&bench.pool)
    .await
    .unwrap();
    sqlx::query(
        "UPDATE operation_items
        SET staged_at = now() - interval '80 s' + (id % 3) * interval '1 s',
            chunked_at = now() - interval '60 s' + (id % 3) * interval '1 s',
            updated_at = now() - interval '20 s'
        WHERE state = 'completed'",
    )
    .execute(&bench.pool)
    .await
    .unwrap();
    bench.finish(operation).await;
    let metrics = bench.metrics(operation).await;
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
async fn stages_that_nothing_came_to_are_not_measured(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation, _) = bench.run_append(&[]).await;
    bench.finish(operation).await;
    let names: Vec<String> = bench.metrics(operation).await.into_keys().collect();
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
