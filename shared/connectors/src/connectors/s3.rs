//! The objects of a bucket that this function's role may read.

use std::sync::Arc;

use aws::S3Refusal;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::{ByteStream, DateTime as AwsDateTime};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::{ServerPlace, SourceType};
use serde_json::json;

use crate::clients::Clients;
use crate::field::{EXCLUDE_PATTERNS, INCLUDE_PATTERNS, ON_MISSING};
use crate::listing::{last_segment, mime_type};
use crate::patterns::Patterns;
use crate::reader::{Body, Reading};
use crate::session::{Open, Session, without_connection};
use crate::settings::Settings;
use crate::source::Source;
use crate::{
    ConfigField, Connector, ConnectorError, Entry, FieldValue, Listing, Page, SourcePolicy, SourceReader,
};

pub(super) static CONNECTOR: Connector = Connector {
    source_type: SourceType::new("s3"),
    name: "S3",
    description: "The objects of a bucket that this installation can read.",
    fields: &[
        ConfigField { name: "bucket", value: FieldValue::RequiredText, description: "The bucket's name." },
        ConfigField {
            name: "prefix",
            value: FieldValue::Text,
            description: "Only objects whose keys start with it; empty for all.",
        },
        INCLUDE_PATTERNS,
        EXCLUDE_PATTERNS,
        ON_MISSING,
    ],
    secrets: &[],
    example: || json!({ "bucket": "manuals", "prefix": "guides/", "exclude_patterns": ["drafts/**"] }),
    settings_of_path: |path| {
        let location = path.strip_prefix("s3://")?;
        let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
        Some(json!({ "bucket": bucket, "prefix": prefix }))
    },
    parse: |settings| Ok(Arc::new(Bucket::parse(settings)?)),
};

/// Keys have at most this many bytes, so no key starts with a longer prefix.
const MAX_PREFIX_BYTES: usize = 1024;

#[derive(Debug)]
struct Bucket {
    bucket: String,
    prefix: String,
    patterns: Patterns,
}

impl Bucket {
    fn parse(settings: &Settings) -> Result<Self, ConnectorError> {
        let (bucket, prefix) = (settings.text("bucket"), settings.text("prefix"));
        check_bucket_name(bucket)?;
        if prefix.len() > MAX_PREFIX_BYTES {
            let message = format!("too long; at most {MAX_PREFIX_BYTES} bytes allowed, got {}", prefix.len());
            return Err(ConnectorError::invalid("prefix", message));
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            patterns: Patterns::parse(settings)?,
        })
    }

    /// Returns the place of the objects whose keys start with this.
    fn place_of(&self, prefix: &str) -> ServerPlace {
        ServerPlace::Bucket { bucket: self.bucket.clone(), prefix: prefix.to_owned() }
    }
}

impl Source for Bucket {
    fn source_path(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    fn authorize(&self, policy: &SourcePolicy) -> Result<(), ConnectorError> {
        if !policy.own_buckets.contains(&self.bucket) {
            return Ok(());
        }
        let message =
            format!("{} is a bucket of this installation itself; choose another bucket", self.bucket);
        Err(ConnectorError::invalid("bucket", message))
    }

    fn place(&self) -> Option<ServerPlace> {
        Some(self.place_of(&self.prefix))
    }

    /// Lists in the order of S3; the cursor is the last key of the page before. Folder markers are
    /// left out. A page may have fewer entries than S3 listed, even none, without being the last.
    fn list<'a>(&'a self, clients: &'a Clients, listing: Listing<'a>) -> Reading<'a, Page> {
        Box::pin(async move {
            let request = clients.s3.list_objects_v2().bucket(&self.bucket).prefix(&self.prefix);
            let request = request.max_keys(i32::try_from(listing.limit).unwrap_or(i32::MAX));
            let response = request.set_start_after(listing.cursor.map(str::to_owned)).send().await;
            let response = response.map_err(|error| classify(self.source_path(), error, None))?;
            let objects = response.contents();
            let last_key = objects.last().and_then(|object| object.key());
            let next = last_key.filter(|_| response.is_truncated().unwrap_or(false)).map(str::to_owned);
            let mut entries = Vec::new();
            for object in objects {
                let Some(key) = object.key().filter(|key| !key.ends_with('/')) else {
                    continue;
                };
                let file_path = key.strip_prefix(&self.prefix).unwrap_or(key).trim_start_matches('/');
                // A prefix may be a whole key.
                let file_path = if file_path.is_empty() { last_segment(key) } else { file_path };
                // A prefix without a slash lists more than the folder that is granted.
                if !clients.may_read(&self.place_of(key)) || !self.patterns.match_path(file_path) {
                    continue;
                }
                let file_name = last_segment(key).to_owned();
                entries.push(Entry {
                    uri: format!("s3://{}/{key}", self.bucket),
                    location: key.to_owned(),
                    mime_type: mime_type(&file_name),
                    file_name,
                    file_path: file_path.to_owned(),
                    size_bytes: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                    change_hint: Some(etag(object.e_tag())),
                    modified_at: object.last_modified().and_then(to_chrono),
                    ..Entry::default()
                });
            }
            Ok(Page { entries, next, ..Page::default() })
        })
    }

    fn session(self: Arc<Self>, clients: Clients, _: Vec<String>) -> Reading<'static, Box<dyn Session>> {
        without_connection(self, clients)
    }
}

