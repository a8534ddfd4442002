use domain::{ErrorCategory, OperationType};
use sqlx::PgPool;

use super::*;
use crate::testing::Fixture;

async fn crawl(pool: PgPool) -> (Fixture, SourceId, OperationId) {
    let fixture = Fixture::new(pool).await;
    let operation = fixture.insert_operation(OperationType::Append).await;
    let source = source_of(&fixture).await;
    (fixture, source, operation)
}

async fn source_of(fixture: &Fixture) -> SourceId {
    let mut connection = fixture.connection().await;
    let found = connection.collection_sources().find_or_create_upload(fixture.collection_id).await;
    found.unwrap().id
}

fn found(urls: &[&str], depth: u32) -> Vec<(String, u32)> {
    urls.iter().map(|url| ((*url).to_owned(), depth)).collect()
}

async fn due(fixture: &Fixture, source: SourceId, operation: OperationId) -> Vec<String> {
    let mut connection = fixture.connection().await;
    let due = connection.source_listings().due_pages(source, operation, 10).await.unwrap();
    due.into_iter().map(|page| page.url).collect()
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn pages_are_due_once_per_crawl_nearest_first(pool: PgPool) {
    let (fixture, source, first) = crawl(pool).await;
    let mut connection = fixture.connection().await;
    let mut listings = connection.source_listings();
    assert_eq!(listings.find_pages(source, first, &found(&["deep"], 2), 10).await.unwrap(), 0);
    listings.find_pages(source, first, &found(&["b", "a", "b"], 1), 10).await.unwrap();
    assert_eq!(due(&fixture, source, first).await, ["b", "a", "deep"]);
    let state = SourcePageState {
        etag: Some("1".to_owned()),
        links: vec!["a".to_owned()],
        ..SourcePageState::default()
    };
    listings.mark_visited(source, first, "b", Some(&state)).await.unwrap();
    // Found again by another page: it stays visited.
    listings.find_pages(source, first, &found(&["b"], 2), 10).await.unwrap();
    assert_eq!(due(&fixture, source, first).await, ["a", "deep"]);

    let second = fixture.insert_operation(OperationType::Append).await;
    listings.find_pages(source, second, &found(&["b"], 0), 10).await.unwrap();
    let again = listings.due_pages(source, second, 10).await.unwrap();
    assert_eq!(again, [DueSourcePage { url: "b".to_owned(), depth: 0, known: Some(state.clone()) }]);
    // Without an answer, what was known stays.
    listings.mark_visited(source, second, "b", None).await.unwrap();
    listings.delete_unfound(source, second).await.unwrap();
    let third = fixture.insert_operation(OperationType::Append).await;
    listings.find_pages(source, third, &found(&["a", "b"], 0), 10).await.unwrap();
    let known = listings.due_pages(source, third, 10).await.unwrap();
    let known: Vec<_> = known.into_iter().map(|page| (page.url, page.known)).collect();
    assert_eq!(known, [("b".to_owned(), Some(state)), ("a".to_owned(), None)]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_crawl_finds_a_limited_number_of_pages(pool: PgPool) {
    let (fixture, source, operation) = crawl(pool).await;
    let mut connection = fixture.connection().await;
    let mut listings = connection.source_listings();
    assert_eq!(listings.find_pages(source, operation, &found(&["a", "b"], 0), 3).await.unwrap(), 0);
    assert_eq!(listings.find_pages(source, operation, &found(&["b", "c", "d"], 1), 3).await.unwrap(), 1);
    assert_eq!(due(&fixture, source, operation).await, ["a", "b", "c"]);
}

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn a_checkpoint_counts_once_everything_is_indexed(pool: PgPool) {
    let fixture = Fixture::new(pool).await;
    let source = source_of(&fixture).await;
    let (transient, permanent) = (ErrorCategory::Transient, ErrorCategory::Permanent);
    for (name, fails, expected) in
        [("a", Some(transient), None), ("b", None, Some("b")), ("c", Some(permanent), Some("c"))]
    {
        let before = fixture.connection().await.source_listings().checkpoint(source).await.unwrap();
        let (operation, items) = fixture.run_append(&[name]).await;
        let mut connection = fixture.connection().await;
        connection.source_listings().propose_checkpoint(source, operation, name).await.unwrap();
        assert_eq!(connection.source_listings().checkpoint(source).await.unwrap(), before);
        if let Some(category) = fails {
            let outcome =
                crate::operations::StagingOutcome::Failed { reason: "unreadable".to_owned(), category };
            fixture.stage(items[0], name, "1", &outcome).await.unwrap();
        } else {
            fixture.index(items[0], name, "1").await;
        }
        fixture.finish(operation).await;
        let kept = connection.source_listings().checkpoint(source).await.unwrap();
        assert_eq!(kept.as_deref(), expected);
    }
    let mut connection = fixture.connection().await;
    let settings = connection.collection_sources().find(source).await.unwrap().unwrap();
    let path = settings.source_path.as_str();
    connection.collection_sources().update(source, path, &settings.source_config).await.unwrap();
    assert_eq!(connection.source_listings().checkpoint(source).await.unwrap().as_deref(), Some("c"));
    let other = serde_json::json!({ "recursive": false });
    connection.collection_sources().update(source, path, &other).await.unwrap();
    assert_eq!(connection.source_listings().checkpoint(source).await.unwrap(), None);
}
