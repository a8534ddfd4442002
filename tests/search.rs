//! Dense, sparse and hybrid search, with all options.

use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};

const TIDES: &str = "The sea rises and falls twice a day, because the Moon pulls at the water.";
const CURRENTS: &str = "Currents carry warm water through the oceans; wind and salt drive them.";
const BREAD: &str =
    "Flour, water and wild yeast become bread when they are given a day. Part number QX-7741.";

async fn library() -> (TestUser, String) {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let markdown =
        Upload { content_type: "text/markdown".to_owned(), ..Upload::text("kitchen/bread.md", BREAD) };
    let files = [
        Upload::text("nature/sea/tides.txt", TIDES),
        Upload::text("nature/currents.txt", CURRENTS),
        markdown,
    ];
    user.upload(&collection, &files).await;
    (user, collection)
}

async fn search(user: &TestUser, collection: &str, query: &str, more: Value) -> Value {
    let mut body = json!({ "collection_uuids": [collection], "query": query });
    for (field, value) in more.as_object().unwrap() {
        body[field] = value.clone();
    }
    user.post("/api/v2/search", &body).await.expect(200)
}

fn names(answer: &Value) -> Vec<&str> {
    answer["results"].as_array().unwrap().iter().map(|hit| hit["file_name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_mode_finds_its_kind_of_match() {
    let (user, collection) = library().await;
    let sparse = search(&user, &collection, "qx-7741", json!({ "search_mode": "sparse" })).await;
    assert_eq!(names(&sparse), ["bread.md"]);
    assert_eq!((&sparse["search_mode_used"], &sparse["score_type"]), (&json!("sparse"), &json!("bm25")));
    assert!(sparse["timings"]["embedding_ms"].as_f64().unwrap() < 1.0, "{sparse}");

    let hybrid = search(
        &user,
        &collection,
        "why does the sea rise and fall twice a day",
        json!({ "search_type": "hybrid" }),
    )
    .await;
    assert_eq!((&hybrid["search_mode_used"], &hybrid["score_type"]), (&json!("hybrid"), &json!("rrf")));
    assert_eq!(names(&hybrid)[0], "tides.txt");
    assert_eq!(names(&hybrid).len(), 3, "{hybrid}");
    let best = hybrid["results"][0]["score"].as_f64().unwrap();
    assert!((best - 1.0).abs() < 1e-5, "the first of both lists: {best}");

    let nothing = search(&user, &collection, "zebra", json!({ "search_mode": "sparse" })).await;
    assert_eq!(names(&nothing).len(), 0);
}

#[tokio::test]
async fn a_threshold_drops_the_same_chunks_in_every_mode() {
    let (user, collection) = library().await;
    let query = "water of the sea";
    let all = search(&user, &collection, query, json!({})).await;
    assert_eq!(all["score_type"], "cosine");
    let scores: Vec<f64> =
        all["results"].as_array().unwrap().iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
    let threshold = (scores[1] + scores[2]) / 2.0;
    let mut kept = names(&all)[..2].to_vec();
    kept.sort_unstable();
    for mode in ["dense", "sparse", "hybrid"] {
        let cut =
            search(&user, &collection, query, json!({ "search_mode": mode, "score_threshold": threshold }))
                .await;
        let mut found = names(&cut);
        found.sort_unstable();
        assert_eq!(found, kept, "{mode}");
    }
}

#[tokio::test]
async fn filters_select_documents() {
    let (user, collection) = library().await;
    for mode in ["dense", "sparse", "hybrid"] {
        for (filter, expected) in [
            (json!({ "path_prefix": "nature" }), vec!["currents.txt", "tides.txt"]),
            (json!({ "path_prefix": ["nature/sea/", "kitchen"] }), vec!["bread.md", "tides.txt"]),
            (json!({ "mime_type": "text/markdown" }), vec!["bread.md"]),
            (json!({ "file_name": ["tides.txt", "other"] }), vec!["tides.txt"]),
            (json!({ "created_before": "2020-01-01T00:00:00Z" }), vec![]),
            (json!({ "created_from": "2020-01-01T00:00:00Z", "path_prefix": "kitchen" }), vec!["bread.md"]),
        ] {
            let more = json!({ "search_mode": mode, "metadata_filter": filter });
            let answer = search(&user, &collection, "water", more).await;
            let mut found = names(&answer);
            found.sort_unstable();
            assert_eq!(found, expected, "{mode} {filter}");
        }
    }
    let body = json!({
        "collection_uuids": [collection], "query": "water", "metadata_filter": { "colour": "blue" },
    });
    let problem = user.post("/api/v2/search", &body).await.expect(422);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("colour") && detail.contains("path_prefix"), "{detail}");
}

#[tokio::test]
async fn documents_are_filtered_by_metadata() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let tides = Upload::text("tides.txt", TIDES);
    for (file, metadata) in [
        (&tides, json!({ "topic": "sea", "year": 2024, "draft": false })),
        (&Upload::text("currents.txt", CURRENTS), json!({ "topic": "sea", "year": 2023 })),
        (&Upload::text("bread.txt", BREAD), json!({ "topic": "kitchen", "year": "2024" })),
        (&Upload::text("plain.txt", "Water, and nothing else."), json!(null)),
    ] {
        let operation = user.upload_with_metadata(&collection, file, &metadata).await;
        assert_eq!(operation["status"], "completed", "{operation}");
        let document = user.wait_for_document(&collection, &file.name).await;
        assert_eq!(document["metadata"], if metadata.is_null() { json!({}) } else { metadata });
    }
    let ask = async |mode: &str, attributes: &Value| {
        let filter = json!({ "search_mode": mode, "metadata_filter": { "attributes": attributes } });
        search(&user, &collection, "water", filter).await
    };
    for mode in ["dense", "sparse", "hybrid"] {
        for (attributes, expected) in [
            (json!({ "topic": "sea" }), vec!["currents.txt", "tides.txt"]),
            (json!({ "year": 2024 }), vec!["tides.txt"]),
            (json!({ "year": "2024" }), vec!["bread.txt"]),
            (
                json!({ "topic": ["sea", "kitchen"], "year": [2023, "2024"] }),
                vec!["bread.txt", "currents.txt"],
            ),
            (json!({ "draft": false }), vec!["tides.txt"]),
            (json!({ "colour": "blue" }), vec![]),
        ] {
            let answer = ask(mode, &attributes).await;
            let mut found = names(&answer);
            found.sort_unstable();
            assert_eq!(found, expected, "{mode} {attributes}");
        }
    }
    let answer = ask("dense", &json!({ "year": 2024 })).await;
    let metadata = json!({ "draft": false, "topic": "sea", "year": 2024 });
    assert_eq!(answer["results"][0]["document_metadata"], metadata);

    let moon = json!({ "topic": "moon" });
    let changed = user.upload_with_metadata(&collection, &tides, &moon).await;
    assert_eq!(changed["meta"]["counts"]["changed"], 1, "{changed}");
    assert_eq!(changed["meta"]["chunks"], json!({ "embedded": 0, "reused": 1 }), "{changed}");
    let unchanged = user.upload_with_metadata(&collection, &tides, &json!(null)).await;
    assert_eq!(unchanged["meta"]["counts"]["unchanged"], 1, "{unchanged}");
    let path = format!("/api/v2/collections/{collection}/reindex");
    let reindex = user.post(&path, &json!({ "chunk_size": 64 })).await.expect(202);
    let reindexed = user.wait_for_operation(reindex["id"].as_str().unwrap()).await;
    assert_eq!(reindexed["status"], "completed", "{reindexed}");
    assert_eq!(names(&ask("dense", &moon).await), ["tides.txt"]);
    assert_eq!(names(&ask("dense", &json!({ "topic": "sea" })).await), ["currents.txt"]);
}

