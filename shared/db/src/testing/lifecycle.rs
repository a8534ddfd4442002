//! Sources, deletions and removals.

use domain::{DeletionReason, ItemId, ItemState, OperationId, OperationType, SourceId};
use serde_json::json;
use uuid::Uuid;

use super::{Fixture, item};
use crate::operations::{NewItem, NewOperation};

impl Fixture {
    pub(crate) async fn source(&self, path: &str) -> SourceId {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO collection_sources (collection_id, source_path, source_type)
            VALUES ($1, $2, 'directory') RETURNING id",
        )
        .bind(self.collection_id.0)
        .bind(path)
        .fetch_one(&self.pool)
        .await
        .unwrap();
        SourceId(id)
    }

    pub(crate) async fn insert_of_source(
        &self,
        operation_type: OperationType,
        source_id: Option<SourceId>,
    ) -> OperationId {
        let new = NewOperation {
            id: OperationId(Uuid::new_v4()),
            collection_id: self.collection_id,
            user_id: self.user_id,
            source_id,
            operation_type,
            config: json!({}),
        };
        self.connection().await.operations().insert(&new).await.unwrap().id
    }

    /// Claims the operation and returns its items.
    pub(crate) async fn claim(&self, operation_id: OperationId) -> Vec<ItemId> {
        let mut connection = self.connection().await;
        assert!(connection.operations().claim(operation_id).await.unwrap());
        connection.operation_items().list_undispatched(operation_id, ItemId(0), 100).await.unwrap()
    }

    /// Reads a source with these files; the content of each is its name.
    pub(crate) async fn read_source(&self, source_id: SourceId, names: &[&str]) -> OperationId {
        let operation_id = self.insert_of_source(OperationType::Append, Some(source_id)).await;
        let items: Vec<NewItem> = names.iter().map(|name| item(name, "v1")).collect();
        self.connection().await.operation_items().insert_many(operation_id, &items).await.unwrap();
        let items = self.claim(operation_id).await;
        let mut connection = self.connection().await;
        connection.operation_items().settle(operation_id, &items).await.unwrap();
        for staging in connection.operation_items().begin_staging(operation_id, &items).await.unwrap() {
            if staging.state == ItemState::Listed {
                self.index(staging.id, &staging.file_name, &staging.file_name).await;
            }
        }
        sqlx::query("UPDATE documents SET source_id = $1 WHERE source_id IS NULL")
            .bind(source_id.0)
            .execute(&self.pool)
            .await
            .unwrap();
        operation_id
    }

    pub(crate) async fn delete(&self, name: &str) -> OperationId {
        let operation_id = self.insert_of_source(OperationType::RemoveDocuments, None).await;
        let mut connection = self.connection().await;
        assert!(connection.documents().mark_deleted(self.document_id(name)).await.unwrap());
        let ids = [self.document_id(name)];
        assert_eq!(connection.operation_items().insert_removals(operation_id, &ids).await.unwrap(), 1);
        operation_id
    }

    pub(crate) async fn remove(&self, items: &[ItemId]) {
        let mut connection = self.connection().await;
        connection.operation_items().begin_removals(items).await.unwrap();
        let removed = connection.operation_items().finish_removals(items).await.unwrap();
        assert_eq!(usize::try_from(removed).unwrap(), items.len());
    }

    pub(crate) async fn counts_of_collection(&self) -> (i64, i64, i64) {
        let collection = self.connection().await.collections().find_any(self.collection_id).await.unwrap();
        let collection = collection.unwrap();
        (collection.document_count, collection.vector_count, collection.total_size_bytes)
    }

    pub(crate) async fn reason(&self, name: &str) -> Option<DeletionReason> {
        let reason: Option<String> =
            sqlx::query_scalar("SELECT deletion_reason::text FROM documents WHERE id = $1")
                .bind(self.document_id(name).0)
                .fetch_one(&self.pool)
                .await
                .unwrap();
        reason.map(|reason| reason.parse().unwrap())
    }
}
