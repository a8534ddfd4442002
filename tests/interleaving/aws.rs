//! S3 and SQS behind the HTTP client of the AWS SDK: the clients of the stages are the real ones, up to the
//! bytes of their requests and responses.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_s3::primitives::{ByteStream, SdkBody};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use queue::{QueueUrls, SweepQueue};
use serde_json::{Value, json};

use crate::life::Life;

/// The bucket's name.
pub(crate) const BUCKET: &str = "staging";

/// The media type of announced files.
pub(crate) const ANNOUNCED_TYPE: &str = "text/plain";
/// Objects on a page of a listing: few, so that listings have several pages.
const LISTED: usize = 7;

/// With an IP address as endpoint, the SDK puts the bucket's name into the path.
const ENDPOINT: &str = "http://127.0.0.1";

/// A message that waits in a queue.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: usize,
    /// The name of the stage that consumes the queue.
    pub(crate) queue: String,
    pub(crate) body: String,
}

/// Objects of one bucket, and messages of all queues in the order in which they were sent.
#[derive(Debug, Clone)]
pub(crate) struct Aws {
    stored: Arc<Mutex<Stored>>,
}

/// What carries the requests of one process.
#[derive(Debug, Clone)]
struct Connector {
    life: Arc<Life>,
    stored: Arc<Mutex<Stored>>,
}

#[derive(Debug, Default)]
struct Stored {
    objects: BTreeMap<String, Vec<u8>>,
    /// What replaces objects once they are read.
    replacements: BTreeMap<String, Vec<u8>>,
    messages: Vec<Message>,
    sent: usize,
    /// Whether staged documents may be written.
    may_write_raw: bool,
}

impl Aws {
    /// An empty bucket. `may_write_raw` says whether stages may write staged documents, as extract does; scan copies
    /// uploads.
    pub(crate) fn new(may_write_raw: bool) -> Self {
        let stored = Stored { may_write_raw, ..Stored::default() };
        Self { stored: Arc::new(Mutex::new(stored)) }
    }

