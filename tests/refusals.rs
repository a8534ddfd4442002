//! Files that S3 refuses to return: they fail at once with the reason, and hold up nothing.

use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::types::StorageClass;
use serde_json::Value;
use testkit::{Stack, TestUser};

/// A refused file must not be tried again: the first delay between two tries is 2 s, all of them take 12 minutes.
const AT_ONCE: Duration = Duration::from_secs(30);

/// Drops a file that `refused` makes unreadable, then a normal one; returns the first document and prints how long
/// both took.
async fn drop_both(
    refused: impl FnOnce(PutObjectFluentBuilder) -> PutObjectFluentBuilder,
    kind: &str,
) -> Value {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let client = Client::new(&aws::sdk_config().await);
    let put = |name: &str, text: &'static str| {
        let key = format!("uploads/{collection}/{name}");
        let body = text.as_bytes().to_vec().into();
        client.put_object().bucket(&stack.staging_bucket).key(key).body(body)
    };
    let started = Instant::now();
    refused(put("locked.txt", "The lighthouse is locked.")).send().await.unwrap();
    let document = async {
        let document = user.wait_for_document(&collection, "locked.txt").await;
        (document, started.elapsed())
    };
    let searchable = async {
        // As soon as the operation of the first file runs: the second file is in the next operation.
        put("open.txt", "The harbour is open.").send().await.unwrap();
        let open = user.wait_for_document(&collection, "open.txt").await;
        assert_eq!(open["status"], "completed", "{open}");
        started.elapsed()
    };
    let ((document, failed_after), searchable_after) = tokio::join!(document, searchable);
    eprintln!(
        "{kind}: failed after {failed_after:.1?}, the next file searchable after {searchable_after:.1?}"
    );
    assert!(failed_after < AT_ONCE && searchable_after < AT_ONCE, "{failed_after:?} {searchable_after:?}");
    let hits = user.search(&collection, "is the harbour open?").await;
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!(document["status"], "failed", "{document}");
    assert_eq!(document["error_category"], "permanent", "{document}");
    document
}

#[tokio::test]
async fn an_archived_object_fails_at_once_with_its_storage_class() {
    let document = drop_both(|put| put.storage_class(StorageClass::Glacier), "archived").await;
    assert_eq!(
        document["error_message"],
        "S3 refused to read it: the object is archived (storage class GLACIER); restore it in S3, then retry"
    );
}

#[tokio::test]
async fn an_object_under_a_customer_key_fails_at_once_with_that_reason() {
    // 32 bytes of zeros in base64, and their MD5.
    let (key, digest) = ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "cLyPS3KoaSFGi/joRB3OUQ==");
    let document = drop_both(
        |put| put.sse_customer_algorithm("AES256").sse_customer_key(key).sse_customer_key_md5(digest),
        "encrypted with a customer key",
    )
    .await;
    let message = document["error_message"].as_str().unwrap();
    assert!(message.starts_with("S3 refused to read it: ") && message.contains("SSE-C"), "{message}");
    for internal in ["InvalidRequest", "GetObject", "127.0.0.1", "uploads/"] {
        assert!(!message.contains(internal), "{message}");
    }
}
