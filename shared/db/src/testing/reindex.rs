//! Reindexes, from the work list to the swap.

use std::time::Duration;

use domain::{ItemId, OperationId, OperationType};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use super::Fixture;
use crate::operations::{BatchChunks, NewOperation, Swap};

const DAY: Duration = Duration::from_secs(86_400);

impl Fixture {
    /// Creates a collection with these documents of two chunks each and no open operation.
    pub(crate) async fn with_documents(pool: PgPool, names: &[&str]) -> Self {
        let fixture = Self::new(pool).await;
        let (operation_id, items) = fixture.run_append(names).await;
        for (item_id, name) in items.iter().zip(names) {
            fixture.index(*item_id, name, name).await;
        }
        fixture.finish(operation_id).await;
        fixture
    }

    /// Queues a reindex to chunks of 128 tokens.
    pub(crate) async fn queue_reindex(&self) -> Result<OperationId, crate::DbError> {
        let new = NewOperation {
            id: OperationId(Uuid::new_v4()),
            collection_id: self.collection_id,
            user_id: self.user_id,
            source_id: None,
            operation_type: OperationType::Reindex,
            config: json!({
                "embedding_model": "other", "quantization": "int8", "chunk_size": 128, "chunk_overlap": 25,
                "chunking_strategy": "recursive", "chunking_config": {"a": 1}, "ocr": true,
            }),
        };
        Ok(self.connection().await.operations().insert(&new).await?.id)
    }

    /// Starts a reindex with its work list, ordered by name; also returns the new index's name.
    pub(crate) async fn run_reindex(&self) -> (OperationId, Vec<ItemId>, String) {
        let id = self.queue_reindex().await.unwrap();
        let mut connection = self.connection().await;
        assert!(connection.operations().claim(id).await.unwrap());
        let name = connection.operations().begin_reindex(id, "new").await.unwrap().unwrap();
        connection.operation_items().insert_reindexed(id).await.unwrap();
        assert!(connection.operations().mark_scan_finished(id).await.unwrap());
        let items: Vec<i64> = sqlx::query_scalar(
            "SELECT i.id FROM operation_items i JOIN operations o ON o.id = i.operation_id
            WHERE o.uuid = $1 ORDER BY i.file_name",
        )
        .bind(id.0)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        (id, items.into_iter().map(ItemId).collect(), name)
    }

    /// Indexes a document in the new index, in one batch of three chunks.
    pub(crate) async fn index_anew(&self, item_id: ItemId) {
        let mut connection = self.connection().await;
        assert!(connection.operation_items().mark_copied(item_id).await.unwrap());
        assert!(connection.operation_items().mark_chunked(item_id, 3, 1, &[]).await.unwrap());
        connection
            .operation_items()
            .mark_batch_done(item_id, 0, BatchChunks::default())
            .await
            .unwrap()
            .unwrap();
    }

    pub(crate) async fn swap(&self, id: OperationId) -> Swap {
        let mut tx = self.db.begin().await.unwrap();
        let swap = tx.operations().swap(id, DAY).await.unwrap();
        if let Swap::Done(_) = swap {
            tx.commit().await.unwrap();
        }
        swap
    }

    /// Creates a collection whose documents are in a new index.
    pub(crate) async fn reindexed(pool: PgPool, names: &[&str]) -> (Self, OperationId) {
        let fixture = Self::with_documents(pool, names).await;
        let (id, items, _) = fixture.run_reindex().await;
        for item_id in items {
            fixture.index_anew(item_id).await;
        }
        assert!(matches!(fixture.swap(id).await, Swap::Done(_)));
        (fixture, id)
    }

    /// Returns index name, model, quantization, chunk size, overlap and number of chunks.
    pub(crate) async fn index_of_collection(&self) -> (String, String, String, i32, i32, i64) {
        sqlx::query_as(
            "SELECT vector_store_name, embedding_model, quantization::text, chunk_size, chunk_overlap, vector_count
            FROM collections WHERE id = $1",
        )
        .bind(self.collection_id.0)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// Whether the collection has OCR on.
    pub(crate) async fn uses_ocr(&self) -> bool {
        let collection = self.connection().await.collections().find_any(self.collection_id).await.unwrap();
        collection.unwrap().settings.ocr
    }

    /// Returns name, generation, last generation and number of chunks of each document, ordered by name.
    pub(crate) async fn generations(&self) -> Vec<(String, i32, i32, i32)> {
        sqlx::query_as(
            "SELECT file_name, generation, last_generation, chunk_count FROM documents ORDER BY file_name",
        )
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }

    pub(crate) async fn retired(&self) -> Vec<(String, Option<String>)> {
        sqlx::query_as("SELECT name, replaced_by FROM retired_vector_stores ORDER BY name")
            .fetch_all(&self.pool)
            .await
            .unwrap()
    }

    pub(crate) async fn execute(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }
}
