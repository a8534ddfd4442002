//! Listing collections.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::Api;

/// Three collections of Ada's and a public one of Bob's.
async fn prepare(api: &Api) -> String {
    let (ada, bob) = (api.sign_up("ada").await, api.sign_up("bob").await);
    for name in ["Beta", "alpha", "gamma"] {
        api.create_collection(&ada, name).await;
    }
    api.create_collection(&bob, "delta").await;
    api.sql(
        "UPDATE collections SET is_public = name = 'delta',
            description = CASE name WHEN 'gamma' THEN '100% of the A_B files' END,
            status = (CASE name WHEN 'alpha' THEN 'ready' WHEN 'Beta' THEN 'degraded' ELSE 'pending' END)::collection_status,
            document_count = CASE name WHEN 'Beta' THEN 5 WHEN 'gamma' THEN 9 ELSE 0 END,
            created_at = now() - CASE name WHEN 'Beta' THEN interval '4 h' WHEN 'alpha' THEN interval '3 h'
                WHEN 'gamma' THEN interval '2 h' ELSE interval '1 h' END,
            updated_at = now() - CASE name WHEN 'alpha' THEN interval '0 h' ELSE interval '1 h' END",
    )
    .await;
    ada
}

async fn names(api: &Api, token: &str, query: &str) -> (Vec<String>, i64) {
    let list = api.get(&format!("/api/v2/collections?{query}"), token).await.expect(200);
    let name = |collection: &Value| collection["name"].as_str().unwrap().to_owned();
    (list["collections"].as_array().unwrap().iter().map(name).collect(), list["total"].as_i64().unwrap())
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn filters_apply_to_the_page_and_the_total(pool: PgPool) {
    let api = Api::new(pool);
    let ada = prepare(&api).await;
    for (query, expected) in [
        ("", "delta gamma alpha Beta"),
        ("owner=me", "gamma alpha Beta"),
        ("owner=all&include_public=false", "gamma alpha Beta"),
        ("status=ready", "alpha"),
        ("search=ETA", "Beta"),
        ("search=files", "gamma"),
        // Neither is a pattern.
        ("search=%25", "gamma"),
        ("search=_", "gamma"),
        ("search=&status=&sort_by=&sort_order=&owner=", "delta gamma alpha Beta"),
        ("search=l&status=pending", "delta gamma"),
        ("sort_by=name", "alpha Beta delta gamma"),
        ("sort_by=name&sort_order=desc", "gamma delta Beta alpha"),
        ("sort_by=created_at&sort_order=asc", "Beta alpha gamma delta"),
        ("owner=me&sort_by=document_count", "gamma Beta alpha"),
        ("owner=me&sort_by=document_count&sort_order=asc", "alpha Beta gamma"),
        ("sort_by=updated_at&per_page=1", "alpha"),
        ("sort_by=name&per_page=2&page=2", "delta gamma"),
        ("search=nothing", ""),
    ] {
        let (found, total) = names(&api, &ada, query).await;
        assert_eq!(found.join(" "), expected, "{query}");
        let whole = if query.contains("per_page") { 4 } else { found.len() };
        assert_eq!(usize::try_from(total).unwrap(), whole, "{query}");
    }
    let past_the_end = names(&api, &ada, "owner=me&search=a&per_page=2&page=9").await;
    assert_eq!(past_the_end, (Vec::new(), 3));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_invalid_filter_is_reported(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let wrong = "owner=you&status=done&sort_by=size&sort_order=up&search=%00&per_page=0";
    let detail = api.get(&format!("/api/v2/collections?{wrong}"), &ada).await.problem(422);
    insta::assert_snapshot!(detail.replace("; ", "\n"), @r#"
    per_page: out of range
    1 to 100 allowed, got 0
    owner: unknown value
    all, me allowed, got "you"
    search: contains a NUL character
    every other character is allowed
    status: unknown collection status
    pending, ready, processing, error, degraded allowed, got "done"
    sort_by: unknown sort field
    created_at, updated_at, name, document_count allowed, got "size"
    sort_order: unknown sort order
    asc, desc allowed, got "up"
    "#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_list_has_the_failed_documents_of_each_collection(pool: PgPool) {
    let api = Api::new(pool);
    let ada = prepare(&api).await;
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status)
        SELECT gen_random_uuid(), collections.id, n::text, n::text, n::text, 1, 'failed'
        FROM collections, generate_series(1, 2) n WHERE name IN ('alpha', 'gamma')",
    )
    .await;
    let list = api.get("/api/v2/collections?sort_by=name", &ada).await.expect(200);
    let counts: Vec<&Value> =
        list["collections"].as_array().unwrap().iter().map(|collection| &collection["error_count"]).collect();
    assert_eq!(counts, [&json!(2), &json!(0), &json!(0), &json!(2)]);
}
