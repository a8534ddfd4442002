//! Starting a reindex, and rolling one back.

use std::sync::Arc;

use api::Limits;
use http::Method;
use models::ModelRegistry;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Answer, Api};

const MINILM: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// With a second model whose token limit is low.
fn api(pool: PgPool) -> (Api, tempfile::TempDir) {
    let models = tempfile::tempdir().unwrap();
    for (name, short_name, max_tokens) in [(MINILM, "minilm-l6-v2", 256), ("small", "small", 100)] {
        let folder = models.path().join(short_name);
        std::fs::create_dir(&folder).unwrap();
        let manifest = json!({
            "name": name, "short_name": short_name, "dimension": 8, "max_tokens": max_tokens,
            "special_tokens": 2, "pooling": "mean", "normalize": true,
        });
        std::fs::write(folder.join("model.json"), manifest.to_string()).unwrap();
    }
    let registry = Arc::new(ModelRegistry::open(models.path()).unwrap());
    (Api::new(pool).with_state(|state| state.models = registry), models)
}

async fn reindex(api: &Api, path: &str, token: &str, body: Option<&Value>) -> Answer {
    api.send(Method::POST, &format!("{path}/reindex"), token, body).await
}

async fn roll_back(api: &Api, path: &str, token: &str) -> Answer {
    api.send(Method::POST, &format!("{path}/reindex/rollback"), token, None).await
}

