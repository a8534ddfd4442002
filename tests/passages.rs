//! What a passage says about itself: its page, its sections, its document's title; the text that its offsets count in; and
//! what was lost on the way to it.

use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};

async fn uploaded(user: &TestUser, collection: &str, name: &str, bytes: &[u8]) -> Value {
    let document = user.upload(collection, &[Upload::file(name, bytes.to_vec())]).await.remove(0);
    assert_eq!(document["status"], "completed", "{document}");
    document
}

#[tokio::test]
async fn passages_name_their_page_their_sections_and_their_title() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let handbook = "# Harbour handbook\n\nFor pilots.\n\n## Mooring\n\n### Ropes\n\nTwist each line twice around the \
        bollard.\n\n## Lamps\n\nTrim the wick before dusk.\n";
    uploaded(&user, &collection, "handbook.md", handbook.as_bytes()).await;
    let page = b"<title>Clay</title><h1>Kilns</h1><p>A kiln needs nine hours to cool down.";
    uploaded(&user, &collection, "kiln.html", page).await;
    let letter = b"Dear keeper,\x0Cthe foghorn is to sound every ninety seconds.";
    uploaded(&user, &collection, "letter.txt", letter).await;

    for (question, title, sections, pages) in [
        ("How many hours does a kiln cool?", json!("Clay"), json!([]), Value::Null),
        ("How often does the foghorn sound?", Value::Null, json!([]), json!(1)),
    ] {
        let found = user.search(&collection, question).await.remove(0);
        assert_eq!(
            (&found["title"], &found["section_path"], &found["first_page"]),
            (&title, &sections, &pages)
        );
    }
    let settings = json!({
        "name": testkit::unique("sections"), "chunking_strategy": "markdown", "chunking_config": { "split_level": 3 },
    });
    let created = user.post("/api/v2/collections", &settings).await.expect(201);
    let collection = created["id"].as_str().unwrap();
    uploaded(&user, collection, "handbook.md", handbook.as_bytes()).await;
    // Neither word is in the passage: they are in its title and in the name of its file.
    let query = json!({ "query": "harbour handbook bollard", "collection_uuids": [collection], "search_mode": "sparse" });
    let found = user.post("/api/v2/search", &query).await.expect(200);
    let best = &found["results"][0];
    assert_eq!(
        best["text"], "## Mooring\n\n### Ropes\n\nTwist each line twice around the bollard.",
        "{found}"
    );
    assert_eq!(best["section_path"], json!(["Harbour handbook", "Mooring", "Ropes"]));
    assert_eq!(best["title"], "Harbour handbook");
    let chunks = user.get(&format!("/api/v2/collections/{collection}/chunks")).await.expect(200);
    let rope =
        chunks["chunks"].as_array().unwrap().iter().find(|chunk| chunk["id"] == best["chunk_id"]).unwrap();
    assert_eq!(rope["section_path"], best["section_path"]);
}

#[tokio::test]
async fn offsets_count_in_the_text_and_what_was_guessed_is_said() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let path = format!("/api/v2/collections/{collection}");
    let text = "Die Glocke hängt über dem größten Tor. ".repeat(40);
    let latin1: Vec<u8> = text.chars().map(|character| u8::try_from(u32::from(character)).unwrap()).collect();
    let markup = format!("<p>{}</p>", text.replace('ö', "&ouml;"));
    for (name, bytes, warnings) in [
        ("bell.txt", latin1, json!(["encoding_guessed"])),
        ("bom.txt", format!("\u{FEFF}{text}").into_bytes(), json!([])),
        ("bell.html", markup.into_bytes(), json!([])),
    ] {
        let document = uploaded(&user, &collection, name, &bytes).await;
        let codes: Vec<&Value> =
            document["warnings"].as_array().unwrap().iter().map(|warning| &warning["code"]).collect();
        assert_eq!(json!(codes), warnings, "{document}");
        let document_path = format!("{path}/documents/{}", document["id"].as_str().unwrap());
        let whole = user.get(&format!("{document_path}/text")).await.expect(200);
        assert_eq!(whole["next_offset"], Value::Null);
        let whole = whole["text"].as_str().unwrap();
        assert_eq!(whole.trim_end(), text.trim_end(), "{name}");
        let query = format!("{path}/chunks?document_id={}", document["id"].as_str().unwrap());
        let chunks = user.get(&query).await.expect(200);
        assert!(chunks["chunks"].as_array().unwrap().len() > 1);
        for chunk in chunks["chunks"].as_array().unwrap() {
            let (start, end) =
                (chunk["start_offset"].as_u64().unwrap(), chunk["end_offset"].as_u64().unwrap());
            assert_eq!(chunk["content"], whole[start as usize..end as usize], "{name}");
            let part = user
                .get(&format!("{document_path}/text?start_offset={start}&end_offset={end}"))
                .await
                .expect(200);
            assert_eq!(part["text"], chunk["content"]);
        }
    }
    let operations = user.get(&format!("{path}/operations")).await.expect(200);
    let warned: Vec<&Value> =
        operations.as_array().unwrap().iter().map(|operation| &operation["meta"]["warnings"]).collect();
    assert!(warned.contains(&&json!({ "encoding_guessed": 1 })), "{operations}");
    user.get(&format!("{path}/documents/{}/text", uuid::Uuid::new_v4())).await.expect(404);
}
