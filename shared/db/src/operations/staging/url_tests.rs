//! URLs and titles that sources give their documents.

use domain::{ItemId, OperationId, OperationType};
use sqlx::PgPool;

use crate::operations::{BatchChunks, NewItem, StagingOutcome};
use crate::testing::{Fixture, binary, item};

fn given(hint: &str, url: &str, title: &str) -> NewItem {
    NewItem { url: Some(url.to_owned()), title: Some(title.to_owned()), ..item("a", hint) }
}

impl Fixture {
    /// Lists one item and returns its operation and the item, if it is not unchanged.
    async fn list(&self, item: NewItem) -> (OperationId, Option<ItemId>) {
        let operation = self.insert_operation(OperationType::Append).await;
        let mut connection = self.connection().await;
        connection.operation_items().insert_many(operation, &[item]).await.unwrap();
        assert!(connection.operations().claim(operation).await.unwrap());
        let mut items = connection.operation_items();
        items.mark_unchanged(operation, ItemId(0)).await.unwrap();
        let ids = items.list_undispatched(operation, ItemId(0), 1).await.unwrap();
        items.begin_staging(operation, &ids).await.unwrap();
        (operation, ids.first().copied())
    }

    async fn url_and_title(&self) -> (Option<String>, Option<String>) {
        let document = self.document("a").await;
        (document.url, document.title)
    }

    async fn title_for_chunks(&self, id: ItemId) -> Option<String> {
        let work = self.connection().await.operation_items().find_work(&[id]).await.unwrap();
        work[0].title.clone()
    }
}

fn pair(url: &str, title: &str) -> (Option<String>, Option<String>) {
    (Some(url.to_owned()), Some(title.to_owned()))
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn document_has_the_url_and_title_of_its_searchable_version(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, id) = fixture.list(given("v1", "https://x.org/1", "One")).await;
    fixture.index(id.unwrap(), "a", "h1").await;
    fixture.finish(first).await;
    assert_eq!(fixture.url_and_title().await, pair("https://x.org/1", "One"));

    let (second, id) = fixture.list(given("v2", "https://x.org/2", "Two")).await;
    let id = id.unwrap();
    fixture.stage(id, "a", "h2", &StagingOutcome::Staged).await.unwrap();
    assert_eq!(fixture.title_for_chunks(id).await.as_deref(), Some("Two"));
    let mut connection = fixture.connection().await;
    connection.operation_items().mark_chunked(id, 2, 1, &[]).await.unwrap();
    assert_eq!(fixture.url_and_title().await, pair("https://x.org/1", "One"), "not searchable yet");
    connection.operation_items().mark_batch_done(id, 0, BatchChunks::default()).await.unwrap();
    assert_eq!(fixture.url_and_title().await, pair("https://x.org/2", "Two"));
    fixture.finish(second).await;

    let (_, id) = fixture.list(item("a", "v3")).await;
    let id = id.unwrap();
    fixture.index(id, "a", "h3").await;
    assert_eq!(
        fixture.url_and_title().await,
        pair("https://x.org/2", "Two"),
        "without any, it keeps its own"
    );
    assert_eq!(fixture.title_for_chunks(id).await.as_deref(), Some("Two"));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn url_changes_with_unchanged_bytes_and_a_title_is_indexed_again(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (first, id) = fixture.list(given("v1", "https://x.org/1", "One")).await;
    fixture.index(id.unwrap(), "a", "h1").await;
    fixture.finish(first).await;

    let (second, id) = fixture.list(given("v1", "https://x.org/2", "One")).await;
    assert_eq!(id, None, "the change hint is the same");
    assert_eq!(fixture.url_and_title().await, pair("https://x.org/2", "One"));
    fixture.finish(second).await;

    let (third, id) = fixture.list(given("v2", "https://x.org/3", "One")).await;
    let mut connection = fixture.connection().await;
    let document = fixture.document_id("a");
    assert!(connection.operation_items().mark_item_unchanged(id.unwrap(), document).await.unwrap());
    assert_eq!(fixture.url_and_title().await, pair("https://x.org/3", "One"), "the bytes are the same");
    fixture.finish(third).await;

    let (_, id) = fixture.list(given("v2", "https://x.org/3", "Another")).await;
    assert!(id.is_some(), "the title is in the chunks");
    let existing = connection.documents().find_existing(document).await.unwrap().unwrap();
    assert_eq!(existing.title.as_deref(), Some("One"));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn failed_document_keeps_what_its_source_said_for_the_next_attempt(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let (_, id) = fixture.list(given("v1", "https://x.org/1", "One")).await;
    let id = id.unwrap();
    fixture.stage(id, "a", "h1", &StagingOutcome::Staged).await.unwrap();
    assert!(fixture.fail(id, &binary()).await);
    assert_eq!(fixture.url_and_title().await, pair("https://x.org/1", "One"));
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn newer_version_of_an_upload_replaces_url_and_title(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let operation = fixture.insert_operation(OperationType::Append).await;
    let mut connection = fixture.connection().await;
    let mut items = connection.operation_items();
    let first = given("v1", "https://x.org/1", "One");
    items.upsert_uploads(operation, &[first]).await.unwrap();
    let second = given("v2", "https://x.org/2", "Two");
    items.upsert_uploads(operation, &[second, item("b", "v1")]).await.unwrap();
    assert!(connection.operations().claim(operation).await.unwrap());
    let mut items = connection.operation_items();
    let ids = items.list_undispatched(operation, ItemId(0), 2).await.unwrap();
    let staging = items.begin_staging(operation, &ids).await.unwrap();
    let titles: Vec<_> = staging.iter().map(|item| item.title.as_deref()).collect();
    assert_eq!(titles, [Some("Two"), None]);
    fixture.index(ids[0], "a", "h").await;
    assert_eq!(fixture.url_and_title().await, pair("https://x.org/2", "Two"));
}