/// Ends them as the pipeline would.
async fn end_operations(api: &Api) {
    api.sql("UPDATE operations SET status = 'completed', completed_at = now()").await;
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn absent_settings_keep_their_values(pool: PgPool) {
    let (api, _models) = api(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    let now = json!({
        "embedding_model": MINILM, "quantization": "float16", "chunk_size": 256, "chunk_overlap": 51,
        "chunking_strategy": "hybrid", "chunking_config": {}, "contextualize": true,
        "ocr": false,
    });
    for (body, change) in [
        (None, json!({})),
        (Some(json!({})), json!({})),
        (Some(json!({ "quantization": "int8" })), json!({ "quantization": "int8" })),
        // The overlap belongs to the size.
        (Some(json!({ "chunk_size": 100 })), json!({ "chunk_size": 100, "chunk_overlap": 20 })),
        (Some(json!({ "chunk_overlap": 0 })), json!({ "chunk_overlap": 0 })),
        (Some(json!({ "contextualize": false })), json!({ "contextualize": false })),
        // Chunks are shortened to what the other model reads.
        (
            Some(json!({ "embedding_model": "small" })),
            json!({ "embedding_model": "small", "chunk_size": 100, "chunk_overlap": 20 }),
        ),
        (
            Some(json!({ "chunking_strategy": "hierarchical", "chunking_config": { "parent_size": 512 } })),
            json!({ "chunking_strategy": "hierarchical", "chunking_config": { "parent_size": 512 } }),
        ),
    ] {
        let started = reindex(&api, &path, &ada, body.as_ref()).await.expect(202);
        let mut expected = now.clone();
        expected.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!((&started["config"], &started["type"]), (&expected, &json!("reindex")));
        assert_eq!(started["status"], "pending");
        end_operations(&api).await;
    }
    let collection = api.get(&path, &ada).await.expect(200);
    assert_eq!(collection["chunk_size"], 256, "nothing changes before the new index is whole");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn invalid_settings_are_reported_as_at_creation(pool: PgPool) {
    let (api, _models) = api(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    let mut details = Vec::new();
    for body in [
        json!({ "embedding_model": "x", "quantization": "int4", "chunking_strategy": "cut" }),
        json!({ "chunk_size": 257 }),
        json!({ "embedding_model": "small", "chunk_size": 101 }),
        json!({ "chunk_overlap": 256 }),
        json!({ "chunk_size": -1, "chunking_config": { "a": "\u{0}" } }),
    ] {
        details.push(reindex(&api, &path, &ada, Some(&body)).await.problem(422));
    }
    insta::assert_snapshot!(details.join("\n"), @r#"
    quantization: unknown quantization; float32, float16, int8 allowed, got "int4"; embedding_model: unknown model; sentence-transformers/all-MiniLM-L6-v2, small allowed, got "x"; chunking_strategy: unknown value; recursive or fixed or markdown or code or semantic or hierarchical or hybrid allowed, got "cut"
    chunk_size: 257 tokens are more than the 256 that sentence-transformers/all-MiniLM-L6-v2 reads; choose 16 to 256
    chunk_size: 101 tokens are more than the 100 that small reads; choose 16 to 100
    chunk_overlap: 256 tokens are not less than a chunk of 256; choose 0 to 255
    chunk_size: out of range; 0 to 4294967295 allowed, got -1; chunking_config: contains a NUL character; every other character is allowed; chunking_config.a: unknown parameter; hybrid has split_level, split_declarations
    "#);
    reindex(&api, &path, &ada, Some(&json!([]))).await.problem(422);
    let queued = "SELECT count(*)::text FROM operations WHERE type = 'reindex'";
    assert_eq!(api.select(queued).await, "0");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn one_reindex_at_a_time_and_a_repeated_key_gets_the_first_response(pool: PgPool) {
    let (api, _models) = api(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    let keyed = || {
        let path = format!("{path}/reindex");
        let (api, ada) = (&api, &ada);
        async move { api.send_with(Method::POST, &path, ada, None, &[("idempotency-key", "k")]).await }
    };
    let first = keyed().await.expect(202);
    assert_eq!(keyed().await.expect(202), first);
    let refused = reindex(&api, &path, &ada, None).await.problem(409);
    assert_eq!(refused, "a reindex of this collection is pending or running; wait for it or cancel it");
    let cancel = format!("/api/v2/operations/{}/cancel", first["id"].as_str().unwrap());
    api.post(&cancel, &ada, json!({})).await.expect(200);
    reindex(&api, &path, &ada, None).await.expect(202);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn write_access_is_not_enough_to_reindex(pool: PgPool) {
    let (api, _models) = api(pool);
    let (ada, eve) = (api.sign_up("ada").await, api.sign_up("eve").await);
    let path = api.create_collection(&ada, "notes").await;
    for (grant, granted, status) in [("write", 201, 403), ("admin", 200, 202)] {
        let body = json!({ "username": "eve", "permission": grant });
        api.post(&format!("{path}/permissions"), &ada, body).await.expect(granted);
        reindex(&api, &path, &eve, None).await.expect(status);
        roll_back(&api, &path, &eve).await.expect(if status == 403 { 403 } else { 409 });
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_refused_rollback_has_the_reason(pool: PgPool) {
    let (api, _models) = api(pool);
    let ada = api.sign_up("ada").await;
    let path = api.create_collection(&ada, "notes").await;
    let nothing = roll_back(&api, &path, &ada).await.problem(409);
    assert_eq!(nothing, "no earlier index is kept; reindex instead");
    reindex(&api, &path, &ada, None).await.expect(202);
    api.sql(
        "INSERT INTO retired_vector_stores (name, collection_id, operation_id, replaced_by, settings, drop_after)
        SELECT 'old', c.id, o.id, c.vector_store_name, o.config || '{\"chunk_size\": 100, \"chunk_overlap\": 20}',
            now() + interval '1 day'
        FROM collections c JOIN operations o ON o.collection_id = c.id AND o.type = 'reindex'",
    )
    .await;
    let busy = roll_back(&api, &path, &ada).await.problem(409);
    assert!(busy.starts_with("an operation is running or a reindex is pending"), "{busy}");
    end_operations(&api).await;
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size, status, generation, chunk_count)
        SELECT gen_random_uuid(), id, 'upload://a', 'a', 'a', 1, 'completed', 1, 2 FROM collections",
    )
    .await;
    let changed = roll_back(&api, &path, &ada).await.problem(409);
    assert_eq!(
        changed,
        "1 document was indexed or changed since the last reindex, and the earlier index lacks them; reindex instead"
    );

    api.sql("UPDATE documents SET status = 'deleted'").await;
    let collection = roll_back(&api, &path, &ada).await.expect(200);
    assert_eq!((&collection["vector_store_name"], &collection["chunk_size"]), (&json!("old"), &json!(100)));
    let audit = "SELECT details::text FROM collection_audit_log WHERE action = 'reindex_rolled_back'";
    let audit: Value = serde_json::from_str(&api.select(audit).await).unwrap();
    assert_eq!(audit["after"], json!({ "chunk_size": 100, "chunk_overlap": 20 }));
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn ocr_needs_an_installation_and_a_collection_that_have_it(pool: PgPool) {
    let (api, _models) = api(pool);
    let ada = api.sign_up("ada").await;
    let without = api.create_collection(&ada, "without").await;
    let refusal = "ocr: not available: this installation has no OCR; false allowed, got true (its operator deploys OCR with \
        OcrEnabled)";
    let body = json!({ "name": "with", "ocr": true });
    assert_eq!(api.post("/api/v2/collections", &ada, body.clone()).await.problem(422), refusal);
    assert_eq!(reindex(&api, &without, &ada, Some(&json!({ "ocr": true }))).await.problem(422), refusal);

    let api = api.with_state(|state| {
        state.limits = Arc::new(Limits { ocr_enabled: true, ..(*state.limits).clone() });
    });
    let with = api.post("/api/v2/collections", &ada, body).await.expect(201);
    assert_eq!(with["ocr"], true);
    let announced = json!({ "files": [{ "name": "scan.png", "size": 10 }] });
    let with = format!("/api/v2/collections/{}", with["id"].as_str().unwrap());
    api.post(&format!("{with}/uploads"), &ada, announced.clone()).await.expect(201);
    assert_eq!(
        api.post(&format!("{without}/uploads"), &ada, announced.clone()).await.problem(422),
        "files[0].name: a PNG image is read by OCR only, and OCR is off; set \"ocr\" to true in a reindex of the collection, \
         got \"scan.png\""
    );
    let started = reindex(&api, &without, &ada, Some(&json!({ "ocr": true }))).await.expect(202);
    assert_eq!(started["config"]["ocr"], true);

    // The operator takes it away again.
    let api = api.with_state(|state| {
        state.limits = Arc::new(Limits { ocr_enabled: false, ..(*state.limits).clone() });
    });
    let detail = api.post(&format!("{with}/uploads"), &ada, announced).await.problem(422);
    assert!(
        detail.contains("this installation has no OCR; ask its operator to deploy it with OcrEnabled"),
        "{detail}"
    );
    end_operations(&api).await;
    let started = reindex(&api, &with, &ada, None).await.expect(202);
    assert_eq!(started["config"]["ocr"], true, "absent settings keep their values");
}
