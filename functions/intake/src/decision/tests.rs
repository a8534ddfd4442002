use chrono::TimeDelta;
use db::uploads::UploadDocument;
use domain::{Actor, CollectionId, UserId};
use uuid::Uuid;

use super::*;
use crate::sighting::Notice;

const ID: UploadId = UploadId(Uuid::from_u128(7));

fn at(second: i64) -> DateTime<Utc> {
    "2026-11-24T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(second)
}

/// Announced at second 0, valid until second 900.
fn expected() -> LockedUpload {
    let upload = Upload {
        id: ID,
        collection_id: CollectionId(Uuid::nil()),
        announcer: Actor::user(UserId(1)),
        name: "a.txt".to_owned(),
        object_key: "announced/c/7".to_owned(),
        size_bytes: 3,
        content_type: "text/plain".to_owned(),
        sha256: Some("ab".repeat(32)),
        metadata: None,
        document: UploadDocument::default(),
        status: UploadStatus::Expected,
        reason: None,
        etag: None,
        operation_id: None,
        expires_at: at(900),
        received_at: None,
        created_at: at(0),
    };
    LockedUpload { upload, needs_object: false }
}

fn with_status(status: UploadStatus) -> LockedUpload {
    let mut locked = expected();
    locked.upload.status = status;
    locked
}

/// What the announced client puts at this second.
fn put(second: i64) -> Sighting {
    Sighting {
        path: "announced/c/7".to_owned(),
        key: None,
        notices: vec![Notice { etag: Some("e".to_owned()), at: Some(at(second)), ..Notice::default() }],
        found: Some(ArrivedObject {
            size_bytes: 3,
            etag: "e".to_owned(),
            content_type: Some("text/plain".to_owned()),
            sha256: Some("ab".repeat(32)),
            last_modified: at(second),
            upload_id: Some(ID),
        }),
        refusal: None,
    }
}

fn nothing_there() -> Sighting {
    Sighting { notices: vec![Notice::default()], found: None, ..put(0) }
}

fn never_seen() -> LatestArrival {
    LatestArrival { uri: "upload://a.txt".to_owned(), arrival: None, deleted_at: None }
}

fn seen(key: &str, etag: &str, sequencer: Option<&str>, second: i64) -> LatestArrival {
    let arrival = Arrival {
        uri: "upload://a.txt".to_owned(),
        object_key: key.to_owned(),
        etag: etag.to_owned(),
        sequencer: sequencer.map(str::to_owned),
        arrived_at: at(second),
    };
    LatestArrival { arrival: Some(arrival), ..never_seen() }
}

fn judge(sighting: &Sighting, locked: &LockedUpload) -> Verdict {
    judge_announced(sighting, ID, Some(locked), true, &never_seen(), at(60))
}

fn reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::Refuse { reason } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_as_announced_is_accepted() {
    let Verdict::Accept(arrival) = judge(&put(10), &expected()) else { panic!() };
    assert_eq!((arrival.uri.as_str(), arrival.arrived_at), ("upload://a.txt", at(10)));
}