impl Open for Bucket {
    fn open<'a>(&'a self, clients: &'a Clients, key: &'a str) -> Reading<'a, SourceReader> {
        Box::pin(async move {
            let uri = format!("s3://{}/{key}", self.bucket);
            if !key.starts_with(&self.prefix) {
                let message = format!("{uri} is not a document of the source {}", self.source_path());
                return Err(ConnectorError::invalid("location", message));
            }
            clients.require_grant(&self.place_of(key))?;
            let response = clients.s3.get_object().bucket(&self.bucket).key(key).send().await;
            let response = response.map_err(|error| {
                let class = error.as_service_error().and_then(storage_class).map(str::to_owned);
                classify(&uri, error, class.as_deref())
            })?;
            let size = response.content_length().and_then(|length| u64::try_from(length).ok());
            let change_hint = Some(etag(response.e_tag()));
            Ok(SourceReader::new(size.unwrap_or_default(), change_hint, Object { uri, body: response.body }))
        })
    }
}

#[derive(Debug)]
struct Object {
    uri: String,
    body: ByteStream,
}

impl Body for Object {
    fn next(&mut self) -> Reading<'_, Option<Bytes>> {
        Box::pin(async {
            let piece = self.body.try_next().await;
            piece.map_err(|error| ConnectorError::unavailable(&self.uri, error))
        })
    }
}

/// Checks the naming rules as far as they keep the name from being anything else in a request:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn check_bucket_name(bucket: &str) -> Result<(), ConnectorError> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if (3..=63).contains(&bucket.len())
        && bucket.chars().all(is_allowed)
        && bucket.starts_with(is_edge)
        && bucket.ends_with(is_edge)
        && !bucket.contains("..")
    {
        return Ok(());
    }
    let message = format!(
        "wrong format; a bucket name of 3 to 63 lower-case letters, digits, dots and hyphens allowed, got {bucket:?}"
    );
    Err(ConnectorError::invalid("bucket", message))
}

fn etag(value: Option<&str>) -> String {
    value.unwrap_or_default().trim_matches('"').to_owned()
}

fn to_chrono(time: &AwsDateTime) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(time.secs(), time.subsec_nanos())
}

/// Tells a bucket or object that is missing or not readable from one that is unavailable. Only the former is final:
/// the document, or the operation that lists the bucket, fails at once with the reason.
fn classify<E>(what: impl Into<String>, error: SdkError<E>, storage_class: Option<&str>) -> ConnectorError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let what = what.into();
    let SdkError::ServiceError(service) = &error else {
        return ConnectorError::unavailable(what, error);
    };
    let code = service.err().code();
    match code.unwrap_or_default() {
        "NoSuchBucket" | "NoSuchKey" | "NoSuchVersion" | "NotFound" => {
            return ConnectorError::NotFound { what };
        }
        "PermanentRedirect" | "IllegalLocationConstraintException" => {
            let message = format!("{what} is in another region; copy it to this installation's region");
            return ConnectorError::invalid("bucket", message);
        }
        _ => {}
    }
    match S3Refusal::of(service.raw().status().as_u16(), code, storage_class) {
        Some(S3Refusal::AccessDenied) => ConnectorError::Forbidden {
            what,
            reason: "S3 denies access to the scan function's role; the operator grants buckets in the template's SourceBucket".to_owned(),
        },
        Some(refusal) => {
            ConnectorError::Forbidden { what, reason: format!("S3 refused to read it: {refusal}") }
        }
        None => ConnectorError::unavailable(what, error),
    }
}

