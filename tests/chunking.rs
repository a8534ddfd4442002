//! Chunking by every strategy: previewed, indexed and searched.

use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};

const FENCE: &str = "```sh\ntidectl forecast --harbour brest \\\n  --days 3\n\ntidectl print --table\n```";

const STORY: &str = "The tide rises and falls twice a day along most coasts. The pull of the moon lifts the water on the \
    near side of the earth. A second bulge forms on the far side. Spring tides come when sun and moon stand in line. \
    Neap tides are weaker, because the two pull at right angles. A sourdough starter is a mix of flour and water that \
    ferments. Wild yeast in the dough makes it rise slowly. Bakers knead the bread and let it rest overnight. A hot \
    oven gives the loaf a crisp crust. Salt slows the fermentation and adds flavour. The court of appeal heard the \
    case in March. The judge ruled that the contract was void. Lawyers for the tenant asked for damages. The landlord \
    must pay the costs of both parties.";

const CODE: &str = "use std::fs;\n\nfn ebb(level: u32) -> u32 {\n    let lowered = level - 1;\n\n    lowered\n}\n\n\
    // Raises the water.\nfn flood(level: u32) -> u32 {\n    level + 1\n}\n";

fn handbook() -> String {
    format!(
        "# Tides\n\nHow the forecast is asked for, and what it says of the coming days at the coast.\n\n## Asking\n\n\
         The command names a harbour and a number of days, and prints what is to be expected there:\n\n{FENCE}\n\n\
         ## Reading\n\nEach line of the table has a time and a height. Heights are above the chart datum, so that a \
         skipper adds them to the depth on the chart.\n"
    )
}

fn files() -> [(&'static str, &'static str, String); 3] {
    [
        ("handbook.md", "text/markdown", handbook()),
        ("story.txt", "text/plain", STORY.to_owned()),
        ("water.rs", "text/plain", CODE.to_owned()),
    ]
}

async fn collection(user: &TestUser, settings: Value) -> String {
    let mut body = json!({ "name": testkit::unique("chunking"), "chunk_size": 64, "chunk_overlap": 12 });
    for (field, value) in settings.as_object().unwrap() {
        body[field] = value.clone();
    }
    let made = user.post("/api/v2/collections", &body).await.expect(201);
    assert_eq!(made["chunking_strategy"], body["chunking_strategy"]);
    made["id"].as_str().unwrap().to_owned()
}

async fn upload_all(user: &TestUser, collection: &str) -> Vec<Value> {
    let uploads = files().map(|(name, content_type, text)| Upload {
        content_type: content_type.to_owned(),
        ..Upload::text(name, text)
    });
    user.upload(collection, &uploads).await
}

fn texts(chunks: &Value) -> Vec<(String, u64, u64)> {
    let chunks = chunks.as_array().unwrap().iter();
    let text = |chunk: &Value| chunk["content"].as_str().unwrap().to_owned();
    let offset = |chunk: &Value, name: &str| chunk[name].as_u64().unwrap();
    chunks.map(|chunk| (text(chunk), offset(chunk, "start_offset"), offset(chunk, "end_offset"))).collect()
}

#[tokio::test]
async fn every_strategy_indexes_the_chunks_of_its_preview() {
    let user = TestUser::register(&Stack::from_env()).await;
    let catalogue = user.get("/api/v2/chunking/strategies").await.expect(200);
    let strategies = catalogue["strategies"].as_array().unwrap();
    assert_eq!(strategies.len(), 7);
    for strategy in strategies {
        let name = strategy["id"].as_str().unwrap();
        let shown = user.get(&format!("/api/v2/chunking/strategies/{name}")).await.expect(200);
        assert_eq!(&shown, strategy);
        let collection = collection(&user, json!({ "chunking_strategy": name })).await;
        let documents = upload_all(&user, &collection).await;
        for ((file_name, _, text), document) in files().iter().zip(&documents) {
            assert_eq!(document["file_name"], *file_name);
            let path = format!(
                "/api/v2/collections/{collection}/chunks?per_page=100&document_id={}",
                document["id"].as_str().unwrap()
            );
            let indexed = user.get(&path).await.expect(200);
            let body = json!({
                "content": text, "file_name": file_name, "strategy": name, "chunk_size": 64, "chunk_overlap": 12,
                "max_chunks": 50,
            });
            let preview = user.post("/api/v2/chunking/preview", &body).await.expect(200);
            assert_eq!(texts(&indexed["chunks"]), texts(&preview["chunks"]), "{name} {file_name}");
            assert_eq!(preview["total_chunks"], document["chunk_count"]);
            for chunk in preview["chunks"].as_array().unwrap() {
                assert!(chunk["token_count"].as_u64().unwrap() <= 64, "{name} {chunk}");
                assert_eq!(chunk["parent"].is_object(), name == "hierarchical");
            }
        }
        let of_handbook = json!({
            "content": handbook(), "file_name": "handbook.md", "strategy": name, "chunk_size": 64,
            "chunk_overlap": 12, "max_chunks": 50,
        });
        let preview = user.post("/api/v2/chunking/preview", &of_handbook).await.expect(200);
        let is_whole = texts(&preview["chunks"]).iter().any(|(text, ..)| text.contains(FENCE));
        assert!(is_whole || ["fixed", "code"].contains(&name), "{name} cuts the fence: {preview}");
        let found = user.search(&collection, "how do bakers make dough rise").await;
        assert_eq!(found[0]["file_name"], "story.txt", "{name}");
    }
}

