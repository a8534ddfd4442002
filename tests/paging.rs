//! Paging through search results: whatever the scores, pages neither repeat nor skip a passage.

use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};

const MODES: [&str; 3] = ["dense", "sparse", "hybrid"];
const SAME: &str = "The tide of the sea rises twice a day, because the Moon pulls at the water.";

/// Uploads documents and waits until they are indexed.
async fn collection_of(user: &TestUser, files: &[Upload]) -> String {
    let collection = user.create_collection().await;
    for some in files.chunks(50) {
        user.upload(&collection, some).await;
    }
    user.wait_until_idle(&collection).await;
    collection
}

/// Returns the chunks of all pages; each page has a number of results of its own.
async fn pages(user: &TestUser, search: &Value, mut sizes: impl Iterator<Item = usize>) -> Vec<String> {
    let mut found = Vec::new();
    loop {
        let k = sizes.next().unwrap();
        let mut body = search.clone();
        (body["k"], body["offset"]) = (json!(k), json!(found.len()));
        let answer = user.post("/api/v2/search", &body).await.expect(200);
        let results = answer["results"].as_array().unwrap();
        found.extend(results.iter().map(|hit| hit["chunk_id"].as_str().unwrap().to_owned()));
        if results.len() < k {
            return found;
        }
    }
}

/// Numbers from 1 to 13 in an order without a pattern, which depends on the seed.
fn sizes(seed: u64) -> impl Iterator<Item = usize> {
    let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    std::iter::successors(Some(seed), next).map(|state| 1 + (state >> 33) as usize % 13)
}

#[tokio::test]
async fn documents_with_equal_texts_are_each_on_one_page() {
    let user = TestUser::register(&Stack::from_env()).await;
    // Other bytes, and the same chunk.
    let file =
        |number: usize| Upload::text(&format!("{number}.txt"), format!("{SAME}{}", "\n".repeat(number)));
    let collection = collection_of(&user, &(0..40).map(file).collect::<Vec<_>>()).await;
    for mode in MODES {
        let search = json!({
            "collection_uuids": [collection], "query": "tides of the sea", "search_mode": mode,
            "collapse_duplicates": false,
        });
        let found = pages(&user, &search, std::iter::repeat(7)).await;
        let mut distinct = found.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!((found.len(), distinct.len()), (40, 40), "{mode}");
    }
    for mode in MODES {
        let search =
            json!({ "collection_uuids": [collection], "query": "tides of the sea", "search_mode": mode });
        let answer = user.post("/api/v2/search", &search).await.expect(200);
        let results = answer["results"].as_array().unwrap();
        assert_eq!((results.len(), &results[0]["duplicate_count"]), (1, &json!(39)), "{mode}");
        let named = results[0]["duplicates"].as_array().unwrap();
        assert_eq!(named.len(), 10, "{mode}");
        assert!(named.iter().all(|one| one["document_id"] != results[0]["document_id"]), "{mode}: {named:?}");
    }
}

#[tokio::test]
async fn pages_of_any_size_are_parts_of_one_ranking() {
    let user = TestUser::register(&Stack::from_env()).await;
    let file = |number: usize| match number % 3 {
        0 => Upload::text(&format!("same/{number}.txt"), format!("{SAME}{}", " ".repeat(number))),
        1 => Upload::text(
            &format!("pairs/{number}.txt"),
            format!("The sea of pair {}.{}", number / 8, "\n".repeat(number)),
        ),
        _ => Upload::text(&format!("own/{number}.txt"), format!("Water number {number} runs to the sea.")),
    };
    let first = collection_of(&user, &(0..60).map(file).collect::<Vec<_>>()).await;
    let second = collection_of(&user, &(60..90).map(file).collect::<Vec<_>>()).await;
    for collections in [vec![&first], vec![&first, &second]] {
        for mode in MODES {
            for collapses in [true, false] {
                let search = json!({
                    "collection_uuids": collections, "query": "the tide of the sea", "search_mode": mode,
                    "collapse_duplicates": collapses,
                });
                let mut all = pages(&user, &search, std::iter::repeat(100)).await;
                for seed in 1..=3 {
                    let found = pages(&user, &search, sizes(seed)).await;
                    assert_eq!(found, all, "{mode}, {} collections, {collapses}", collections.len());
                }
                all.sort_unstable();
                let count = all.len();
                all.dedup();
                assert_eq!(all.len(), count, "{mode}: every passage is shown once");
                assert!(collapses || count == 30 + 30 * collections.len(), "{mode}: {count}");
            }
        }
    }
}

#[tokio::test]
async fn a_new_collection_has_no_results() {
    let user = TestUser::register(&Stack::from_env()).await;
    let filled = collection_of(&user, &[Upload::text("tides.txt", SAME)]).await;
    for mode in MODES {
        let new = user.create_collection().await;
        let search = |collections: Value| json!({ "collection_uuids": collections, "query": "tides", "search_mode": mode });
        // At once: its index may not exist yet.
        let answer = user.post("/api/v2/search", &search(json!([new]))).await.expect(200);
        assert_eq!((&answer["results"], &answer["partial_failure"]), (&json!([]), &json!(false)), "{answer}");
        let new = user.create_collection().await;
        let answer = user.post("/api/v2/search", &search(json!([new, filled]))).await.expect(200);
        assert_eq!(answer["results"].as_array().unwrap().len(), 1, "{answer}");
        assert_eq!((&answer["partial_failure"], &answer["failed_collections"]), (&json!(false), &json!([])));
    }
}