#[test]
fn a_file_that_is_not_as_announced_is_refused_with_the_field() {
    let with = |change: fn(&mut ArrivedObject)| {
        let mut sighting = put(10);
        change(sighting.found.as_mut().unwrap());
        reason(judge(&sighting, &expected()))
    };
    let reasons = [
        with(|found| found.size_bytes = 4),
        with(|found| found.content_type = Some("text/html".to_owned())),
        with(|found| found.content_type = None),
        with(|found| found.sha256 = Some("cd".repeat(2))),
        with(|found| found.sha256 = None),
        with(|found| found.upload_id = None),
        with(|found| found.upload_id = Some(UploadId(Uuid::max()))),
    ];
    insta::assert_snapshot!(reasons.join("\n"), @r#"
    size: not as announced; must be 3 bytes, got 4
    content_type: not as announced; must be "text/plain", got "text/html"
    content_type: not as announced; must be "text/plain", got "none"
    sha256: not as announced; must be abababababababababababababababababababababababababababababababab, got cdcd
    sha256: not as announced; must be abababababababababababababababababababababababababababababababab, got no checksum
    the file was not sent to the presigned URL with its headers; announce it again
    the file was not sent to the presigned URL with its headers; announce it again
    "#);
}

#[test]
fn a_copy_of_another_object_is_refused() {
    let mut copied = put(10);
    copied.notices[0].is_copy = true;
    assert!(reason(judge(&copied, &expected())).contains("not sent to the presigned URL"));
}

#[test]
fn an_announcer_without_access_is_refused_whether_or_not_the_file_arrived() {
    for sighting in [put(10), nothing_there()] {
        let verdict = judge_announced(&sighting, ID, Some(&expected()), false, &never_seen(), at(60));
        assert!(reason(verdict).contains("no longer has write access"));
    }
}

#[test]
fn only_the_first_file_is_accepted() {
    let mut received = with_status(UploadStatus::Received);
    received.upload.etag = Some("e".to_owned());
    received.needs_object = true;
    assert_eq!(judge(&put(10), &received), Verdict::Leave, "a repeated event");
    received.needs_object = false;
    assert_eq!(judge(&put(10), &received), Verdict::Discard, "it is staged");
    received.upload.etag = Some("another".to_owned());
    assert!(reason(judge(&put(10), &received)).contains("had already arrived"));
    assert!(reason(judge(&put(10), &with_status(UploadStatus::Expired))).contains("expired"));
    assert!(reason(judge(&put(10), &with_status(UploadStatus::Withdrawn))).contains("withdrawn"));
    assert_eq!(judge(&put(10), &with_status(UploadStatus::Refused)), Verdict::Discard);
    assert_eq!(judge_announced(&put(10), ID, None, true, &never_seen(), at(60)), Verdict::Discard);
}

#[test]
fn an_announcement_without_a_file_expires_when_sweep_asks_after_its_end() {
    let judge_at = |sighting: &Sighting, second| {
        judge_announced(sighting, ID, Some(&expected()), true, &never_seen(), at(second))
    };
    assert_eq!(judge_at(&nothing_there(), 899), Verdict::Leave);
    assert_eq!(judge_at(&nothing_there(), 901), Verdict::Expire);
    let event = Sighting { found: None, ..put(10) };
    assert_eq!(judge_at(&event, 901), Verdict::Leave, "the event of a file that is gone");
}

#[test]
fn nothing_undoes_a_later_deletion_or_a_later_version() {
    let judge =
        |latest: &LatestArrival| judge_announced(&put(10), ID, Some(&expected()), true, latest, at(60));
    let deleted = |second| LatestArrival { deleted_at: Some(at(second)), ..never_seen() };
    assert!(reason(judge(&deleted(10))).contains("deleted after the file had arrived"));
    assert!(matches!(judge(&deleted(9)), Verdict::Accept(_)));
    assert!(reason(judge(&seen("uploads/c/a.txt", "x", None, 11))).contains("a newer file"));
    assert!(matches!(judge(&seen("uploads/c/a.txt", "x", None, 10)), Verdict::Accept(_)));
    // S3 tells the second in which it was written, and the announcement was certainly before.
    let mut late = expected();
    late.upload.created_at = at(10) + TimeDelta::milliseconds(700);
    let mut checked = put(10);
    checked.notices = vec![Notice::default()];
    let deleted = LatestArrival { deleted_at: Some(at(10) + TimeDelta::milliseconds(300)), ..never_seen() };
    let verdict = judge_announced(&checked, ID, Some(&late), true, &deleted, at(60));
    assert!(matches!(verdict, Verdict::Accept(_)));
}

#[test]
fn events_of_drops_are_told_apart_by_sequencer_etag_and_time() {
    let drop = |etag: &str, sequencer: Option<&str>, second| {
        let mut sighting = put(second);
        sighting.notices[0].etag = Some(etag.to_owned());
        sighting.notices[0].sequencer = sequencer.map(str::to_owned);
        sighting
    };
    let is_accepted = |sighting: &Sighting, latest: &LatestArrival| {
        matches!(judge_drop(sighting, latest), Verdict::Accept(_))
    };
    assert!(is_accepted(&drop("e", None, 10), &never_seen()));
    assert!(
        !is_accepted(&drop("replaced", None, 10), &never_seen()),
        "the next event is about what is there"
    );
    let key = "announced/c/7";
    assert!(!is_accepted(&drop("e", None, 10), &seen(key, "e", None, 10)), "repeated");
    assert!(is_accepted(&drop("e", None, 11), &seen(key, "e", None, 10)), "copied again");
    assert!(!is_accepted(&drop("e", Some("0A1"), 10), &seen(key, "f", Some("0A2"), 10)));
    assert!(!is_accepted(&drop("e", Some("0a2"), 10), &seen(key, "e", Some("0A20"), 10)), "the same");
    assert!(is_accepted(&drop("e", Some("0A3"), 10), &seen(key, "f", Some("0A2"), 10)));
    let deleted = LatestArrival { deleted_at: Some(at(10)), ..never_seen() };
    assert!(!is_accepted(&drop("e", None, 10), &deleted));
}
