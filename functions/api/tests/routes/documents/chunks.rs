//! Chunks, as far as PostgreSQL determines them; the journeys test the rest.

use sqlx::PgPool;

use crate::harness::Api;

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn collection_without_chunks_sends_no_request_to_qdrant(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "notes").await;
    let chunks = format!("{collection}/chunks");
    let empty = api.get(&chunks, &ada).await.expect(200);
    assert_eq!(empty, serde_json::json!({ "chunks": [], "total": 0, "page": 1, "per_page": 50 }));
    let by_another_path = chunks.replace("/v2/", "/v2/chunking/");
    assert_eq!(api.get(&by_another_path, &ada).await.expect(200), empty);
    let detail = api.get(&format!("{chunks}?document_id=x&per_page=101"), &ada).await.problem(422);
    assert!(
        detail.starts_with("per_page: out of range; 1 to 100 allowed, got 101; document_id: "),
        "{detail}"
    );
    api.get(&format!("{chunks}/no-id"), &ada).await.problem(404);
    // Qdrant is unavailable in this test, which is not the same as empty.
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, generation, chunk_count)
        SELECT gen_random_uuid(), id, 'a', 'a', 'a', 1, 'completed', 1, 3 FROM collections",
    )
    .await;
    api.get(&chunks, &ada).await.problem(503);
    api.get(&format!("{chunks}/00000000-0000-0000-0000-000000000001"), &ada).await.problem(503);
    let past_the_end = api.get(&format!("{chunks}?page=2"), &ada).await.expect(200);
    assert_eq!(past_the_end["total"], 3);
}
