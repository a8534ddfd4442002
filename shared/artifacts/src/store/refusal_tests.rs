//! Recorded error responses of S3, answered over HTTP: what the SDK makes of them, and what this crate does.

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use domain::{Classify, CollectionId, DocumentId, ErrorKind, Generation};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// Starts a server that answers every request with this status and error document.
async fn refuse(status: u16, document: &'static str) -> ArtifactStore {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let mut request = [0; 8192];
            let length = connection.read(&mut request).await.unwrap();
            // A response to HEAD has no body.
            let document = if request[..length].starts_with(b"HEAD") { "" } else { document };
            let response = format!(
                "HTTP/1.1 {status} Error\r\ncontent-type: application/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{document}",
                document.len()
            );
            connection.write_all(response.as_bytes()).await.unwrap();
        }
    });
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::for_tests()))
        .build();
    ArtifactStore::new(&config, "staging")
}

fn key() -> ArtifactKey {
    ArtifactKey::Raw {
        collection_id: CollectionId(uuid::Uuid::nil()),
        document_id: DocumentId(uuid::Uuid::nil()),
        generation: Generation::FIRST,
    }
}

async fn error_of(status: u16, document: &'static str) -> ArtifactError {
    refuse(status, document).await.open(&key()).await.map(|_| ()).unwrap_err()
}

const ARCHIVED: &str = "<?xml version=\"1.0\"?><Error><Code>InvalidObjectState</Code><Message>The operation is not valid for the object's storage class</Message><StorageClass>GLACIER</StorageClass><RequestId>4442587FB7D0A2F9</RequestId><HostId>host</HostId></Error>";
const CUSTOMER_KEY: &str = "<Error><Code>InvalidRequest</Code><Message>The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>";
const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>User: arn:aws:sts::1:assumed-role/scan is not authorized to perform: kms:Decrypt</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>";
const DISABLED_KEY: &str = "<Error><Code>KMS.DisabledException</Code><Message>arn:aws:kms:us-east-1:1:key/k is disabled.</Message></Error>";

#[tokio::test]
async fn what_s3_refuses_fails_at_once_with_the_reason_and_nothing_internal() {
    for (status, document, words) in [
        (403, ARCHIVED, "the object is archived (storage class GLACIER); restore it in S3, then retry"),
        (400, CUSTOMER_KEY, "encrypted with a customer-provided key (SSE-C)"),
        (403, DENIED, "access is denied; let this installation's role read the object"),
        (400, DISABLED_KEY, "its KMS key is disabled, deleted or not usable"),
    ] {
        let error = error_of(status, document).await;
        assert!(matches!(error, ArtifactError::Refused { .. }), "{error:?}");
        assert!(!error.kind().is_retryable());
        // What users see is the error with all of its causes.
        assert!(std::error::Error::source(&error).is_none());
        let text = error.to_string();
        assert!(text.starts_with("S3 refused to read it: ") && text.contains(words), "{text}");
        for internal in ["127.0.0.1", "4442587FB7D0A2F9", "arn:", "raw/", "GetObject"] {
            assert!(!text.contains(internal), "{text}");
        }
    }
}

#[tokio::test]
async fn what_may_heal_is_retried() {
    for (status, document) in [
        (503, "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"),
        (500, "<Error><Code>InternalError</Code></Error>"),
        (400, "<Error><Code>KMS.ThrottlingException</Code></Error>"),
        (400, "<Error><Code>ExpiredToken</Code></Error>"),
        (403, "<Error><Code>RequestTimeTooSkewed</Code></Error>"),
        (502, "<html>Bad Gateway</html>"),
    ] {
        assert_eq!(error_of(status, document).await.kind(), ErrorKind::Unavailable, "{document}");
    }
}

#[tokio::test]
async fn missing_objects_are_not_found() {
    let error = error_of(404, "<Error><Code>NoSuchKey</Code></Error>").await;
    assert!(matches!(error, ArtifactError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn refusals_of_head_requests_have_no_code() {
    let error = refuse(403, ARCHIVED).await.head(&key()).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Refused { .. }), "{error:?}");
    assert_eq!(refuse(404, "").await.head(&key()).await.unwrap(), None);
    assert!(refuse(400, "").await.head(&key()).await.unwrap_err().kind().is_retryable());
}

#[tokio::test]
async fn looking_at_an_arrived_object_tells_a_refusal_from_what_may_heal() {
    for status_and_document in [(400, CUSTOMER_KEY), (400, DISABLED_KEY), (403, DENIED)] {
        let error =
            refuse(status_and_document.0, status_and_document.1).await.find_arrived("uploads/c/a").await;
        assert!(matches!(error, Err(ArtifactError::Refused { .. })), "{status_and_document:?}: {error:?}");
    }
    let expired =
        refuse(400, "<Error><Code>ExpiredToken</Code></Error>").await.find_arrived("uploads/c/a").await;
    assert!(expired.unwrap_err().kind().is_retryable());
    assert_eq!(refuse(404, "").await.find_arrived("uploads/c/a").await.unwrap(), None);
}
