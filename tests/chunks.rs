//! Reading chunks.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};

/// Long enough for several chunks.
fn chapter(subject: &str) -> String {
    (1..=60).map(|n| format!("Paragraph {n} tells of {subject} and of what follows from it.\n\n")).collect()
}

fn field<'a>(chunk: &'a Value, name: &str) -> &'a str {
    chunk[name].as_str().unwrap_or_else(|| panic!("no text {name} in {chunk}"))
}

#[tokio::test]
async fn pages_contain_every_current_chunk_once() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let chunks = format!("/api/v2/collections/{collection}/chunks");
    let files = [Upload::text("tides.txt", chapter("tides")), Upload::text("bread.txt", chapter("bread"))];
    let documents = user.upload(&collection, &files).await;
    let counted: i64 = documents.iter().map(|document| document["chunk_count"].as_i64().unwrap()).sum();
    assert!(counted > 4, "{documents:?}");

    let mut seen = BTreeSet::new();
    let mut page = 1;
    loop {
        let list = user.get(&format!("{chunks}?per_page=3&page={page}")).await.expect(200);
        assert_eq!(list["total"], counted);
        let items = list["chunks"].as_array().unwrap();
        if items.is_empty() {
            break;
        }
        for chunk in items {
            assert!(seen.insert(field(chunk, "id").to_owned()), "{chunk} is listed twice");
        }
        page += 1;
    }
    assert_eq!(i64::try_from(seen.len()).unwrap(), counted);

    let tides = &documents[0];
    let of_tides = format!("{chunks}?document_id={}&per_page=100", field(tides, "id"));
    let list = user.get(&of_tides).await.expect(200);
    assert_eq!(list["total"], tides["chunk_count"]);
    for (index, chunk) in list["chunks"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&chunk["chunk_index"], &chunk["total_chunks"]), (&json!(index), &tides["chunk_count"]));
        assert_eq!(field(chunk, "file_name"), "tides.txt");
        assert!(field(chunk, "content").contains("tides"), "{chunk}");
        assert_eq!(user.get(&format!("{chunks}/{}", field(chunk, "chunk_id"))).await.expect(200), *chunk);
    }

    // A chunk of a search result can be read by its id, but not in another collection or by another user.
    let found = user.search(&collection, "what is told of tides").await;
    let id = field(&found[0], "chunk_id").to_owned();
    let shown = user.get(&format!("{chunks}/{id}")).await.expect(200);
    assert_eq!(shown["content"], found[0]["text"]);
    let other = user.create_collection().await;
    user.get(&format!("/api/v2/collections/{other}/chunks/{id}")).await.expect(404);
    let stranger = TestUser::register(&stack).await;
    stranger.get(&format!("{chunks}/{id}")).await.expect(404);

    // The next generation of the document replaces the chunks at once.
    let old = field(&list["chunks"][0], "id").to_owned();
    user.upload(&collection, &[Upload::text("tides.txt", "Neap tides are small.")]).await;
    // Until then the document stays as it was, and completed.
    let list = user.wait_until(&of_tides, |list| list["total"] == 1).await;
    assert_eq!(list["chunks"][0]["content"], "Neap tides are small.");
    user.get(&format!("{chunks}/{old}")).await.expect(404);
}
