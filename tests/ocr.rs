//! OCR: images and scanned pages are read where it is on, and refused or failed with a reason where it is off.

use serde_json::{Value, json};
use testkit::{Stack, TestUser, Upload};

/// A picture of a note; a PDF of two pages, one with a text layer, and the picture of another note; and one of a picture
/// only.
const NOTE: &[u8] = include_bytes!("fixtures/ocr/note.png");
const SCAN: &[u8] = include_bytes!("fixtures/ocr/scan.pdf");
const ONLY_SCAN: &[u8] = include_bytes!("fixtures/ocr/only-scan.pdf");

/// What only the pictures of [`NOTE`] and [`SCAN`] answer.
const NOTE_QUESTION: &str = "when does the ferry to the lighthouse leave?";
const SCAN_QUESTION: &str = "who repaired the church organ?";

async fn collection(user: &TestUser, ocr: bool) -> String {
    let body = json!({ "name": testkit::unique("ocr"), "ocr": ocr });
    let made = user.post("/api/v2/collections", &body).await.expect(201);
    assert_eq!(made["ocr"], ocr);
    user.wait_for_operation(made["initial_operation_id"].as_str().unwrap()).await;
    made["id"].as_str().unwrap().to_owned()
}

/// The file name and the text of the first hit.
async fn first_hit(user: &TestUser, collection: &str, question: &str) -> (String, String) {
    let body = json!({ "query": question, "collection_uuids": [collection], "k": 1 });
    let answer = user.post("/api/v2/search", &body).await.expect(200);
    let hit = &answer["results"][0];
    let text = |field: &str| hit[field].as_str().unwrap_or_default().to_owned();
    (text("file_name"), text("text"))
}

async fn documents(user: &TestUser, collection: &str) -> Vec<Value> {
    let answer = user.get(&format!("/api/v2/collections/{collection}/documents")).await.expect(200);
    answer["documents"].as_array().unwrap().clone()
}

#[tokio::test]
async fn pictures_are_found_by_what_is_written_in_them() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = collection(&user, true).await;
    let files =
        [Upload::file("note.png", NOTE), Upload::file("scan.pdf", SCAN), Upload::file("bomb.png", bomb())];
    user.upload(&collection, &files).await;
    user.wait_until_idle(&collection).await;
    let (name, text) = first_hit(&user, &collection, NOTE_QUESTION).await;
    assert!(name == "note.png" && text.contains("ferry"), "{name}: {text}");
    let (name, text) = first_hit(&user, &collection, SCAN_QUESTION).await;
    assert!(name == "scan.pdf" && text.contains("organ"), "{name}: {text}");
    let documents = documents(&user, &collection).await;
    let failed: Vec<&Value> = documents.iter().filter(|document| document["status"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{documents:?}");
    let reason = failed[0]["error_message"].as_str().unwrap();
    assert!(reason.starts_with("the image is too large; at most 80 million pixels"), "{reason}");
}

/// The header of an image of 2,500 million pixels.
fn bomb() -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR".to_vec();
    bytes.extend([50_000_u32.to_be_bytes(), 50_000_u32.to_be_bytes()].concat());
    bytes.extend([8, 2, 0, 0, 0]);
    let checksum = bytes[12..].iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 },
        )
    });
    bytes.extend((!checksum).to_be_bytes());
    bytes.extend(b"\0\0\0\0IDAT");
    bytes
}

#[tokio::test]
async fn without_ocr_pictures_are_refused_and_scans_fail_until_a_reindex_turns_it_on() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = collection(&user, false).await;
    let path = format!("/api/v2/collections/{collection}");
    let announced = json!({ "files": [{ "name": "note.png", "size": 10 }] });
    let problem = user.post(&format!("{path}/uploads"), &announced).await.expect(422);
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("a PNG image is read by OCR only, and OCR is off; set \"ocr\" to true"),
        "{detail}"
    );

    let files = [Upload::file("scan.pdf", SCAN), Upload::file("only-scan.pdf", ONLY_SCAN)];
    user.upload(&collection, &files).await;
    user.wait_until_idle(&collection).await;
    let (name, text) = first_hit(&user, &collection, SCAN_QUESTION).await;
    assert!(name == "scan.pdf" && !text.contains("organ"), "{name}: {text}");
    for document in documents(&user, &collection).await {
        if document["file_name"] == "only-scan.pdf" {
            assert_eq!(
                document["error_message"],
                "the PDF has no text, only images, and OCR is off; set \"ocr\" to true in a reindex of the collection"
            );
        }
    }

    let started = user.post(&format!("{path}/reindex"), &json!({ "ocr": true })).await.expect(202);
    user.wait_for_operation(started["id"].as_str().unwrap()).await;
    assert_eq!(user.get(&path).await.expect(200)["ocr"], true);
    let (name, text) = first_hit(&user, &collection, SCAN_QUESTION).await;
    assert!(name == "scan.pdf" && text.contains("organ"), "{name}: {text}");

    // What has failed is no part of a reindex.
    let retried =
        user.post(&format!("{path}/documents/retry-failed?force=true"), &json!({})).await.expect(200);
    assert_eq!(retried["reset_count"], 1, "{retried}");
    user.wait_for_operation(retried["operation_id"].as_str().unwrap()).await;
    let (name, text) = first_hit(&user, &collection, "what is the roof of the bell tower made of?").await;
    assert!(name == "only-scan.pdf" && text.contains("copper"), "{name}: {text}");
}
