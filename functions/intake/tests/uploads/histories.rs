//! Random histories of announcements, files, late and repeated events, deletions, restorations and revocations. After
//! each step the uploads, the work list, the documents and the bucket are what a simple model says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::{Event, OWNER, WRITER, World, announced_key, drop_key};

/// The number of histories: the same ones in each run. `PROPTEST_CASES` runs as many random ones instead.
const CASES: u32 = 200;
const NAMES: [&str; 2] = ["a.txt", "b.txt"];

#[derive(Debug, Clone, Copy)]
enum Action {
    Announce {
        name: usize,
        by_writer: bool,
    },
    Put {
        upload: usize,
    },
    Drop {
        name: usize,
    },
    Remove {
        name: usize,
    },
    /// Delivers an event that happened before, for the first time or again.
    Deliver {
        event: usize,
    },
    /// Sweep asks to check all uploads.
    Check,
    Withdraw {
        upload: usize,
    },
    Revoke,
    Grant,
    /// Scan stages everything that is listed.
    Index,
    /// A user deletes or restores a document, after what is listed is staged.
    Delete {
        name: usize,
    },
    Restore {
        name: usize,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let name = 0..NAMES.len();
    let place = any::<usize>();
    prop_oneof![
        4 => (name.clone(), any::<bool>()).prop_map(|(name, by_writer)| Action::Announce { name, by_writer }),
        6 => place.prop_map(|upload| Action::Put { upload }),
        2 => name.clone().prop_map(|name| Action::Drop { name }),
        1 => name.clone().prop_map(|name| Action::Remove { name }),
        10 => place.prop_map(|event| Action::Deliver { event }),
        1 => Just(Action::Check),
        1 => place.prop_map(|upload| Action::Withdraw { upload }),
        1 => Just(Action::Revoke),
        1 => Just(Action::Grant),
        2 => Just(Action::Index),
        2 => name.clone().prop_map(|name| Action::Delete { name }),
        1 => name.prop_map(|name| Action::Restore { name }),
    ]
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn every_history_ends_as_the_model_says(pool: PgPool) {
    let histories = prop::collection::vec(action(), 10..30);
    let (cases, mut runner) = match requested_cases() {
        Some(cases) => (cases, TestRunner::new(Config::default())),
        None => (CASES, TestRunner::deterministic()),
    };
    for case in 0..cases {
        let mut history = histories.new_tree(&mut runner).unwrap();
        let Err(first) = play(&pool, &history.current()).await else { continue };
        let (mut shortest, mut wrong) = (history.current(), first);
        for _ in 0..200 {
            if !history.simplify() {
                break;
            }
            match play(&pool, &history.current()).await {
                Err(reason) => (shortest, wrong) = (history.current(), reason),
                Ok(()) if history.complicate() => {}
                Ok(()) => break,
            }
        }
        panic!("case {case}: {wrong}\nafter {shortest:#?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a setting of the test runner, not of a function")]
fn requested_cases() -> Option<u32> {
    Some(std::env::var("PROPTEST_CASES").ok()?.parse().unwrap())
}

/// Plays a history in an empty database, then delivers every event once more.
async fn play(pool: &PgPool, history: &[Action]) -> Result<(), String> {
    sqlx::raw_sql(
        "TRUNCATE users, collections, uploads, operations, upload_arrivals RESTART IDENTITY CASCADE",
    )
    .execute(pool)
    .await
    .unwrap();
    let mut run = Run {
        world: World::new(pool.clone()).await,
        model: Model { writer_may: true, ..Model::default() },
        events: Vec::new(),
    };
    for (number, action) in history.iter().enumerate() {
        run.act(*action).await;
        run.compare().await.map_err(|wrong| format!("after action {number}, {action:?}: {wrong}"))?;
    }
    for event in (0..run.events.len()).rev() {
        run.act(Action::Deliver { event }).await;
    }
    run.act(Action::Index).await;
    run.compare().await.map_err(|wrong| format!("after every event was delivered again: {wrong}"))
}

struct Run {
    world: World,
    model: Model,
    events: Vec<(Told, Event)>,
}

impl Run {
    async fn act(&mut self, action: Action) {
        let model = &mut self.model;
        match action {
            Action::Announce { name, by_writer } => {
                if by_writer && !model.writer_may {
                    return;
                }
                let id = self.world.announce(NAMES[name], if by_writer { WRITER } else { OWNER }).await;
                let upload = Announced { id, name, by_writer, status: "expected", etag: None };
                model.uploads.push(upload);
                model.now += 1;
            }
            Action::Put { upload } if !model.uploads.is_empty() => {
                let upload = upload % model.uploads.len();
                let id = model.uploads[upload].id;
                let told = model.put(Key::Announced(upload), announced_key(id));
                let event = self.world.put_announced(id, &told.etag.clone().unwrap());
                self.events.push((told, event));
            }
            Action::Drop { name } => {
                let told = model.put(Key::Drop(name), drop_key(NAMES[name]));
                let event = self.world.drop_file(NAMES[name], &told.etag.clone().unwrap());
                self.events.push((told, event));
            }
            Action::Remove { name } => {
                model.now += 1;
                model.bucket.remove(&drop_key(NAMES[name]));
                let event = self.world.remove(NAMES[name]);
                self.events.push((Told { key: Key::Drop(name), etag: None }, event));
            }
            Action::Deliver { event } if !self.events.is_empty() => {
                let (told, event) = &self.events[event % self.events.len()];
                model.look(told.key, told.etag.as_deref());
                self.world.deliver(&[event]).await;
            }
            Action::Check => {
                let ids: Vec<Uuid> = model.uploads.iter().map(|upload| upload.id).collect();
                // In the order in which the files arrived.
                let mut order: Vec<usize> = (0..ids.len()).collect();
                order.sort_by_key(|upload| model.bucket.get(&announced_key(ids[*upload])).map(|(_, at)| *at));
                for upload in order {
                    let found = model.bucket.get(&announced_key(ids[upload])).map(|(etag, _)| etag.clone());
                    model.look(Key::Announced(upload), found.as_deref());
                }
                self.world.check(&ids).await;
            }
            Action::Withdraw { upload } if !model.uploads.is_empty() => {
                let upload = upload % model.uploads.len();
                let upload = &mut model.uploads[upload];
                if upload.status == "expected" {
                    upload.status = "withdrawn";
                }
                let id = domain::UploadId(upload.id);
                self.world.state.db.connection().await.unwrap().uploads().withdraw(id).await.unwrap();
            }
            Action::Revoke | Action::Grant => {
                model.writer_may = matches!(action, Action::Grant);
                let permission = if model.writer_may { "write" } else { "read" };
                sqlx::query("UPDATE collection_permissions SET permission = $1::permission")
                    .bind(permission)
                    .execute(&self.world.pool)
                    .await
                    .unwrap();
            }
            Action::Index => {
                model.index();
                self.world.index().await;
            }
            Action::Delete { name } => {
                model.index();
                model.now += 1;
                if let Some(document) = model.documents.get_mut(&name) {
                    document.deleted_at = Some(model.now);
                    document.is_deleted = true;
                }
                self.world.index().await;
                self.world.delete_document(NAMES[name]).await;
            }
            Action::Restore { name } => {
                model.index();
                if let Some(document) = model.documents.get_mut(&name) {
                    document.deleted_at = None;
                    document.is_deleted = false;
                }
                self.world.index().await;
                self.world.restore_document(NAMES[name]).await;
            }
            Action::Put { .. } | Action::Deliver { .. } | Action::Withdraw { .. } => {}
        }
    }

    /// Compares everything with the model.
    async fn compare(&self) -> Result<(), String> {
        let expected: Vec<String> =
            self.model.uploads.iter().map(|upload| format!("{} {}", upload.id, upload.status)).collect();
        let actual = self.world.statuses().await;
        if actual != expected {
            return Err(format!("the uploads are {actual:?}, not {expected:?}"));
        }
        let listed: BTreeMap<&str, String> =
            self.model.listed.iter().map(|(name, key)| (NAMES[*name], key.clone())).collect();
        let actual: BTreeMap<String, String> = self.world.locations().await;
        if !actual
            .iter()
            .map(|(name, key)| (name.as_str(), key))
            .eq(listed.iter().map(|(name, key)| (*name, key)))
        {
            return Err(format!("{actual:?} is listed, not {listed:?}"));
        }
        let documents: BTreeMap<&str, String> = self
            .model
            .documents
            .iter()
            .filter(|(_, document)| !document.is_deleted)
            .map(|(name, document)| (NAMES[*name], document.location.clone()))
            .collect();
        let actual = self.world.documents().await;
        if !actual
            .iter()
            .map(|(name, key)| (name.as_str(), key))
            .eq(documents.iter().map(|(name, key)| (*name, key)))
        {
            return Err(format!("the documents are {actual:?}, not {documents:?}"));
        }
        let keys: Vec<String> = self.model.bucket.keys().cloned().collect();
        let actual = self.world.bucket.keys();
        if actual == keys { Ok(()) } else { Err(format!("the bucket holds {actual:?}, not {keys:?}")) }
    }
}

/// What an event says: the ETag of what was written, none of what was deleted.
#[derive(Debug, Clone)]
struct Told {
    key: Key,
    etag: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Key {
    /// Position of the upload.
    Announced(usize),
    /// Position of the name.
    Drop(usize),
}

#[derive(Debug)]
struct Announced {
    id: Uuid,
    name: usize,
    by_writer: bool,
    status: &'static str,
    etag: Option<String>,
}

#[derive(Debug)]
struct Document {
    location: String,
    is_deleted: bool,
    /// When a user deleted it.
    deleted_at: Option<i64>,
}

/// The rules, without a database. Time is the number of the step.
#[derive(Debug, Default)]
struct Model {
    now: i64,
    writer_may: bool,
    uploads: Vec<Announced>,
    /// ETag and time of each object.
    bucket: BTreeMap<String, (String, i64)>,
    /// By name: the newest version that was accepted, as key, ETag and time.
    newest: BTreeMap<usize, (String, String, i64)>,
    /// By name: the object that scan is to read.
    listed: BTreeMap<usize, String>,
    documents: BTreeMap<usize, Document>,
}

impl Model {
    fn put(&mut self, key: Key, path: String) -> Told {
        self.now += 1;
        let etag = format!("e{}", self.now);
        self.bucket.insert(path, (etag.clone(), self.now));
        Told { key, etag: Some(etag) }
    }

    /// Looks at what is under the key, because an event told of this ETag.
    fn look(&mut self, key: Key, told: Option<&str>) {
        match key {
            Key::Announced(upload) => self.look_at_announced(upload, told),
            Key::Drop(name) => self.look_at_drop(name, told),
        }
    }

    fn look_at_announced(&mut self, position: usize, told: Option<&str>) {
        let upload = &self.uploads[position];
        let (path, name) = (announced_key(upload.id), upload.name);
        let may_write = !upload.by_writer || self.writer_may;
        let Some((etag, at)) = self.bucket.get(&path).cloned() else {
            if upload.status == "expected" && !may_write {
                self.uploads[position].status = "refused";
            }
            return;
        };
        if upload.status != "expected" {
            let is_wanted = upload.etag.as_ref() == Some(&etag) && self.listed.get(&name) == Some(&path);
            if !is_wanted {
                self.bucket.remove(&path);
            }
            return;
        }
        let is_late = self.deleted_at(name) >= Some(at)
            || self.newest.get(&name).is_some_and(|(.., newest)| *newest > at);
        if may_write && told != Some(&etag) {
            return;
        }
        if !may_write || is_late {
            self.uploads[position].status = "refused";
            self.bucket.remove(&path);
            return;
        }
        self.uploads[position].status = "received";
        self.uploads[position].etag = Some(etag.clone());
        self.accept(name, path, etag, at);
    }

    fn look_at_drop(&mut self, name: usize, told: Option<&str>) {
        let path = drop_key(NAMES[name]);
        let newest = self.newest.get(&name);
        let Some((etag, at)) = self.bucket.get(&path).cloned() else {
            if newest.is_some_and(|(key, ..)| *key == path) {
                self.listed.retain(|_, key| *key != path);
                if let Some(document) =
                    self.documents.get_mut(&name).filter(|document| document.location == path)
                {
                    document.is_deleted = true;
                }
            }
            return;
        };
        let is_repeated = newest.is_some_and(|(key, known, _)| (key, known) == (&path, &etag));
        let is_late = self.deleted_at(name) >= Some(at) || newest.is_some_and(|(.., newest)| *newest > at);
        if told == Some(&etag) && !is_repeated && !is_late {
            self.accept(name, path, etag, at);
        }
    }

    fn deleted_at(&self, name: usize) -> Option<i64> {
        self.documents.get(&name)?.deleted_at
    }

    fn accept(&mut self, name: usize, path: String, etag: String, at: i64) {
        self.newest.insert(name, (path.clone(), etag, at));
        let replaced = self.listed.insert(name, path.clone());
        // Its announced file will never be read.
        if let Some(replaced) = replaced.filter(|key| *key != path && key.starts_with("announced/")) {
            self.bucket.remove(&replaced);
        }
    }

    fn index(&mut self) {
        for (name, location) in std::mem::take(&mut self.listed) {
            if location.starts_with("announced/") {
                self.bucket.remove(&location);
            }
            self.documents.insert(name, Document { location, is_deleted: false, deleted_at: None });
        }
    }
}
