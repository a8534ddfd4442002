//! Documents that earlier versions recorded as duplicates: searchable, but without points of their own.

use domain::{CollectionId, OperationId};

use super::items::OperationItems;
use crate::DbError;
use crate::collections::Collections;

impl Collections<'_> {
    /// Lists idle collections with searchable documents that have no points, unless an operation with this
    /// reason did not complete within the last day: a user may have cancelled it.
    pub async fn list_without_points(
        &mut self,
        reason: &str,
        limit: i64,
    ) -> Result<Vec<CollectionId>, DbError> {
        let ids = sqlx::query_scalar!(
            "SELECT DISTINCT d.collection_id
            FROM documents d
            JOIN collections c ON c.id = d.collection_id AND c.deleted_at IS NULL
            WHERE d.status = 'completed' AND d.chunk_count = 0 AND d.uri IS NOT NULL
                AND NOT EXISTS (
                    SELECT FROM operations o
                    WHERE o.collection_id = d.collection_id
                        AND (
                            o.status IN ('pending', 'processing')
                            OR (
                                o.status <> 'completed' AND o.config ->> 'reason' = $1
                                AND o.created_at > now() - interval '1 day'
                            )
                        )
                )
            ORDER BY d.collection_id
            LIMIT $2",
            reason,
            limit,
        )
        .fetch_all(&mut *self.connection)
        .await?;
        Ok(ids.into_iter().map(CollectionId).collect())
    }
}

impl OperationItems<'_> {
    /// Puts searchable documents of the operation's collection that have no points on its work list, `limit`
    /// at most. Returns how many.
    pub async fn insert_without_points(
        &mut self,
        operation_id: OperationId,
        limit: i64,
    ) -> Result<u64, DbError> {
        let done = sqlx::query_file!("queries/operations/insert_without_points.sql", operation_id.0, limit)
            .execute(&mut *self.connection)
            .await?;
        Ok(done.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use domain::{DocumentStatus, Generation, OperationType};
    use sqlx::PgPool;

    use crate::operations::{BatchChunks, StagingOutcome};
    use crate::testing::Fixture;

    /// Makes a document what earlier versions recorded for one with the bytes of `original`.
    async fn record_as_duplicate(fixture: &Fixture, name: &str, original: &str) {
        sqlx::query("UPDATE documents SET chunk_count = 0, duplicate_of = $2 WHERE id = $1")
            .bind(fixture.document_id(name).0)
            .bind(fixture.document_id(original).0)
            .execute(&fixture.pool)
            .await
            .unwrap();
    }

    #[sqlx::test(migrator = "crate::MIGRATOR")]
    async fn a_duplicate_of_an_earlier_version_is_indexed_from_the_bytes_of_its_original(pool: PgPool) {
        let fixture = Fixture::new(pool).await;
        let (first, items) = fixture.run_append(&["a", "b", "c"]).await;
        fixture.index(items[0], "a", "same").await;
        fixture.index(items[1], "b", "same").await;
        fixture.index(items[2], "c", "other").await;
        let mut connection = fixture.connection().await;
        record_as_duplicate(&fixture, "b", "a").await;
        let list = async || {
            let mut connection = fixture.connection().await;
            connection.collections().list_without_points("none", 10).await.unwrap()
        };
        assert_eq!(list().await, [], "an operation is running");
        fixture.finish(first).await;
        assert_eq!(list().await, [fixture.collection_id]);
        let shown = connection.document_artifacts().find_content(fixture.document_id("b")).await.unwrap();
        assert_eq!(
            shown.unwrap().document_id,
            fixture.document_id("a"),
            "its bytes are those of the original"
        );

        let operation = fixture.insert_of_source(OperationType::Append, None).await;
        assert_eq!(connection.operation_items().insert_without_points(operation, 10).await.unwrap(), 1);
        assert_eq!(connection.operation_items().insert_without_points(operation, 10).await.unwrap(), 0);
        let items = fixture.claim(operation).await;
        let staging = connection.operation_items().begin_staging(operation, &items).await.unwrap();
        let copy = staging[0].staged_bytes.unwrap();
        assert_eq!((copy.document_id, copy.generation), (fixture.document_id("a"), Generation(1)));
        // Nothing says that it is unchanged, although its bytes are.
        assert_eq!(
            connection.operation_items().mark_unchanged(operation, domain::ItemId(0)).await.unwrap(),
            0
        );
        assert!(fixture.stage(items[0], "b", "same", &StagingOutcome::Staged).await.unwrap());
        assert_eq!(fixture.document("b").await.status, DocumentStatus::Pending);
        let work = connection.operation_items().find_work(&items).await.unwrap();
        assert_eq!(work[0].base, Some(copy), "the vectors of the original are reused");
        assert!(connection.operation_items().mark_chunked(items[0], 2, 1, &[]).await.unwrap());
        connection
            .operation_items()
            .mark_batch_done(items[0], 0, BatchChunks { reused: 2, unknown: 0 })
            .await
            .unwrap()
            .unwrap();
        fixture.finish(operation).await;
        let indexed = fixture.document("b").await;
        assert_eq!((indexed.status, indexed.chunk_count), (DocumentStatus::Completed, 2));
        assert_eq!(list().await, []);
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM documents WHERE duplicate_of IS NOT NULL")
            .fetch_one(&fixture.pool)
            .await
            .unwrap();
        assert_eq!(left, 0);
    }
}
