//! A fixture for tests of operations, items and documents on a real PostgreSQL.

use domain::{
    CollectionId, DocumentId, ErrorCategory, ItemId, OperationId, OperationType, UserId, document_id,
};
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

use crate::documents::Document;
use crate::operations::{
    BatchChunks, ItemCounts, ItemFailure, NewItem, NewOperation, StagedItem, StagingOutcome,
};
use crate::{Connection, Db};

mod erasure;
mod lifecycle;
mod reindex;

/// A collection with its upload source, and the steps of the pipeline.
pub(crate) struct Fixture {
    pub(crate) db: Db,
    pub(crate) pool: PgPool,
    pub(crate) user_id: UserId,
    pub(crate) collection_id: CollectionId,
}

impl Fixture {
    pub(crate) async fn new(pool: PgPool) -> Self {
        let user_id: i64 = sqlx::query_scalar(
            "INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x') RETURNING id",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        let collection_id = Uuid::new_v4();
        sqlx::query(
            "INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
            VALUES ($1, 'notes', $2, $1::text, 'model', 256, 51)",
        )
        .bind(collection_id)
        .bind(user_id)
        .execute(&pool)
        .await
        .unwrap();
        Self {
            db: Db::from_pool(pool.clone()),
            pool,
            user_id: UserId(user_id),
            collection_id: CollectionId(collection_id),
        }
    }

    pub(crate) async fn connection(&self) -> Connection {
        self.db.connection().await.unwrap()
    }

    pub(crate) async fn insert_operation(&self, operation_type: OperationType) -> OperationId {
        let mut connection = self.connection().await;
        let source = connection.collection_sources().find_or_create_upload(self.collection_id).await.unwrap();
        let new = NewOperation {
            id: OperationId(Uuid::new_v4()),
            collection_id: self.collection_id,
            user_id: self.user_id,
            source_id: Some(source.id),
            operation_type,
            config: json!({}),
        };
        connection.operations().insert(&new).await.unwrap().id
    }

    /// Starts an append operation with these files on its work list.
    pub(crate) async fn run_append(&self, names: &[&str]) -> (OperationId, Vec<ItemId>) {
        let operation_id = self.insert_operation(OperationType::Append).await;
        let mut connection = self.connection().await;
        let items: Vec<NewItem> = names.iter().map(|name| item(name, "v1")).collect();
        connection.operation_items().insert_many(operation_id, &items).await.unwrap();
        assert!(connection.operations().claim(operation_id).await.unwrap());
        let mut items = connection.operation_items();
        let ids = items.list_undispatched(operation_id, ItemId(0), 100).await.unwrap();
        items.begin_staging(operation_id, &ids).await.unwrap();
        (operation_id, ids)
    }

    pub(crate) async fn stage(
        &self,
        item_id: ItemId,
        name: &str,
        hash: &str,
        outcome: &StagingOutcome,
    ) -> Result<bool, crate::DbError> {
        self.stage_bytes(item_id, name, hash, outcome, 10).await
    }

    pub(crate) async fn stage_bytes(
        &self,
        item_id: ItemId,
        name: &str,
        hash: &str,
        outcome: &StagingOutcome,
        size_bytes: i64,
    ) -> Result<bool, crate::DbError> {
        let staged = StagedItem {
            item_id,
            collection_id: self.collection_id,
            source_id: None,
            document_id: self.document_id(name),
            content_hash: Some(hash),
            size_bytes,
            mime_type: Some("text/plain"),
            change_hint: None,
            outcome,
        };
        self.connection().await.operation_items().mark_staged(&staged).await
    }

    /// Indexes a file in one batch of two chunks.
    pub(crate) async fn index(&self, item_id: ItemId, name: &str, hash: &str) {
        assert!(self.stage(item_id, name, hash, &StagingOutcome::Staged).await.unwrap());
        let mut connection = self.connection().await;
        assert!(connection.operation_items().mark_chunked(item_id, 2, 1, &[]).await.unwrap());
        let done = connection
            .operation_items()
            .mark_batch_done(item_id, 0, BatchChunks::default())
            .await
            .unwrap()
            .unwrap();
        assert!(done.replaced_generation.is_some());
    }

    pub(crate) async fn finish(&self, operation_id: OperationId) {
        let mut connection = self.connection().await;
        assert!(connection.operations().mark_scan_finished(operation_id).await.unwrap());
        assert!(connection.operations().complete_if_done(operation_id).await.unwrap().is_some());
    }

    pub(crate) fn document_id(&self, name: &str) -> DocumentId {
        document_id(self.collection_id, &format!("upload://{name}"))
    }

    pub(crate) async fn document(&self, name: &str) -> Document {
        self.connection().await.documents().find(self.document_id(name)).await.unwrap().unwrap()
    }

    pub(crate) async fn counts(&self, operation_id: OperationId) -> ItemCounts {
        self.connection().await.operations().item_counts(operation_id).await.unwrap()
    }

    pub(crate) async fn fail(&self, item_id: ItemId, failure: &ItemFailure) -> bool {
        let mut tx = self.db.begin().await.unwrap();
        let failed = tx.operation_items().mark_failed(item_id, failure).await.unwrap();
        tx.commit().await.unwrap();
        failed
    }
}

pub(crate) fn item(name: &str, hint: &str) -> NewItem {
    NewItem {
        uri: format!("upload://{name}"),
        location: format!("uploads/x/{name}"),
        file_name: name.to_owned(),
        size_bytes: 10,
        file_path: None,
        mime_type: None,
        change_hint: Some(hint.to_owned()),
        url: None,
        title: None,
        metadata: None,
    }
}

pub(crate) fn binary() -> ItemFailure {
    ItemFailure::Failed { reason: "this is a binary file".to_owned(), category: ErrorCategory::Permanent }
}
