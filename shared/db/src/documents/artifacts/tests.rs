//! Staged bytes of documents, from one version to the next.

use domain::{ErrorCategory, Generation};
use sqlx::PgPool;

use crate::documents::DocumentArtifact;
use crate::operations::{BatchChunks, StagingOutcome};
use crate::testing::{Fixture, binary};

impl Fixture {
    async fn content(&self, name: &str) -> Option<DocumentArtifact> {
        let mut connection = self.connection().await;
        connection.document_artifacts().find_content(self.document_id(name)).await.unwrap()
    }

    /// Returns content hash and generation of the bytes that are shown.
    async fn shown(&self, name: &str) -> Option<(String, Generation)> {
        self.content(name).await.map(|found| (found.content_hash, found.generation))
    }
}

fn version(hash: &str, generation: i32) -> Option<(String, Generation)> {
    Some((hash.to_owned(), Generation(generation)))
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn searchable_version_is_shown_until_the_next_one_is_indexed(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (operation, items) = fixture.run_append(&["a", "b", "c", "d", "e"]).await;
    assert_eq!(fixture.content("a").await, None);
    assert!(fixture.stage(items[0], "a", "h1", &StagingOutcome::Staged).await.unwrap());
    // Not searchable yet, but the only version.
    let first = fixture.content("a").await.unwrap();
    let expected = DocumentArtifact {
        document_id: fixture.document_id("a"),
        collection_id: fixture.collection_id,
        generation: Generation(1),
        mime_type: "text/plain".to_owned(),
        content_hash: "h1".to_owned(),
        size_bytes: 10,
    };
    assert_eq!(first, expected);
    let key: String = sqlx::query_scalar("SELECT object_key FROM document_artifacts")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(key, first.key().path());
    let mut connection = fixture.connection().await;
    assert!(connection.operation_items().mark_chunked(items[0], 2, 1, &[]).await.unwrap());
    connection.operation_items().mark_batch_done(items[0], 0, BatchChunks::default()).await.unwrap().unwrap();
    drop(connection);
    // A document with the bytes of another one shows its own, a failed document those of the attempt, one
    // that was never read none.
    fixture.index(items[1], "b", "h1").await;
    assert_eq!(
        fixture.content("b").await,
        Some(DocumentArtifact { document_id: fixture.document_id("b"), ..first })
    );
    assert!(fixture.stage(items[2], "c", "h3", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[2], &binary()).await);
    assert_eq!(fixture.shown("c").await, version("h3", 1));
    let unread = StagingOutcome::Failed { reason: "gone".to_owned(), category: ErrorCategory::Permanent };
    assert!(fixture.stage(items[3], "d", "h4", &unread).await.unwrap());
    assert_eq!(fixture.content("d").await, None);
    fixture.index(items[4], "e", "e1").await;
    fixture.finish(operation).await;

    let (operation, items) = fixture.run_append(&["e"]).await;
    assert!(fixture.stage(items[0], "e", "e2", &StagingOutcome::Staged).await.unwrap());
    assert_eq!(fixture.shown("e").await, version("e1", 1));
    let mut connection = fixture.connection().await;
    assert!(connection.operation_items().mark_chunked(items[0], 2, 1, &[]).await.unwrap());
    connection.operation_items().mark_batch_done(items[0], 0, BatchChunks::default()).await.unwrap().unwrap();
    drop(connection);
    fixture.finish(operation).await;
    assert_eq!(fixture.shown("e").await, version("e2", 2));

    // A document that is reindexed without being read again has the same bytes.
    sqlx::query("UPDATE documents SET generation = 5, last_generation = 5 WHERE id = $1")
        .bind(fixture.document_id("e").0)
        .execute(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(fixture.shown("e").await, version("e2", 2));

    // If a new version fails, the searchable one is shown; if it is empty, none.
    let (operation, items) = fixture.run_append(&["e"]).await;
    assert!(fixture.stage(items[0], "e", "e3", &StagingOutcome::Staged).await.unwrap());
    assert!(fixture.fail(items[0], &binary()).await);
    assert_eq!(fixture.shown("e").await, version("e2", 2));
    fixture.finish(operation).await;
    let (_, items) = fixture.run_append(&["e"]).await;
    let empty = StagingOutcome::Skipped { reason: "it is empty".to_owned() };
    assert!(fixture.stage(items[0], "e", "e0", &empty).await.unwrap());
    assert_eq!(fixture.content("e").await, None);

    sqlx::query("DELETE FROM documents").execute(&fixture.pool).await.unwrap();
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM document_artifacts").fetch_one(&fixture.pool).await.unwrap();
    assert_eq!(rows, 0);
}
