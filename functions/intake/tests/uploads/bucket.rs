//! S3 behind the HTTP client of the AWS SDK: the client of the function is the real one, up to the bytes of its
//! requests and responses. The queue cannot be reached: messages are left to sweep.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};

/// The bucket's name.
pub const BUCKET: &str = "staging";
/// With an IP address as endpoint, the SDK puts the bucket's name into the path.
pub const ENDPOINT: &str = "http://127.0.0.1";

/// An object.
#[derive(Debug, Clone)]
pub struct Object {
    pub size: usize,
    pub etag: String,
    pub content_type: String,
    pub upload_id: Option<String>,
    pub modified: DateTime<Utc>,
    /// Whether the role may not read it.
    pub is_denied: bool,
}

/// A bucket. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Bucket {
    objects: Arc<Mutex<BTreeMap<String, Object>>>,
}

impl Bucket {
    /// The configuration by which the SDK's clients reach it.
    pub fn sdk_config(&self) -> SdkConfig {
        let connector = SharedHttpConnector::new(self.clone());
        let credentials = Credentials::new("test", "test", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::from_static("us-east-1"))
            .endpoint_url(ENDPOINT)
            .retry_config(RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build()
    }

    pub fn put(&self, key: &str, object: Object) {
        self.objects.lock().unwrap().insert(key.to_owned(), object);
    }

    pub fn delete(&self, key: &str) {
        self.objects.lock().unwrap().remove(key);
    }

    /// From now on the role may not read the object.
    pub fn deny(&self, key: &str) {
        self.objects.lock().unwrap().get_mut(key).unwrap().is_denied = true;
    }

    /// The keys of all objects.
    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    fn serve(&self, request: &HttpRequest) -> HttpResponse {
        if request.headers().get("x-amz-target").is_some() {
            return respond(503, &[]);
        }
        let path = request.uri().split_once(BUCKET).unwrap().1.split('?').next().unwrap();
        let key = percent_encoding::percent_decode_str(path.trim_start_matches('/')).decode_utf8().unwrap();
        let mut objects = self.objects.lock().unwrap();
        let Some(object) = objects.get(&*key).cloned() else {
            return respond(404, &[]);
        };
        match request.method() {
            "HEAD" if object.is_denied => respond(403, &[]),
            "HEAD" => {
                let mut headers = vec![
                    ("content-length", object.size.to_string()),
                    ("content-type", object.content_type),
                    ("etag", format!("\"{}\"", object.etag)),
                    ("last-modified", object.modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string()),
                ];
                headers.extend(object.upload_id.map(|id| ("x-amz-meta-upload-id", id)));
                respond(200, &headers)
            }
            "DELETE" => {
                let condition = request.headers().get("if-match").expect("deletion is conditional");
                if condition.trim_matches('"') != object.etag {
                    return respond(412, &[]);
                }
                objects.remove(&*key);
                respond(204, &[])
            }
            other => panic!("{other} {key} is not served"),
        }
    }
}

impl HttpConnector for Bucket {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Ok(self.serve(&request)))
    }
}

fn respond(status: u16, headers: &[(&'static str, String)]) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.clone());
    }
    response
}