    /// The configuration by which the SDK's clients of a process reach this.
    pub(crate) fn sdk_config(&self, life: &Arc<Life>) -> SdkConfig {
        let (life, stored) = (Arc::clone(life), Arc::clone(&self.stored));
        let connector = SharedHttpConnector::new(Connector { life, stored });
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

    /// A queue for every stage.
    pub(crate) fn queue_urls() -> QueueUrls {
        let url = |stage: &str| Some(format!("{ENDPOINT}/000000000000/{stage}"));
        QueueUrls {
            intake: url("intake"),
            scan: url("scan"),
            extract: url("extract"),
            recognize: None,
            chunk: url("chunk"),
            embed: url("embed"),
            notify: url("notify"),
            sweep: url("sweep").map(|url| SweepQueue { url, interval: Duration::from_secs(60) }),
        }
    }

    pub(crate) fn put_object(&self, key: &str, content: Vec<u8>) {
        self.stored.lock().unwrap().objects.insert(key.to_owned(), content);
    }

    /// Replaces an object after it is read once.
    pub(crate) fn replace_after_read(&self, key: &str, content: Vec<u8>) {
        self.stored.lock().unwrap().replacements.insert(key.to_owned(), content);
    }

    pub(crate) fn object(&self, key: &str) -> Option<Vec<u8>> {
        self.stored.lock().unwrap().objects.get(key).cloned()
    }

    pub(crate) fn delete_object(&self, key: &str) {
        self.stored.lock().unwrap().objects.remove(key).unwrap();
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.stored.lock().unwrap().objects.keys().cloned().collect()
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.stored.lock().unwrap().messages.clone()
    }

    pub(crate) fn delete_message(&self, id: usize) {
        self.stored.lock().unwrap().messages.retain(|message| message.id != id);
    }

    /// Forgets all objects and messages.
    pub(crate) fn clear(&self) {
        *self.stored.lock().unwrap() = Stored::default();
    }
}

impl Connector {
    async fn serve(self, mut request: HttpRequest) -> HttpResponse {
        let body = ByteStream::new(std::mem::replace(request.body_mut(), SdkBody::empty()));
        let body = body.collect().await.unwrap().to_vec();
        self.life.step().await;
        let header = |name: &str| request.headers().get(name).map(str::to_owned);
        let mut stored = self.stored.lock().unwrap();
        if let Some(target) = header("x-amz-target") {
            let (call, body) = (target.rsplit('.').next().unwrap(), serde_json::from_slice(&body).unwrap());
            return stored.serve_sqs(call, &body);
        }
        let uri = request.uri();
        let path = uri.split_once(BUCKET).unwrap().1.split('?').next().unwrap().trim_start_matches('/');
        match (request.method(), header("x-amz-copy-source")) {
            ("GET", _) if uri.contains("list-type=2") => stored.list_objects(uri),
            ("POST", _) if uri.contains("?delete") => stored.delete_objects(&body),
            ("PUT", Some(source)) => {
                let source = source.trim_start_matches('/').strip_prefix(BUCKET).unwrap();
                stored.copy_object(source.trim_start_matches('/'), header("x-amz-copy-source-if-match"), path)
            }
            ("PUT", None) => {
                let is_copied = path.starts_with("raw/") && !stored.may_write_raw;
                assert!(!is_copied, "uploads are copied within S3, {path} was written");
                let etag = etag(&body);
                stored.objects.insert(path.to_owned(), body);
                with_etag(response(200, Vec::new()), etag)
            }
            ("GET", _) => stored.read_object(path, header("if-match")),
            ("HEAD", _) => stored.look_at_object(path),
            ("DELETE", _) => stored.delete_object(path, header("if-match")),
            (method, _) => panic!("{method} {uri} is not served"),
        }
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let connector = self.clone();
        HttpConnectorFuture::new(async move { Ok(connector.serve(request).await) })
    }
}

impl Stored {
    /// The time of every object is that of its event.
    fn look_at_object(&self, key: &str) -> HttpResponse {
        let Some(content) = self.objects.get(key) else {
            // HEAD has no body: the status is the error.
            return response(404, Vec::new());
        };
        let mut response = with_etag(response(200, Vec::new()), etag(content));
        response.headers_mut().insert("content-length", content.len().to_string());
        response.headers_mut().insert("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT");
        if let Some((_, upload_id)) = key.strip_prefix("announced/").and_then(|rest| rest.split_once('/')) {
            response.headers_mut().insert("x-amz-meta-upload-id", upload_id.to_owned());
            response.headers_mut().insert("content-type", ANNOUNCED_TYPE);
        }
        response
    }

    fn delete_object(&mut self, key: &str, if_match: Option<String>) -> HttpResponse {
        match self.objects.get(key) {
            None if if_match.is_some() => return s3_error(404, "NoSuchKey"),
            Some(content) if differs(if_match, content) => return s3_error(412, "PreconditionFailed"),
            _ => {}
        }
        self.objects.remove(key);
        response(204, Vec::new())
    }

    fn read_object(&mut self, key: &str, if_match: Option<String>) -> HttpResponse {
        let Some(content) = self.objects.get(key).cloned() else {
            return s3_error(404, "NoSuchKey");
        };
        if differs(if_match, &content) {
            return s3_error(412, "PreconditionFailed");
        }
        if let Some(replacement) = self.replacements.remove(key) {
            self.objects.insert(key.to_owned(), replacement);
        }
        let etag = etag(&content);
        with_etag(response(200, content), etag)
    }

