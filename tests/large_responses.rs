//! Content that a function cannot return: Lambda's limit counts the encoded response, and the emulator enforces it.

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::redirect::Policy;
use testkit::{Stack, TestUser, Upload, http_client};

#[tokio::test]
async fn a_text_that_grows_beyond_the_limit_when_it_is_encoded_is_redirected() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    // 3.9 MB, and 7.8 MB as a JSON string: each line end takes four bytes there. Few words, so that it is indexed fast.
    let text = Bytes::from(format!("\"Tide\",\"Height\"\r\n{}", "\r\n".repeat(1_950_000)));
    let file =
        Upload { name: "lines.csv".to_owned(), content_type: "text/csv".to_owned(), bytes: text.clone() };
    let documents = user.upload(&collection, &[file]).await;
    let id = documents[0]["id"].as_str().unwrap();
    let path = format!("/api/v2/collections/{collection}/documents/{id}/content");
    let client = http_client().redirect(Policy::none()).build().unwrap();
    let url = format!("{}{path}", stack.api_url);
    let response = client.get(url).bearer_auth(&user.access_token).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    let location = response.headers()["location"].to_str().unwrap();
    let content = client.get(location).send().await.unwrap().bytes().await.unwrap();
    assert!(content == text, "{} bytes", content.len());
}