#[tokio::test]
async fn a_hit_includes_its_parent_on_request() {
    let user = TestUser::register(&Stack::from_env()).await;
    let settings = json!({
        "chunking_strategy": "hierarchical", "chunking_config": { "parent_size": 256 }, "chunk_size": 24,
        "chunk_overlap": 6,
    });
    let collection = collection(&user, settings).await;
    upload_all(&user, &collection).await;
    let mut body = json!({
        "collection_uuids": [collection], "query": "the judge ruled that the contract is void", "k": 1,
    });
    let plain = user.post("/api/v2/search", &body).await.expect(200);
    assert!(plain["results"][0].get("parent").is_none());
    body["include_parent"] = json!(true);
    let answer = user.post("/api/v2/search", &body).await.expect(200);
    let hit = &answer["results"][0];
    let text = hit["text"].as_str().unwrap();
    assert!(text.contains("contract was void") && !text.contains("sourdough"), "{text}");
    let parent = &hit["parent"];
    assert_eq!(parent["text"], STORY, "the whole story is one parent");
    assert_eq!((&parent["parent_index"], &parent["start_offset"]), (&json!(0), &json!(0)));
    assert_eq!(parent["end_offset"], STORY.len());
    assert_eq!(parent["chunk_count"], hit["total_chunks"]);
    assert!(parent["token_count"].as_u64().unwrap() > 64, "{parent}");
    assert_eq!(hit["metadata"]["parent"]["chunk_count"], parent["chunk_count"]);
}

#[tokio::test]
async fn strategies_are_compared() {
    let user = TestUser::register(&Stack::from_env()).await;
    let body = json!({
        "content": STORY, "strategies": ["fixed", "semantic", "hierarchical"], "chunk_size": 128,
        "configs": { "semantic": { "breakpoint_percentile": 75 } }, "max_chunks_per_strategy": 1,
    });
    let answer = user.post("/api/v2/chunking/compare", &body).await.expect(200);
    let comparisons = answer["comparisons"].as_array().unwrap();
    let names: Vec<&Value> = comparisons.iter().map(|comparison| &comparison["strategy"]).collect();
    assert_eq!(json!(names), body["strategies"]);
    let semantic = &comparisons[1];
    assert_eq!(semantic["config"]["breakpoint_percentile"], 75);
    assert_eq!(semantic["total_chunks"], 3, "tides, bread and the court: {semantic}");
    let first = semantic["sample_chunks"][0]["content"].as_str().unwrap();
    assert!(first.ends_with("at right angles."), "{first}");
    assert_eq!(semantic["statistics"]["repeated_bytes"], 0);
    assert_eq!(comparisons[2]["statistics"]["total_parents"], 1);
    assert!(comparisons.iter().all(|comparison| comparison["sample_chunks"].as_array().unwrap().len() == 1));
}

#[tokio::test]
async fn invalid_chunking_settings_are_rejected_by_name() {
    let user = TestUser::register(&Stack::from_env()).await;
    for (body, field, said) in [
        (json!({ "chunking_strategy": "cut" }), "chunking_strategy", "got \"cut\""),
        (
            json!({ "chunking_strategy": "hierarchical", "chunk_size": 64, "chunking_config": { "parent_size": 8000 } }),
            "chunking_config.parent_size",
            "out of range; 64 to 1024 allowed, got 8000",
        ),
        (
            json!({ "chunking_config": { "parent_size": 256 } }),
            "chunking_config.parent_size",
            "hybrid has split_level, split_declarations",
        ),
        (
            json!({ "chunking_strategy": "markdown", "chunk_size": 9999 }),
            "chunk_size",
            "9999 tokens are more than",
        ),
    ] {
        let mut body = body;
        body["name"] = json!(testkit::unique("refused"));
        let problem = user.post("/api/v2/collections", &body).await.expect(422);
        let errors = problem["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{problem}");
        assert_eq!(errors[0]["field"], field);
        assert!(errors[0]["message"].as_str().unwrap().contains(said), "{problem}");
    }
    let body = json!({ "content": "a text", "strategy": "semantic", "config": { "window_sentences": 0 } });
    let problem = user.post("/api/v2/chunking/preview", &body).await.expect(422);
    assert_eq!(problem["errors"][0]["field"], "config.window_sentences");
    let long = json!({ "content": "word ".repeat(250_000) });
    user.post("/api/v2/chunking/preview", &long).await.expect(413);
}

#[tokio::test]
async fn a_reindex_changes_the_strategy_of_a_collection() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = collection(&user, json!({ "chunking_strategy": "recursive" })).await;
    upload_all(&user, &collection).await;
    let requested = json!({ "chunking_strategy": "hierarchical", "chunking_config": { "parent_size": 256 } });
    let operation =
        user.post(&format!("/api/v2/collections/{collection}/reindex"), &requested).await.expect(202);
    user.wait_for_operation(operation["id"].as_str().unwrap()).await;
    let now = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    assert_eq!(now["chunking_strategy"], "hierarchical");
    assert_eq!(now["chunking_config"], requested["chunking_config"]);
    let body = json!({ "collection_uuids": [collection], "query": "yeast in dough", "include_parent": true });
    let answer = user.post("/api/v2/search", &body).await.expect(200);
    assert!(answer["results"][0]["parent"]["text"].as_str().unwrap().contains("Wild yeast"), "{answer}");
}
