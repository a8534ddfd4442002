//! The cost of reading a source again: nothing for unchanged documents, and the changed chunks for the others.

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use testkit::{Stack, TestUser, unique};

const DOCUMENTS: usize = 1400;
const CHANGED: usize = 14;
const SECTIONS: [&str; 3] = ["tides", "bread", "glass"];

/// Returns whether a document changes: every hundredth does.
fn changes(number: usize) -> bool {
    number.is_multiple_of(DOCUMENTS / CHANGED)
}

/// Returns a document with one chunk per section.
fn document(number: usize, sections: &[&str]) -> String {
    let section = |name: &&str| {
        format!("# {name} in note {number}\n\n{}\n\n", format!("Note {number} speaks of {name}. ").repeat(12))
    };
    sections.iter().map(section).collect()
}

async fn read(user: &TestUser, collection: &str, source: &Value) -> (Value, f64) {
    let started = Instant::now();
    let path = format!("/api/v2/collections/{collection}/sources");
    let operation = user.post(&path, source).await.expect(202);
    let id = operation["id"].as_str().unwrap();
    loop {
        // Longer than for other operations: the first run embeds everything.
        let operation = user.get(&format!("/api/v2/operations/{id}?wait_seconds=20")).await.expect(200);
        if !["pending", "processing"].contains(&operation["status"].as_str().unwrap()) {
            assert_eq!(operation["status"], "completed", "{operation}");
            return (operation, started.elapsed().as_secs_f64());
        }
        assert!(started.elapsed().as_secs() < 1200, "{operation}");
    }
}

#[tokio::test]
async fn reading_1400_documents_again_costs_only_what_changed() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let body =
        json!({ "name": unique("resync"), "chunk_size": 112, "chunk_overlap": 0, "quantization": "float32" });
    let made = user.post("/api/v2/collections", &body).await.expect(201);
    user.wait_for_operation(made["initial_operation_id"].as_str().unwrap()).await;
    let collection = made["id"].as_str().unwrap();
    let folder = Path::new(&stack.directory_root).join(unique("resync"));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |number: usize| folder.join(format!("{number:04}.md"));
    for number in 0..DOCUMENTS {
        // Unchanged documents are short, because embedding them is not measured.
        let text = match changes(number) {
            true => document(number, &SECTIONS),
            false => format!("Note {number} is short."),
        };
        std::fs::write(path(number), text).unwrap();
    }
    let source = json!({ "source_type": "directory", "source_config": { "path": folder } });

    let (first, first_seconds) = read(&user, collection, &source).await;
    assert_eq!(first["meta"]["counts"]["new"], DOCUMENTS, "{first}");
    let chunks = first["meta"]["chunks"]["embedded"].as_u64().unwrap();
    let sections = DOCUMENTS - CHANGED + CHANGED * SECTIONS.len();
    assert_eq!(chunks as usize, sections, "one chunk per section");

    let (again, again_seconds) = read(&user, collection, &source).await;
    assert_eq!(again["meta"]["counts"]["unchanged"], DOCUMENTS, "{again}");
    assert_eq!(again["meta"]["chunks"], json!({ "embedded": 0, "reused": 0 }), "{again}");

    // A new section in the middle, and the last one removed.
    for number in (0..DOCUMENTS).filter(|&number| changes(number)) {
        std::fs::write(path(number), document(number, &["tides", "wool", "bread"])).unwrap();
    }
    let (changed, changed_seconds) = read(&user, collection, &source).await;
    let counts = &changed["meta"]["counts"];
    assert_eq!((&counts["changed"], &counts["unchanged"]), (&json!(CHANGED), &json!(DOCUMENTS - CHANGED)));
    assert_eq!(changed["meta"]["chunks"], json!({ "embedded": CHANGED, "reused": 2 * CHANGED }), "{changed}");
    let row = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    assert_eq!(row["vector_count"], chunks);
    eprintln!(
        "{DOCUMENTS} documents in {chunks} chunks: {first_seconds:.1} s; unchanged {again_seconds:.1} s, 0 embedded; \
        {CHANGED} changed {changed_seconds:.1} s, {CHANGED} embedded, {} reused",
        2 * CHANGED
    );
}
