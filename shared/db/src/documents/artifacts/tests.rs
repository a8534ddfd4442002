//! What is staged of documents, from one version to the next.

use domain::{ErrorCategory, Generation};
use sqlx::PgPool;

use crate::documents::DocumentArtifact;
use crate::operations::StagingOutcome;
use crate::testing::{Bench, binary};

impl Bench {
    async fn content(&self, name: &str) -> Option<DocumentArtifact> {
        let mut connection = self.connection().await;
        connection.document_artifacts().find_content(self.document_id(name)).await.unwrap()
    }

    /// Hash and generation of what is shown of a document.
    async fn shown(&self, name: &str) -> Option<(String, Generation)> {
        self.content(name).await.map(|found| (found.content_hash, found.generation))
    }
}

fn version(hash: &str, generation: i32) -> Option<(String, Generation)> {
    Some((hash.to_owned(), Generation(generation)))
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn the_searchable_version_is_shown_until_the_next_one_is(pool: PgPool) {
    let bench = Bench::new(pool).await;
    let (operation, items) = bench.run_append(&["a", "b", "c", "d", "e"]).await;
    assert_eq!(bench.content("a").await, None);
    assert!(bench.stage(items[0], "a", "h1", &StagingOutcome::Staged).await.unwrap());
    // Not searchable yet, and shown: it is all there is.
    let first = bench.content("a").await.unwrap();
    let expected = DocumentArtifact {
        document_id: bench.document_id("a"),
        collection_id: bench.collection_id,
        generation: Generation(1),
        mime_type: "text/plain".to_owned(),
        content_hash: "h1".to_owned(),
        size_bytes: 10,
    };
    assert_eq!(first, expected);
    let key: String =
        sqlx::query_scalar("SELECT object_key FROM document_artifacts").fetch_one(&bench.pool).await.unwrap();
    assert_eq!(key, first.key().path());
    let mut connection = bench.connection().await;
    assert!(connection.operation_items().mark_chunked(items[0], 2, 1).await.unwrap());
    connection.operation_items().mark_batch_done(items[0], 0, 0).await.unwrap().unwrap();
    drop(connection);
    // A duplicate shows its original's bytes; what failed shows what was tried; what was never read, nothing.
    let original = StagingOutcome::Duplicate { original: bench.document_id("a") };
    assert!(bench.stage(items[1], "b", "h1", &original).await.unwrap());
    assert_eq!(bench.content("b").await, Some(first));
    assert!(bench.stage(items[2], "c", "h3", &StagingOutcome::Staged).await.unwrap());
    assert!(bench.fail(items[2], &binary()).await);
    assert_eq!(bench.shown("c").await, version("h3", 1));
    let unread = StagingOutcome::Failed { reason: "gone".to_owned(), category: ErrorCategory::Permanent };
    assert!(bench.stage(items[3], "d", "h4", &unread).await.unwrap());
    assert_eq!(bench.content("d").await, None);
    bench.index(items[4], "e", "e1").await;
    bench.finish(operation).await;

    let (operation, items) = bench.run_append(&["e"]).await;
    assert!(bench.stage(items[0], "e", "e2", &StagingOutcome::Staged).await.unwrap());
    assert_eq!(bench.shown("e").await, version("e1", 1));
    let mut connection = bench.connection().await;
    assert!(connection.operation_items().mark_chunked(items[0], 2, 1).await.unwrap());
    connection.operation_items().mark_batch_done(items[0], 0, 0).await.unwrap().unwrap();
    drop(connection);
    bench.finish(operation).await;
    assert_eq!(bench.shown("e").await, version("e2", 2));

    // What is indexed again without being read again has the same bytes.
    sqlx::query("UPDATE documents SET generation = 5, last_generation = 5 WHERE id = $1")
        .bind(bench.document_id("e").0)
        .execute(&bench.pool)
        .await
        .unwrap();
    assert_eq!(bench.shown("e").await, version("e2", 2));

    // A version that fails leaves the searchable one to be shown; an empty one does not.
    let (operation, items) = bench.run_append(&["e"]).await;
    assert!(bench.stage(items[0], "e", "e3", &StagingOutcome::Staged).await.unwrap());
    assert!(bench.fail(items[0], &binary()).await);
    assert_eq!(bench.shown("e").await, version("e2", 2));
    bench.finish(operation).await;
    let (_, items) = bench.run_append(&["e"]).await;
    let empty = StagingOutcome::Skipped { reason: "it is empty".to_owned() };
    assert!(bench.stage(items[0], "e", "e0", &empty).await.unwrap());
    assert_eq!(bench.content("e").await, None);

    sqlx::query("DELETE FROM documents").execute(&bench.pool).await.unwrap();
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM document_artifacts").fetch_one(&bench.pool).await.unwrap();
    assert_eq!(rows, 0);
}
