//! Filters, sorts and pages lists of documents; counts failed documents.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::Api;

/// Five documents of two sources, one of them deleted, and one of another collection.
async fn prepare(api: &Api) -> (String, String) {
    let token = api.sign_up("ada").await;
    let collection = api.create_collection(&token, "notes").await;
    api.create_collection(&token, "other").await;
    api.sql(
        "INSERT INTO collection_sources (collection_id, source_path, source_type)
            SELECT id, '/srv/' || n, 'directory' FROM collections, generate_series(1, 2) n WHERE name = 'notes';
        INSERT INTO documents (id, collection_id, source_id, uri, file_path, file_name, file_size, chunk_count,
            status, created_at, updated_at)
        SELECT gen_random_uuid(), c.id, (SELECT id FROM collection_sources WHERE source_path = '/srv/' || source),
            path, path, regexp_replace(path, '.*/', ''), size, chunks, d.status::document_status,
            now() + n * interval '1 s', now() - n * interval '1 s'
        FROM collections c, (VALUES
            (1, 'guides/Zebra.md', '1', 30, 3, 'completed'),
            (2, 'guides/ape_1.md', '1', 10, 1, 'completed'),
            (3, 'notes/bear.txt', '2', 20, 0, 'failed'),
            (4, 'notes/ape.txt', '2', 40, 2, 'completed'),
            (5, 'notes/gone.txt', '2', 50, 0, 'deleted')
        ) AS d (n, path, source, size, chunks, status)
        WHERE c.name = 'notes';
        INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size)
        SELECT gen_random_uuid(), id, 'ape', 'ape', 'ape', 1 FROM collections WHERE name = 'other'",
    )
    .await;
    (token, collection)
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn filters_decide_the_page_and_the_total(pool: PgPool) {
    let api = Api::new(pool);
    let (token, collection) = prepare(&api).await;
    let first: i64 =
        sqlx::query_scalar("SELECT min(id) FROM collection_sources").fetch_one(&api.pool).await.unwrap();
    let of_source = format!("source_id={first}");
    for (query, expected) in [
        ("", "Zebra.md ape_1.md bear.txt ape.txt"),
        ("status=failed", "bear.txt"),
        ("status=deleted", "gone.txt"),
        (&of_source, "Zebra.md ape_1.md"),
        ("search=APE", "ape_1.md ape.txt"),
        ("search=guides/", "Zebra.md ape_1.md"),
        ("search=_", "ape_1.md"),
        ("search=%25", ""),
        ("search=ape&status=completed&sort_by=file_size&sort_order=desc", "ape.txt ape_1.md"),
        ("sort_order=desc", "ape.txt bear.txt ape_1.md Zebra.md"),
        ("sort_by=updated_at", "ape.txt bear.txt ape_1.md Zebra.md"),
        ("sort_by=file_name", "ape.txt ape_1.md bear.txt Zebra.md"),
        ("sort_by=file_name&sort_order=desc", "Zebra.md bear.txt ape_1.md ape.txt"),
        ("sort_by=file_size", "ape_1.md bear.txt Zebra.md ape.txt"),
        ("sort_by=chunk_count&sort_order=desc", "Zebra.md ape.txt ape_1.md bear.txt"),
        ("status=&search=&sort_by=&sort_order=", "Zebra.md ape_1.md bear.txt ape.txt"),
    ] {
        let list = api.get(&format!("{collection}/documents?{query}"), &token).await.expect(200);
        let documents = list["documents"].as_array().unwrap();
        let names: Vec<&str> =
            documents.iter().map(|document| document["file_name"].as_str().unwrap()).collect();
        assert_eq!(names.join(" "), expected, "{query}");
        assert_eq!(list["total"], names.len(), "{query}");
    }
    let page = "sort_by=file_name&per_page=1&page=3";
    let page = api.get(&format!("{collection}/documents?{page}"), &token).await.expect(200);
    assert_eq!((&page["documents"][0]["file_name"], &page["total"]), (&json!("bear.txt"), &json!(4)));

    let wrong = "status=done&sort_by=age&sort_order=up&search=%00&page=0";
    let detail = api.get(&format!("{collection}/documents?{wrong}"), &token).await.problem(422);
    insta::assert_snapshot!(detail, @r#"page: out of range; 1 to 1000000 allowed, got 0; status: unknown document status; pending, processing, completed, failed, skipped, cancelled, deleted allowed, got "done"; search: contains a NUL character; every other character is allowed; sort_by: unknown sort field; created_at, updated_at, file_name, file_size, chunk_count allowed, got "age"; sort_order: unknown sort order; asc, desc allowed, got "up""#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn failures_are_counted_by_whether_another_try_can_help(pool: PgPool) {
    let api = Api::new(pool);
    let (token, collection) = prepare(&api).await;
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, error_category, retry_count)
        SELECT gen_random_uuid(), c.id, 'f' || n, 'f', 'f', 1, 'failed', category::error_category, retries
        FROM collections c, (VALUES
            (1, 'transient', 0), (2, 'transient', 2), (3, 'transient', 3), (4, 'permanent', 0), (5, 'unknown', 1)
        ) AS f (n, category, retries)
        WHERE c.name = 'notes'",
    )
    .await;
    let count = async |query: &str| -> Value {
        api.get(&format!("{collection}/documents/failed/count{query}"), &token).await.expect(200)
    };
    // Without a category as well: bear.txt.
    let all = json!({ "transient": 3, "permanent": 1, "unknown": 2, "total": 6 });
    assert_eq!(count("").await, all);
    assert_eq!(count("?retryable_only=false").await, all);
    let retryable = json!({ "transient": 2, "permanent": 0, "unknown": 2, "total": 4 });
    assert_eq!(count("?retryable_only=true").await, retryable);
    api.get(&format!("{collection}/documents/failed/count?retryable_only=2"), &token).await.problem(422);
}