#[tokio::test]
async fn hits_of_long_documents_are_paged_grouped_and_extended() {
    let user = TestUser::register(&Stack::from_env()).await;
    let collection = user.create_collection().await;
    let sentence =
        |number: usize| format!("Remark {number}: the tide of day {number} came in & went <out>.\n");
    let long: String = (0..120).map(sentence).collect();
    let files = [Upload::text("log.txt", long.clone()), Upload::text("short.txt", TIDES)];
    user.upload(&collection, &files).await;

    let ask = async |more: Value| search(&user, &collection, "tides", more).await;
    let all = ask(json!({ "search_mode": "hybrid", "k": 50 })).await;
    let ids = |answer: &Value| -> Vec<Value> {
        answer["results"].as_array().unwrap().iter().map(|hit| hit["chunk_id"].clone()).collect()
    };
    assert!(ids(&all).len() > 6, "{all}");
    let second = ask(json!({ "search_mode": "hybrid", "k": 3, "offset": 3 })).await;
    assert_eq!((ids(&second), &second["offset"]), (ids(&all)[3..6].to_vec(), &json!(3)));

    let grouped = ask(json!({ "search_mode": "hybrid", "group_by": "document", "k": 5 })).await;
    let mut found = names(&grouped);
    found.sort_unstable();
    assert_eq!(found, ["log.txt", "short.txt"]);
    let wider = ask(json!({ "group_size": 3, "k": 1, "metadata_filter": { "file_name": "log.txt" } })).await;
    assert_eq!(names(&wider), ["log.txt"; 3]);

    let more = json!({ "k": 1, "context_chunks": 1, "highlight": true, "metadata_filter": { "file_name": "log.txt" } });
    let answer = ask(more).await;
    let hit = &answer["results"][0];
    let chunk = |of: &Value| (of["chunk_index"].as_u64().unwrap(), of["text"].as_str().unwrap().to_owned());
    let mut chunks: Vec<_> = hit["neighbours"].as_array().unwrap().iter().map(chunk).collect();
    chunks.push(chunk(hit));
    assert!(chunks.len() > 1, "{hit}");
    chunks.sort();
    let context: String = chunks.into_iter().map(|(_, text)| text).collect();
    assert!(long.contains(&context), "{context}");
    let html = hit["highlighted_text"].as_str().unwrap();
    assert!(
        html.contains("the <mark>tide</mark> of") && html.contains("in &amp; went &lt;out&gt;"),
        "{html}"
    );
}