/// The storage class of an archived object, from which it must be restored before it can be read.
fn storage_class(error: &GetObjectError) -> Option<&str> {
    match error {
        GetObjectError::InvalidObjectState(state) => state.storage_class().map(|class| class.as_str()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use domain::{Classify, ErrorKind};
    use serde_json::Value;

    use super::*;
    use crate::{Connectors, SourceSpec};

    fn parse(config: &Value) -> Result<SourceSpec, ConnectorError> {
        SourceSpec::parse("s3", config)
    }

    #[test]
    fn path_is_a_uri_of_bucket_and_prefix() {
        let spec = parse(&json!({ "bucket": "manuals", "prefix": "a/" })).unwrap();
        assert_eq!(spec.source_path(), "s3://manuals/a/");
        let (source_type, config) = SourceSpec::describe_path("s3://manuals/a/").unwrap();
        assert_eq!(SourceSpec::parse(source_type.as_str(), &config).unwrap(), spec);
        let (_, config) = SourceSpec::describe_path("s3://manuals").unwrap();
        assert_eq!(config, json!({ "bucket": "manuals", "prefix": "" }));
    }

    #[test]
    fn invalid_bucket_names_and_long_prefixes_are_refused() {
        for (config, field, words) in [
            (json!({ "bucket": "A/B" }), "bucket", ["A/B", "lower-case"]),
            (json!({ "bucket": "a..b" }), "bucket", ["a..b", "digits"]),
            (json!({ "bucket": "abc", "prefix": "x".repeat(1025) }), "prefix", ["1025", "1024"]),
        ] {
            let error = parse(&config).unwrap_err();
            assert_eq!(error.field(), Some(field), "{error}");
            assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
        }
    }

    #[test]
    fn buckets_of_the_installation_are_refused_even_if_they_are_granted() {
        let policy =
            SourcePolicy::new(Vec::new(), "staging", Some("s3://models/small"), &["code".to_owned()]);
        for bucket in ["staging", "models", "code"] {
            let spec = parse(&json!({ "bucket": bucket })).unwrap();
            let granted = spec.clone().granted(Vec::from_iter(spec.place()));
            let error = granted.authorize(&policy).unwrap_err();
            assert_eq!((error.kind(), error.field()), (ErrorKind::Invalid, Some("bucket")));
            assert!(error.to_string().contains("of this installation itself"), "{error}");
        }
        assert!(parse(&json!({ "bucket": "manuals" })).unwrap().authorize(&policy).is_ok());
    }

    #[test]
    fn a_source_needs_a_grant_that_covers_its_prefix() {
        let folder =
            |prefix: &str| ServerPlace::Bucket { bucket: "manuals".to_owned(), prefix: prefix.to_owned() };
        for (grants, prefix, is_covered) in [
            (vec![], "a/b/", false),
            (vec![folder("a/b/")], "a/b/", true),
            (vec![folder("x/"), folder("a/b/")], "a/b/c", true),
            (vec![folder("a/b/")], "a/b", true),
            (vec![folder("a/b/")], "a/bc", false),
            (vec![folder("a/b/")], "", false),
            (vec![folder("")], "", true),
        ] {
            let spec = parse(&json!({ "bucket": "manuals", "prefix": prefix })).unwrap().granted(grants);
            let checked = spec.require_grant();
            assert_eq!(checked.is_ok(), is_covered, "{prefix}: {checked:?}");
            if let Err(error) = checked {
                assert_eq!(error.kind(), ErrorKind::Forbidden);
                assert!(error.to_string().contains("no grant of a superuser covers it"), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn key_outside_the_prefix_cannot_be_opened() {
        let spec = parse(&json!({ "bucket": "manuals", "prefix": "a/" })).unwrap();
        let spec = spec.clone().granted(Vec::from_iter(spec.place()));
        let connectors = Connectors::below(std::path::Path::new("/srv"));
        let session = connectors.session(&spec, Vec::new()).await.unwrap();
        let error = session.open("b/secret.txt").await.unwrap_err();
        assert_eq!(error.field(), Some("location"));
    }

    #[tokio::test]
    async fn key_outside_the_granted_folder_cannot_be_opened() {
        let spec = parse(&json!({ "bucket": "manuals", "prefix": "a/b" })).unwrap();
        let granted = ServerPlace::Bucket { bucket: "manuals".to_owned(), prefix: "a/b/".to_owned() };
        let connectors = Connectors::below(std::path::Path::new("/srv"));
        let session = connectors.session(&spec.granted(vec![granted]), Vec::new()).await.unwrap();
        let error = session.open("a/bc/secret.txt").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Forbidden, "{error}");
    }
}
