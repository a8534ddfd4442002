//! What the messages of one invocation say about objects, and what is in the bucket now.

use std::collections::{BTreeMap, BTreeSet};

use artifacts::{ArrivedObject, ArtifactError, ArtifactStore};
use chrono::{DateTime, Utc};
use domain::{ArtifactKey, UploadId};
use futures_util::{StreamExt, stream};
use lambda::StageError;
use queue::{S3Notification, S3NotificationRecord};

/// Concurrent calls to S3.
const CONCURRENCY: usize = 8;

/// Why intake looks at an object. A request of sweep says nothing about it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Notice {
    /// The ETag of the version that was written.
    pub(crate) etag: Option<String>,
    /// When the request ended.
    pub(crate) at: Option<DateTime<Utc>>,
    /// Orders the events of one key.
    pub(crate) sequencer: Option<String>,
    /// Whether the object was copied from another one.
    pub(crate) is_copy: bool,
    /// Whether the object was deleted.
    pub(crate) is_removal: bool,
}

/// An object that messages are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// The object's key.
    pub(crate) path: String,
    /// The key, unless it belongs to no collection.
    pub(crate) key: Option<ArtifactKey>,
    pub(crate) notices: Vec<Notice>,
    /// What is there now.
    pub(crate) found: Option<ArrivedObject>,
    /// Why S3 does not say more about it than the notices do, if so.
    pub(crate) refusal: Option<String>,
}

/// The objects of one invocation by key, each with the positions of the messages that are about it.
#[derive(Debug, Default)]
pub(crate) struct Sightings {
    by_path: BTreeMap<String, (Sighting, BTreeSet<usize>)>,
}

impl Sightings {
    /// Adds an object that a message is about.
    pub(crate) fn add(&mut self, path: String, notice: Notice, message: usize) {
        let (sighting, messages) = self.by_path.entry(path).or_insert_with_key(|path| {
            let key = ArtifactKey::parse_arrival(path);
            (
                Sighting { path: path.clone(), key, notices: Vec::new(), found: None, refusal: None },
                BTreeSet::new(),
            )
        });
        sighting.notices.push(notice);
        messages.insert(message);
    }

    /// Adds the objects of the bucket's events. Folder markers are skipped.
    pub(crate) fn add_events(&mut self, events: &S3Notification, bucket: &str, message: usize) {
        for event in &events.records {
            if event.s3.bucket.name != bucket || !(event.is_created() || event.is_removed()) {
                tracing::warn!(
                    event = event.event_name,
                    bucket = event.s3.bucket.name,
                    "skipped an event that is not about an upload to the staging bucket"
                );
                continue;
            }
            match event.s3.object.decoded_key() {
                Some(key) if key.ends_with('/') => {}
                Some(key) => self.add(key, Notice::of(event), message),
                None => tracing::warn!(
                    object.key = event.s3.object.key,
                    "skipped an object whose key is not valid UTF-8"
                ),
            }
        }
    }

    /// Looks at every object. Returns the objects with their messages, and the messages whose objects could not be
    /// looked at.
    pub(crate) async fn look(
        self,
        artifacts: &ArtifactStore,
    ) -> (Vec<(Sighting, BTreeSet<usize>)>, Vec<(BTreeSet<usize>, StageError)>) {
        let looks = self.by_path.into_values().map(|(mut sighting, messages)| async move {
            match artifacts.find_arrived(&sighting.path).await {
                Ok(found) => {
                    sighting.found = found;
                    Ok((sighting, messages))
                }
                Err(error @ ArtifactError::Refused { .. }) => {
                    sighting.found = Some(sighting.described_by_notices());
                    sighting.refusal = Some(error.to_string());
                    Ok((sighting, messages))
                }
                Err(error) => Err((messages, error.into())),
            }
        });
        let mut looks = stream::iter(looks).buffered(CONCURRENCY);
        let (mut seen, mut failed) = (Vec::new(), Vec::new());
        while let Some(look) = looks.next().await {
            match look {
                Ok(sighting) => seen.push(sighting),
                Err(failure) => failed.push(failure),
            }
        }
        (seen, failed)
    }
}

impl Notice {
    fn of(event: &S3NotificationRecord) -> Self {
        let object = &event.s3.object;
        let etag = object.etag.as_deref().map(|etag| etag.trim_matches('"')).filter(|etag| !etag.is_empty());
        Self {
            etag: etag.filter(|_| event.is_created()).map(str::to_owned),
            at: event.event_time,
            sequencer: object.sequencer.clone(),
            is_copy: event.is_copy(),
            is_removal: event.is_removed(),
        }
    }
}

impl Sighting {
    /// Returns the upload whose file it is, if it was announced.
    pub(crate) fn announced_id(&self) -> Option<UploadId> {
        match self.key {
            Some(ArtifactKey::Announced { upload_id, .. }) => Some(upload_id),
            _ => None,
        }
    }

