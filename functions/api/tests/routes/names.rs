//! Names in both normal forms of Unicode are one name, and names that nobody can see are refused.

use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::harness::{Api, text};

const COLLECTIONS: &str = "/api/v2/collections";
/// `Größe é.txt` as Linux and Windows write it, and as a Mac's file system does.
const COMPOSED: &str = "Gr\u{f6}\u{df}e \u{e9}.txt";
const DECOMPOSED: &str = "Gro\u{308}\u{df}e e\u{301}.txt";

fn names(listed: &Value, field: &str) -> Vec<String> {
    listed[field].as_array().unwrap().iter().map(|one| text(&one["name"])).collect()
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_collection_has_one_name_in_both_spellings(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let created = api.post(COLLECTIONS, &ada, json!({ "name": "cafe\u{301}" })).await.expect(201);
    assert_eq!(created["name"], "caf\u{e9}");
    let again = api.post(COLLECTIONS, &ada, json!({ "name": "caf\u{e9}" })).await.problem(409);
    assert!(again.contains("already have a collection"), "{again}");
    for search in ["caf%C3%A9", "cafe%CC%81"] {
        let listed = api.get(&format!("{COLLECTIONS}?search={search}"), &ada).await.expect(200);
        assert_eq!(names(&listed, "collections"), ["caf\u{e9}"], "{search}");
    }
    let path = api.create_collection(&ada, "u").await;
    let renamed =
        api.send(Method::PATCH, &path, &ada, Some(&json!({ "name": "u\u{308}" }))).await.expect(200);
    assert_eq!(renamed["name"], "\u{fc}");
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn names_that_nobody_can_see_are_refused(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "c").await;
    for name in ["\u{200b}", "\u{2800}", "\u{3164}", "report\u{202e}fdp", "a\u{2066}b\u{2069}", "\u{feff}a"] {
        let detail = api.post(COLLECTIONS, &ada, json!({ "name": name })).await.problem(422);
        let reason = ["contains an invisible", "without a visible"];
        assert!(reason.iter().any(|reason| detail.starts_with(&format!("name: {reason}"))), "{detail}");
        let renamed = api.send(Method::PATCH, &collection, &ada, Some(&json!({ "name": name }))).await;
        renamed.problem(422);
        let files = json!({ "files": [{ "name": format!("folder/{name}"), "size": 1 }] });
        let detail = api.post(&format!("{collection}/uploads"), &ada, files).await.problem(422);
        assert!(
            reason.iter().any(|reason| detail.starts_with(&format!("files[0].name: {reason}"))),
            "{detail}"
        );
    }
    for name in ["👩\u{200d}👩\u{200d}👧", "نامه\u{200c}ها", "日本語"] {
        api.post(COLLECTIONS, &ada, json!({ "name": name })).await.expect(201);
    }
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_announced_file_has_one_name_in_both_spellings(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let uploads = format!("{}/uploads", api.create_collection(&ada, "c").await);
    let announce = |names: &[&str]| {
        let files: Vec<Value> = names.iter().map(|name| json!({ "name": name, "size": 1 })).collect();
        json!({ "files": files })
    };
    let twice = api.post(&uploads, &ada, announce(&[COMPOSED, DECOMPOSED])).await.problem(422);
    assert!(twice.starts_with("files[1].name: not unique"), "{twice}");
    let announced = api.post(&uploads, &ada, announce(&[DECOMPOSED])).await.expect(201);
    assert_eq!(announced["uploads"][0]["name"], COMPOSED);
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_search_box_finds_a_document_in_any_spelling_and_case(pool: PgPool) {
    let api = Api::new(pool);
    let ada = api.sign_up("ada").await;
    let collection = api.create_collection(&ada, "c").await;
    api.sql(
        "INSERT INTO documents (id, collection_id, uri, file_path, file_name, file_size)
        SELECT gen_random_uuid(), id, 'a', 'ü/Größe é.txt', 'Größe é.txt', 1 FROM collections",
    )
    .await;
    for search in ["Größe", "Gro\u{308}ße", "GRÖSSE", "grösse", "größe e\u{301}", "u\u{308}/"] {
        let query: String = form_urlencoded::byte_serialize(search.as_bytes()).collect();
        let listed = api.get(&format!("{collection}/documents?search={query}"), &ada).await.expect(200);
        assert_eq!(listed["total"], 1, "{search:?}");
    }
}
