//! The chunking preview and the catalogue of strategies.

use serde_json::json;
use sqlx::PgPool;

use crate::harness::Api;

const TEXT: &str = "# Tides\n\nThe moon lifts the water.\n\n## Neap\n\nSmall ones.\n";

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn catalogue_lists_every_strategy_with_its_parameters(pool: PgPool) {
    let api = Api::new(pool);
    api.get("/api/v2/chunking/strategies", "").await.problem(401);
    let token = api.sign_up("ada").await;
    let catalogue = api.get("/api/v2/chunking/strategies", &token).await.expect(200);
    let ids: Vec<&str> =
        catalogue["strategies"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["recursive", "fixed", "markdown", "code", "semantic", "hierarchical", "hybrid"]);
    insta::assert_json_snapshot!(catalogue["strategies"][5], @r#"
    {
      "best_for": "Precise hits with enough context for a reader or a language model.",
      "default_config": {
        "parent_size": 1024
      },
      "description": "Splits into parents of parent_size tokens as `recursive` does, and each parent into chunks. Chunks are embedded and found; a search can return the parent with a hit.",
      "embedding_models": [
        "sentence-transformers/all-MiniLM-L6-v2"
      ],
      "id": "hierarchical",
      "is_default": false,
      "name": "hierarchical",
      "parameters": [
        {
          "default": 1024,
          "description": "The maximum tokens of a parent, 1 to 16 times chunk_size; 4 times by default. Parents are not embedded, so the model's token limit does not apply.",
          "maximum": 4096.0,
          "minimum": 256.0,
          "name": "parent_size",
          "type": "integer"
        }
      ]
    }
    "#);
    let shown = api.get("/api/v2/chunking/strategies/hierarchical", &token).await.expect(200);
    assert_eq!(shown, catalogue["strategies"][5]);
    let problem = api.get("/api/v2/chunking/strategies/gopher", &token).await.problem(404);
    insta::assert_snapshot!(problem, @r#"no strategy "gopher"; available: recursive or fixed or markdown or code or semantic or hierarchical or hybrid"#);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn preview_returns_chunks_with_offsets_and_token_counts(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let body = json!({
        "content": TEXT, "strategy": "hierarchical", "chunk_size": 16, "chunk_overlap": 0, "max_chunks": 1,
        "config": { "parent_size": 32 },
    });
    let mut preview = api.post("/api/v2/chunking/preview", &token, body).await.expect(200);
    assert!(preview["processing_time_ms"].take().as_f64().unwrap() > 0.0);
    insta::assert_json_snapshot!(preview, @r##"
    {
      "chunk_overlap": 0,
      "chunk_size": 16,
      "chunks": [
        {
          "char_count": 43,
          "content": "# Tides\n\nThe moon lifts the water.\n\n## Neap",
          "context": "",
          "end_offset": 43,
          "index": 0,
          "parent": {
            "chunk_count": 2,
            "end_offset": 56,
            "first_chunk": 0,
            "index": 0,
            "start_offset": 0,
            "token_count": 17
          },
          "section_path": [],
          "start_offset": 0,
          "token_count": 14
        }
      ],
      "config": {
        "parent_size": 32
      },
      "embedding_model": "sentence-transformers/all-MiniLM-L6-v2",
      "metrics": {
        "average_chunk_tokens": 9.5,
        "largest_chunk_tokens": 14,
        "median_chunk_tokens": 14,
        "repeated_bytes": 0,
        "smallest_chunk_tokens": 5,
        "total_chunks": 2,
        "total_parents": 1,
        "total_tokens": 19
      },
      "processing_time_ms": null,
      "strategy": "hierarchical",
      "total_chunks": 2
    }
    "##);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn file_name_determines_the_format(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let count = async |file_name: &str| {
        let body = json!({ "content": TEXT, "file_name": file_name, "strategy": "hybrid" });
        let preview = api.post("/api/v2/chunking/preview", &token, body).await.expect(200);
        preview["total_chunks"].as_u64().unwrap()
    };
    assert_eq!((count("tides.md").await, count("tides.txt").await), (2, 1));
    let body = json!({ "content": TEXT, "file_name": "tides.pdf" });
    let problem = api.post("/api/v2/chunking/preview", &token, body).await.problem(422);
    assert!(problem.starts_with("content: "), "{problem}");
    let body = json!({ "content": "" });
    let preview = api.post("/api/v2/chunking/preview", &token, body).await.expect(200);
    assert_eq!(
        (&preview["total_chunks"], &preview["metrics"]["average_chunk_tokens"]),
        (&json!(0), &json!(0.0))
    );
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_field_error_of_a_preview_is_reported(pool: PgPool) {
    let api = Api::new(pool);
    let token = api.sign_up("ada").await;
    let body = json!({
        "content": TEXT, "strategy": "semantic", "chunk_size": 64, "max_chunks": 51,
        "config": { "min_chunk_size": 40, "depth": 2 },
    });
    let problem = api.post("/api/v2/chunking/preview", &token, body).await.problem(422);
    insta::assert_snapshot!(problem, @"config.depth: unknown parameter; semantic has breakpoint_percentile, similarity_threshold, window_sentences, min_chunk_size; config.min_chunk_size: out of range; 0 to 32 allowed, got 40; max_chunks: out of range; 1 to 50 allowed, got 51");
    let body = json!({
        "content": TEXT, "strategies": ["fixed", "gopher"], "configs": { "markdown": {}, "fixed": { "a": 1 } },
        "max_chunks_per_strategy": 0,
    });
    let problem = api.post("/api/v2/chunking/compare", &token, body).await.problem(422);
    insta::assert_snapshot!(problem, @r#"configs.markdown: not one of `strategies`; settings of those are allowed; configs.fixed.a: unknown parameter; fixed has no parameters; strategies: unknown value; recursive or fixed or markdown or code or semantic or hierarchical or hybrid allowed, got "gopher"; max_chunks_per_strategy: out of range; 1 to 20 allowed, got 0"#);
    let body = json!({ "content": TEXT, "strategies": ["fixed"], "embedding_model": "x" });
    let problem = api.post("/api/v2/chunking/compare", &token, body).await.problem(422);
    insta::assert_snapshot!(problem, @r#"embedding_model: unknown model; sentence-transformers/all-MiniLM-L6-v2 allowed, got "x"; strategies: wrong number of items; 2 to 7 allowed, got 1"#);
    let body = json!({ "content": TEXT, "strategies": ["fixed", "fixed_size"] });
    let problem = api.post("/api/v2/chunking/compare", &token, body).await.problem(422);
    insta::assert_snapshot!(problem, @r#"strategies: not unique; each strategy once allowed, got "fixed_size" twice"#);
    let body = json!({ "content": "word ".repeat(250_000) });
    let problem = api.post("/api/v2/chunking/preview", &token, body).await.problem(413);
    insta::assert_snapshot!(problem, @"content: too long; at most 1048576 bytes allowed, got 1250000; upload longer documents");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn semantic_needs_a_model_with_static_vectors(pool: PgPool) {
    let api = Api::new(pool).with_state(|state| {
        let folders = state.models.folders().unwrap();
        let manifest = folders[0].path.join("model.json");
        let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(&manifest).unwrap()).unwrap();
        json.as_object_mut().unwrap().remove("static_vectors");
        std::fs::write(&manifest, json.to_string()).unwrap();
        let models = models::ModelRegistry::open(folders[0].path.parent().unwrap()).unwrap();
        state.models = std::sync::Arc::new(models);
    });
    let token = api.sign_up("ada").await;
    let catalogue = api.get("/api/v2/chunking/strategies/semantic", &token).await.expect(200);
    assert_eq!(catalogue["embedding_models"], json!([]));
    let body = json!({ "name": "talks", "chunking_strategy": "semantic" });
    let problem = api.post("/api/v2/collections", &token, body).await.problem(422);
    insta::assert_snapshot!(problem, @"chunking_strategy: semantic needs static vectors, which the folder of sentence-transformers/all-MiniLM-L6-v2 lacks; import the model again, or choose another strategy");
}