#[tokio::test]
async fn several_collections_are_searched_together() {
    let (user, first) = library().await;
    let second = user.create_collection().await;
    user.upload(&second, &[Upload::text("moon.txt", "The Moon circles the Earth once a month.")]).await;
    for (mode, score_type) in [("dense", "cosine"), ("sparse", "rrf"), ("hybrid", "rrf")] {
        let body = json!({ "collection_uuids": [first, second], "query": "the moon", "search_mode": mode });
        let answer = user.post("/api/v2/search", &body).await.expect(200);
        assert_eq!(answer["score_type"], score_type, "{mode}");
        let mut best = names(&answer)[..2].to_vec();
        best.sort_unstable();
        assert_eq!(best, ["moon.txt", "tides.txt"], "{mode}");
        assert_eq!(answer["collections_searched"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn preferences_are_the_defaults_of_requests() {
    let (user, collection) = library().await;
    let preferred = json!({ "search": { "mode": "sparse", "top_k": 1 } });
    user.send(Method::PUT, "/api/v2/preferences", Some(&preferred)).await.expect(200);
    let answer = search(&user, &collection, "water", json!({})).await;
    assert_eq!((&answer["search_mode_used"], names(&answer).len()), (&json!("sparse"), 1));
    let answer = search(&user, &collection, "water", json!({ "search_mode": "dense", "k": 2 })).await;
    assert_eq!((&answer["search_mode_used"], names(&answer).len()), (&json!("dense"), 2));
}

#[tokio::test]
async fn a_reranker_reorders_the_best_hits() {
    let (user, collection) = library().await;
    // The query shares four words with the recipe, one with the tides, none with the currents.
    let query = "sea flour wild yeast bread";
    let without = search(&user, &collection, query, json!({})).await;
    assert_eq!((&without["reranking_used"], &without["reranker_model"]), (&json!(false), &Value::Null));

    let requested = json!({ "use_reranker": true, "k": 2 });
    let reranked = search(&user, &collection, query, requested).await;
    assert_eq!(
        (&reranked["reranking_used"], &reranked["reranker_model"], &reranked["score_type"]),
        (&json!(true), &json!("word-overlap"), &json!("reranker")),
        "{reranked}"
    );
    assert_eq!(reranked["warnings"], json!([]));
    assert!(reranked["timings"]["reranking_ms"].as_f64().unwrap() > 0.0, "{reranked}");
    assert_eq!(names(&reranked), ["bread.md", "tides.txt"]);
    // The second page continues the reranked order.
    let rest = search(&user, &collection, query, json!({ "use_reranker": true, "k": 2, "offset": 2 })).await;
    assert_eq!(names(&rest), ["currents.txt"]);
    let hits = [&reranked["results"][0], &reranked["results"][1], &rest["results"][0]];
    for (hit, logit) in hits.into_iter().zip([2.0_f64, -1.0, -2.0]) {
        let score = hit["score"].as_f64().unwrap();
        assert!((score - 1.0 / (1.0 + (-logit).exp())).abs() < 1e-5, "{hit}");
    }
}