    fn copy_object(&mut self, from: &str, if_match: Option<String>, to: &str) -> HttpResponse {
        let Some(content) = self.objects.get(from).cloned() else {
            return s3_error(404, "NoSuchKey");
        };
        if differs(if_match, &content) {
            return s3_error(412, "PreconditionFailed");
        }
        let etag = etag(&content);
        self.objects.insert(to.to_owned(), content);
        let body = format!("<CopyObjectResult><ETag>{etag}</ETag></CopyObjectResult>");
        response(200, body.into_bytes())
    }

    /// Lists a page of keys, in their order.
    fn list_objects(&self, uri: &str) -> HttpResponse {
        let parameter = |name: &str| {
            let query = uri.split_once('?')?.1;
            let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
            Some(percent_encoding::percent_decode_str(value).decode_utf8().unwrap().into_owned())
        };
        let (prefix, after) =
            (parameter("prefix").unwrap_or_default(), parameter("start-after").unwrap_or_default());
        let mut keys = self.objects.keys().filter(|key| key.starts_with(&prefix) && **key > after);
        let mut body = String::from("<ListBucketResult>");
        for key in keys.by_ref().take(LISTED) {
            let size = self.objects[key].len();
            // Long ago, so that no event can be on its way.
            let modified = "2020-01-01T00:00:00.000Z";
            write!(body, "<Contents><Key>{key}</Key><Size>{size}</Size><LastModified>{modified}</LastModified></Contents>").unwrap();
        }
        let is_truncated = keys.next().is_some();
        write!(body, "<IsTruncated>{is_truncated}</IsTruncated></ListBucketResult>").unwrap();
        response(200, body.into_bytes())
    }

    fn delete_objects(&mut self, body: &[u8]) -> HttpResponse {
        for part in std::str::from_utf8(body).unwrap().split("<Key>").skip(1) {
            self.objects.remove(part.split("</Key>").next().unwrap());
        }
        response(200, b"<DeleteResult></DeleteResult>".to_vec())
    }

    /// See the SQS API reference, AWS JSON protocol.
    fn serve_sqs(&mut self, call: &str, request: &Value) -> HttpResponse {
        let queue = request["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        let answer = match call {
            "SendMessageBatch" => {
                let entries = request["Entries"].as_array().unwrap();
                let sent: Vec<Value> = entries.iter().map(|entry| self.send(&queue, entry)).collect();
                json!({"Successful": sent, "Failed": []})
            }
            // The messages that arm sweep: here, it runs when the test wants it.
            "SendMessage" => json!({"MessageId": "armed", "MD5OfMessageBody": ""}),
            "GetQueueAttributes" => {
                let count = self.messages.iter().filter(|message| message.queue == queue).count();
                json!({"Attributes": {"ApproximateNumberOfMessages": count.to_string()}})
            }
            other => panic!("{other} is not served"),
        };
        response(200, answer.to_string().into_bytes())
    }

    fn send(&mut self, queue: &str, entry: &Value) -> Value {
        self.sent += 1;
        let body = entry["MessageBody"].as_str().unwrap().to_owned();
        self.messages.push(Message { id: self.sent, queue: queue.to_owned(), body });
        json!({"Id": entry["Id"], "MessageId": self.sent.to_string(), "MD5OfMessageBody": ""})
    }
}

/// Equal content has equal ETags, as with S3.
pub(crate) fn etag(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("\"{:032x}\"", hasher.finish())
}

/// Whether the object has another ETag than the request's condition.
fn differs(if_match: Option<String>, content: &[u8]) -> bool {
    if_match.is_some_and(|expected| expected.trim_matches('"') != etag(content).trim_matches('"'))
}

fn response(status: u16, body: Vec<u8>) -> HttpResponse {
    let length = body.len().to_string();
    let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
    response.headers_mut().insert("content-length", length);
    response
}

fn with_etag(mut response: HttpResponse, etag: String) -> HttpResponse {
    response.headers_mut().insert("etag", etag);
    response
}

fn s3_error(status: u16, code: &str) -> HttpResponse {
    response(status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>").into_bytes())
}
