//! Every hit links back: to the download of an upload, or to the original that its source names, at the place of the hit.

use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::{Stack, TestUser, Upload};

use crate::documents::pdf;

/// A page of two chunks and more, with navigation, a note and a footer around its content.
fn page() -> String {
    let words = |name: &str| format!("<p>A few more words about the {name} of the harbour. ").repeat(40);
    format!(
        "<title>Harbour</title><body><nav><a href=/>Home of all pages</a></nav><main><h1>Harbour</h1>{}\
         <section id='the-lamps'><h2>Lamps</h2>{}<p>Trim the wick of the lighthouse before dusk.</section>\
         <aside>Read the newsletter of the pilots.</aside></main><footer>Imprint of the office</footer></body>",
        words("ships"),
        words("lamps"),
    )
}

async fn best(user: &TestUser, collection: &str, question: &str) -> Value {
    user.search(collection, question).await.remove(0)
}

#[tokio::test]
async fn hits_link_to_the_download_of_uploads_and_name_their_place() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let notes = "# Tides {#tides}\n\nSpring tides follow the full moon.\n";
    let code = "import bees\n\n\n# Honey bees dance to show where the clover is.\ndance()\n";
    let files = [
        Upload::file("tides.md", notes.as_bytes().to_vec()),
        Upload::file("chalk.pdf", pdf(&["Basalt is lava.", "Chalk is the shells of plankton."])),
        Upload::file("bees.py", code.as_bytes().to_vec()),
    ];
    let documents = user.upload(&collection, &files).await;
    for (question, document, anchor, page, lines) in [
        ("When are spring tides?", &documents[0], json!("tides"), Value::Null, json!([1, 3])),
        ("What is chalk made of?", &documents[1], Value::Null, json!(1), json!([null, null])),
        ("How do bees show where clover is?", &documents[2], Value::Null, Value::Null, json!([1, 5])),
    ] {
        let hit = best(&user, &collection, question).await;
        assert_eq!(hit["document_id"], document["id"], "{question}");
        assert_eq!((&hit["anchor"], &hit["first_page"]), (&anchor, &page), "{hit}");
        assert_eq!(json!([hit["first_line"], hit["last_line"]]), lines, "{hit}");
        assert_eq!(hit["url"], document["url"], "{hit}");
        let url = hit["url"].as_str().unwrap();
        let path = url.strip_prefix(&stack.api_url).unwrap_or_else(|| panic!("{url} is not of the API"));
        let downloaded = user.get(path).await;
        assert_eq!(downloaded.status, 200);
        assert_eq!(downloaded.bytes.len() as u64, document["file_size"].as_u64().unwrap(), "{url}");
    }
    let chunks = user.get(&format!("/api/v2/collections/{collection}/chunks")).await.expect(200);
    for chunk in chunks["chunks"].as_array().unwrap() {
        let document = documents.iter().find(|document| document["id"] == chunk["document_id"]).unwrap();
        assert_eq!(chunk["url"], document["url"]);
    }
}

#[tokio::test]
async fn hits_link_to_the_original_that_a_source_names() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let files = [
        Upload::file("harbour.html", page().into_bytes()),
        Upload::file("chalk.pdf", pdf(&["Basalt is lava.", "Chalk is the shells of plankton."])),
        Upload::text("bees.txt", "Honey bees dance\nto show where\nthe clover is.\n"),
    ];
    let documents = user.upload(&collection, &files).await;
    let pool = PgPool::connect(&stack.database_url).await.unwrap();
    let urls = [
        "https://harbour.example.org/guide?lang=en",
        "https://x.example.org/chalk.pdf",
        "https://git.example.org/o/r/blob/1f2e/bees.txt",
    ];
    for (document, url) in documents.iter().zip(urls) {
        let id: uuid::Uuid = document["id"].as_str().unwrap().parse().unwrap();
        sqlx::query("UPDATE documents SET url = $2 WHERE id = $1")
            .bind(id)
            .bind(url)
            .execute(&pool)
            .await
            .unwrap();
    }
    for (question, expected) in [
        ("When is the wick of the lighthouse trimmed?", format!("{}#the-lamps", urls[0])),
        ("What is chalk made of?", format!("{}#page=1", urls[1])),
        ("How do bees show where clover is?", format!("{}#L1-L3", urls[2])),
    ] {
        let hit = best(&user, &collection, question).await;
        assert_eq!(hit["url"], expected, "{hit}");
    }

    let page = documents[0]["id"].as_str().unwrap();
    let chunks =
        user.get(&format!("/api/v2/collections/{collection}/chunks?document_id={page}")).await.expect(200);
    let chunks = chunks["chunks"].as_array().unwrap();
    let text: String = chunks.iter().map(|chunk| chunk["content"].as_str().unwrap()).collect();
    assert!(text.contains("Trim the wick"), "{text}");
    for beside in ["Home of all pages", "newsletter", "Imprint"] {
        assert!(!text.contains(beside), "{text}");
    }
    let first = chunks.iter().find(|chunk| chunk["chunk_index"] == 0).unwrap();
    assert_eq!(first["url"], urls[0], "no heading above it has a name");
}