    /// Returns whether sweep asked to look at the object.
    pub(crate) fn is_check(&self) -> bool {
        self.notices.contains(&Notice::default())
    }

    /// Returns what the latest notice says about an object that cannot be looked at. Its size is not known.
    fn described_by_notices(&self) -> ArrivedObject {
        let latest = self.notices.iter().filter(|notice| !notice.is_removal).max_by_key(|notice| notice.at);
        ArrivedObject {
            size_bytes: 0,
            etag: latest.and_then(|notice| notice.etag.clone()).unwrap_or_default(),
            content_type: None,
            sha256: None,
            last_modified: latest.and_then(|notice| notice.at).unwrap_or_else(Utc::now),
            upload_id: None,
        }
    }

    /// Returns the latest notice about the version that is there now. `None` if all are about versions that were
    /// replaced: then another event is about this one.
    pub(crate) fn notice(&self) -> Option<&Notice> {
        let found = self.found.as_ref()?;
        let is_current = |notice: &&Notice| {
            !notice.is_removal && notice.etag.as_ref().is_none_or(|etag| *etag == found.etag)
        };
        self.notices.iter().filter(is_current).max_by_key(|notice| notice.at)
    }

    /// Returns when the version that is there arrived, to the millisecond if the notice says so.
    pub(crate) fn arrived_at(&self, notice: &Notice) -> Option<DateTime<Utc>> {
        let modified = self.found.as_ref()?.last_modified;
        Some(notice.at.map_or(modified, |at| at.max(modified)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLLECTION: &str = "6b0f3c1e-0e39-4a3c-9f5b-0d3a3c1e6b0f";

    fn events(keys: &[&str]) -> S3Notification {
        let record = |(number, key): (usize, &&str)| {
            serde_json::json!({
                "eventName": "ObjectCreated:Put",
                "eventTime": format!("2026-11-24T00:10:2{number}.693Z"),
                "s3": {"bucket": {"name": "staging"}, "object": {"key": key, "size": 1, "eTag": "\"e\""}},
            })
        };
        let records: Vec<_> = keys.iter().enumerate().map(record).collect();
        serde_json::from_value(serde_json::json!({"Records": records})).unwrap()
    }

    #[test]
    fn each_object_is_looked_at_once_for_all_its_messages() {
        let keys = [
            format!("uploads/{COLLECTION}/a.txt"),
            format!("uploads/{COLLECTION}/folder/"),
            format!("uploads/{COLLECTION}/folder/b+c.txt"),
            format!("uploads/{COLLECTION}/a.txt"),
            "uploads/no-collection.txt".to_owned(),
            "uploads/%FF/x".to_owned(),
        ];
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut sightings = Sightings::default();
        sightings.add_events(&events(&keys), "staging", 3);
        let seen: Vec<(&str, usize, bool)> = sightings
            .by_path
            .values()
            .map(|(sighting, _)| (sighting.path.as_str(), sighting.notices.len(), sighting.key.is_some()))
            .collect();
        assert_eq!(
            seen,
            [
                (format!("uploads/{COLLECTION}/a.txt").as_str(), 2, true),
                (format!("uploads/{COLLECTION}/folder/b c.txt").as_str(), 1, true),
                ("uploads/no-collection.txt", 1, false),
            ]
        );
        assert!(sightings.by_path.values().all(|(_, messages)| messages.contains(&3)));
    }

    #[test]
    fn events_of_another_bucket_are_skipped() {
        let mut sightings = Sightings::default();
        let key = format!("uploads/{COLLECTION}/a.txt");
        sightings.add_events(&events(&[key.as_str()]), "another-bucket", 0);
        assert!(sightings.by_path.is_empty());
    }

    #[test]
    fn the_notice_of_the_version_that_is_there_counts() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let found = ArrivedObject {
            size_bytes: 1,
            etag: "new".to_owned(),
            content_type: None,
            sha256: None,
            last_modified: at("2026-11-24T00:10:20Z"),
            upload_id: None,
        };
        let notice = |etag: Option<&str>, time: &str, is_removal: bool| Notice {
            etag: etag.map(str::to_owned),
            at: Some(at(time)),
            is_removal,
            ..Notice::default()
        };
        let mut sighting = Sighting {
            path: "uploads/x/a".to_owned(),
            key: None,
            notices: vec![
                notice(Some("old"), "2026-11-24T00:10:19.5Z", false),
                notice(None, "2026-11-24T00:10:19.8Z", true),
            ],
            found: Some(found),
            refusal: None,
        };
        assert_eq!(sighting.notice(), None, "the event of the new version is on its way");
        sighting.notices.push(notice(Some("new"), "2026-11-24T00:10:20.7Z", false));
        let latest = sighting.notice().unwrap();
        assert_eq!(sighting.arrived_at(latest), Some(at("2026-11-24T00:10:20.7Z")));
        assert_eq!(sighting.arrived_at(&Notice::default()), Some(at("2026-11-24T00:10:20Z")));
    }
}
