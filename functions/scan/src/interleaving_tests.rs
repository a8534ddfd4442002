//! Messages delivered in any order, twice, to processes that die at any step, lost, dead-lettered; and
//! between them people who upload, cancel, delete, restore and try again. Whatever the order, every
//! operation and item ends, ends once, and the collection is what its documents say it is.

mod model;
mod pipeline;
mod sweeper;

use std::collections::{BTreeMap, BTreeSet};

use db::Db;
use db::operations::NewItem;
use domain::{CollectionId, DocumentId, OperationId, OperationType, SourceId, document_id};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use sqlx::{PgPool, Row};
use uuid::Uuid;

use self::pipeline::{Bytes, Message, Pipeline};

/// How many histories: the same ones each time. `PROPTEST_CASES` asks for so many others.
const CASES: u32 = 24;
const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What becomes of a message that is taken from the queue.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Handled,
    /// And delivered again.
    Twice,
    /// The process dies before this step; the message is delivered again.
    Dies(u32),
    Lost,
    DeadLetter,
}

#[derive(Debug, Clone)]
enum Action {
    Upload(Vec<(usize, Bytes)>),
    Deliver { place: usize, fate: Fate },
    Cancel { place: usize },
    Delete { name: usize, is_lost: bool },
    Restore { name: usize },
    Retry,
    Sweep,
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![1 => Just(Bytes::Empty), 1 => Just(Bytes::Binary), 6 => (0_u8..4).prop_map(Bytes::Text)]
}

fn action() -> impl Strategy<Value = Action> {
    let fate = prop_oneof![
        10 => Just(Fate::Handled),
        2 => Just(Fate::Twice),
        4 => (0_u32..12).prop_map(Fate::Dies),
        1 => Just(Fate::Lost),
        1 => Just(Fate::DeadLetter),
    ];
    let name = 0..NAMES.len();
    prop_oneof![
        4 => prop::collection::vec((name.clone(), bytes()), 1..4).prop_map(Action::Upload),
        24 => (any::<usize>(), fate).prop_map(|(place, fate)| Action::Deliver { place, fate }),
        1 => any::<usize>().prop_map(|place| Action::Cancel { place }),
        2 => (name.clone(), any::<bool>()).prop_map(|(name, is_lost)| Action::Delete { name, is_lost }),
        1 => name.prop_map(|name| Action::Restore { name }),
        1 => Just(Action::Retry),
        1 => Just(Action::Sweep),
    ]
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn any_interleaving_ends_in_a_state_that_the_model_allows(pool: PgPool) {
    let histories = prop::collection::vec(action(), 60..120);
    let (mut actions, mut messages) = (0, 0);
    let (cases, mut runner) = match asked_cases() {
        Some(cases) => (cases, TestRunner::new(Config::default())),
        None => (CASES, TestRunner::deterministic()),
    };
    for case in 0..cases {
        let mut history = histories.new_tree(&mut runner).unwrap();
        let Err(first) = play(&pool, &history.current(), &mut messages).await else {
            actions += history.current().len();
            continue;
        };
        // As short as it gets.
        let (mut shortest, mut wrong) = (history.current(), first);
        for _ in 0..200 {
            if !history.simplify() {
                break;
            }
            match play(&pool, &history.current(), &mut messages).await {
                Err(reason) => (shortest, wrong) = (history.current(), reason),
                Ok(()) if history.complicate() => {}
                Ok(()) => break,
            }
        }
        panic!("case {case}: {wrong}\nafter {shortest:#?}");
    }
    eprintln!(
        "{cases} histories of {actions} actions, {messages} messages taken: all ended as the model allows"
    );
}

/// Found by the test above: the points of the deleted version outlived the one that failed.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn nothing_is_left_of_a_document_whose_deletion_failed_and_whose_next_version_fails(pool: PgPool) {
    let next = |fate| Action::Deliver { place: 0, fate };
    let indexed = std::iter::repeat_n(next(Fate::Handled), 5);
    let mut history = vec![Action::Upload(vec![(0, Bytes::Text(1))])];
    history.extend(indexed);
    history.extend([
        Action::Delete { name: 0, is_lost: false },
        next(Fate::Handled),
        next(Fate::DeadLetter),
        Action::Upload(vec![(0, Bytes::Binary)]),
    ]);
    play(&pool, &history, &mut 0).await.unwrap();
}

/// Found by the test above: the removal took the points of the new version.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_that_came_back_before_its_removal_ran_keeps_its_points(pool: PgPool) {
    let mut history = vec![Action::Upload(vec![(0, Bytes::Text(0))])];
    history.extend(std::iter::repeat_n(Action::Deliver { place: 0, fate: Fate::Handled }, 4));
    history.extend([
        Action::Upload(vec![(1, Bytes::Text(1))]),
        Action::Delete { name: 0, is_lost: false },
        // Goes with the upload that waits since before the deletion.
        Action::Upload(vec![(0, Bytes::Text(3))]),
    ]);
    play(&pool, &history, &mut 0).await.unwrap();
}

/// Found by the test above: its bytes were searchable no more, and nobody was about to change that.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_duplicate_whose_original_changed_is_indexed_though_its_own_upload_is_cancelled(pool: PgPool) {
    let deliver = |place| Action::Deliver { place, fate: Fate::Handled };
    let history = [
        vec![Action::Upload(vec![(0, Bytes::Text(0))])],
        vec![deliver(0); 4],
        vec![Action::Upload(vec![(1, Bytes::Text(0))])],
        vec![deliver(0); 2],
        vec![
            Action::Upload(vec![(0, Bytes::Text(2))]),
            deliver(0),
            Action::Upload(vec![(1, Bytes::Text(3))]),
        ],
        // Behind the message of the upload that waits.
        vec![deliver(0), deliver(1), deliver(1), Action::Cancel { place: 0 }],
    ];
    play(&pool, &history.concat(), &mut 0).await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "of the test runner, not of the function")]
fn asked_cases() -> Option<u32> {
    Some(std::env::var("PROPTEST_CASES").ok()?.parse().unwrap())
}

/// Plays a history in a collection of its own, then lets the faults end and looks.
async fn play(pool: &PgPool, history: &[Action], messages: &mut usize) -> Result<(), String> {
    let mut world = World::new(pool).await;
    for (number, action) in history.iter().enumerate() {
        world.act(action, messages).await;
        world.look().await.map_err(|wrong| format!("after action {number}, {action:?}: {wrong}"))?;
    }
    world.settle(messages).await?;
    world.check().await.map_err(|wrong| format!("when all had ended: {wrong}"))?;
    // Nothing is stuck in a state that a new upload of everything would not heal.
    let everything: Vec<(usize, Bytes)> =
        (0..NAMES.len()).map(|name| (name, Bytes::Text(u8::try_from(name % 4).unwrap()))).collect();
    world.upload(&everything).await;
    world.settle(messages).await?;
    world.check().await.map_err(|wrong| format!("after all was uploaded again: {wrong}"))?;
    let completed = world.count("status = 'completed'").await;
    if completed != NAMES.len() as i64 {
        return Err(format!("{completed} documents are searchable after all was uploaded again"));
    }
    Ok(())
}

struct World {
    pipeline: Pipeline,
    /// Operations and items that have ended, with how.
    ended: BTreeMap<String, String>,
}

impl World {
    async fn new(pool: &PgPool) -> Self {
        let name = Uuid::new_v4().to_string();
        let row = sqlx::query(
            "WITH owner AS (
                INSERT INTO users (username, email, hashed_password) VALUES ($1, $1 || '@example.org', 'x') RETURNING id
            ), collection AS (
                INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size, chunk_overlap)
                SELECT $1::uuid, $1, id, $1, 'model', 256, 51 FROM owner RETURNING id
            )
            INSERT INTO collection_sources (collection_id, source_path, source_type)
            SELECT id, 'uploads', 'upload' FROM collection RETURNING id",
        )
        .bind(&name)
        .fetch_one(pool)
        .await
        .unwrap();
        let pipeline = Pipeline {
            db: Db::from_pool(pool.clone()),
            pool: pool.clone(),
            collection_id: CollectionId(name.parse().unwrap()),
            source_id: SourceId(row.get(0)),
            files: BTreeMap::new(),
            copies: BTreeMap::new(),
            points: BTreeSet::new(),
            queue: Vec::new(),
            fuel: None,
        };
        Self { pipeline, ended: BTreeMap::new() }
    }

    async fn act(&mut self, action: &Action, messages: &mut usize) {
        match action {
            Action::Upload(files) => self.upload(files).await,
            Action::Deliver { place, fate } => {
                if self.pipeline.queue.is_empty() {
                    return;
                }
                *messages += 1;
                let place = place % self.pipeline.queue.len();
                self.deliver(place, *fate).await;
            }
            Action::Cancel { place } => self.cancel(*place).await,
            Action::Delete { name, is_lost } => self.delete(NAMES[*name], *is_lost).await,
            Action::Restore { name } => {
                let id = self.document(NAMES[*name]);
                let mut tx = self.pipeline.db.begin().await.unwrap();
                let operation = self.pipeline.insert(&mut tx, OperationType::RestoreDocuments).await;
                if tx.documents().restore(id, operation).await.unwrap() {
                    tx.commit().await.unwrap();
                    self.pipeline.queue.push(Message::Run(operation));
                }
            }
            Action::Retry => {
                let mut tx = self.pipeline.db.begin().await.unwrap();
                let operation = self.pipeline.insert(&mut tx, OperationType::RetryDocuments).await;
                let collection = self.pipeline.collection_id;
                if tx.documents().retry(collection, None, operation).await.unwrap() > 0 {
                    tx.commit().await.unwrap();
                    self.pipeline.queue.push(Message::Run(operation));
                }
            }
            Action::Sweep => self.pipeline.sweep().await,
        }
    }

    async fn deliver(&mut self, place: usize, fate: Fate) {
        let message = self.pipeline.queue[place].clone();
        let is_taken = !matches!(fate, Fate::Twice | Fate::Dies(_));
        if is_taken {
            self.pipeline.queue.remove(place);
        }
        let outcome = match fate {
            Fate::Handled | Fate::Twice => self.pipeline.handle(&message).await,
            Fate::Dies(fuel) => {
                self.pipeline.fuel = Some(fuel);
                self.pipeline.handle(&message).await
            }
            Fate::Lost => Ok(()),
            Fate::DeadLetter => self.pipeline.take_dead(&message).await,
        };
        assert!(outcome.is_ok() || self.pipeline.fuel.is_some());
        self.pipeline.fuel = None;
    }

    fn document(&self, name: &str) -> DocumentId {
        document_id(self.pipeline.collection_id, &format!("upload://{name}"))
    }

    /// As intake does it.
    async fn upload(&mut self, files: &[(usize, Bytes)]) {
        let files: BTreeMap<&str, Bytes> = files.iter().map(|(name, bytes)| (NAMES[*name], *bytes)).collect();
        self.pipeline.files.extend(files.iter().map(|(name, bytes)| ((*name).to_owned(), *bytes)));
        let items: Vec<NewItem> = files
            .iter()
            .map(|(name, bytes)| NewItem {
                uri: format!("upload://{name}"),
                location: format!("uploads/x/{name}"),
                file_name: (*name).to_owned(),
                size_bytes: 10,
                mime_type: None,
                change_hint: Some(bytes.hash()),
            })
            .collect();
        let mut tx = self.pipeline.db.begin().await.unwrap();
        let waiting = tx.operations().lock_pending_append(self.pipeline.source_id).await.unwrap();
        let operation = match waiting {
            Some(operation) => operation,
            None => self.pipeline.insert(&mut tx, OperationType::Append).await,
        };
        tx.operation_items().upsert_many(operation, &items).await.unwrap();
        tx.commit().await.unwrap();
        if waiting.is_none() {
            self.pipeline.queue.push(Message::Run(operation));
        }
    }

    async fn cancel(&mut self, place: usize) {
        let open: Vec<Uuid> = sqlx::query_scalar(
            "SELECT uuid FROM operations WHERE collection_id = $1 AND status IN ('pending', 'processing')
                AND type <> 'remove_documents' ORDER BY id",
        )
        .bind(self.pipeline.collection_id.0)
        .fetch_all(&self.pipeline.pool)
        .await
        .unwrap();
        if open.is_empty() {
            return;
        }
        let id = OperationId(open[place % open.len()]);
        let mut tx = self.pipeline.db.begin().await.unwrap();
        let waited = tx.operations().cancel_pending(id).await.unwrap();
        if waited.is_none() {
            tx.operations().request_cancel(id).await.unwrap();
        }
        tx.commit().await.unwrap();
        match waited {
            Some(_) => self.pipeline.start_next().await.unwrap(),
            None => self.pipeline.queue.push(Message::Run(id)),
        }
    }

    async fn delete(&mut self, name: &str, is_lost: bool) {
        let id = self.document(name);
        let mut tx = self.pipeline.db.begin().await.unwrap();
        if !tx.documents().mark_deleted(id).await.unwrap() {
            return;
        }
        let waiting = tx.operations().lock_pending_removal(self.pipeline.collection_id).await.unwrap();
        let operation = match waiting {
            Some(operation) => operation,
            None => self.pipeline.insert(&mut tx, OperationType::RemoveDocuments).await,
        };
        tx.operation_items().insert_removals(operation, &[id]).await.unwrap();
        tx.commit().await.unwrap();
        if waiting.is_none() && !is_lost {
            self.pipeline.queue.push(Message::Run(operation));
        }
    }

    /// Lets everything end: no fault happens any more, and sweep runs.
    async fn settle(&mut self, messages: &mut usize) -> Result<(), String> {
        for _ in 0..200 {
            if self.pipeline.queue.is_empty() {
                self.pipeline.sweep().await;
            }
            if self.pipeline.queue.is_empty() && self.open_operations().await == 0 {
                return Ok(());
            }
            for message in std::mem::take(&mut self.pipeline.queue) {
                *messages += 1;
                self.pipeline.handle(&message).await.unwrap();
            }
        }
        Err(format!("{} operations never end", self.open_operations().await))
    }

    async fn open_operations(&self) -> i64 {
        let open = "SELECT count(*) FROM operations WHERE collection_id = $1 AND status IN ('pending', 'processing')";
        sqlx::query_scalar(open)
            .bind(self.pipeline.collection_id.0)
            .fetch_one(&self.pipeline.pool)
            .await
            .unwrap()
    }

    async fn count(&self, condition: &str) -> i64 {
        let counted = format!("SELECT count(*) FROM documents WHERE collection_id = $1 AND {condition}");
        sqlx::query_scalar(sqlx::AssertSqlSafe(counted))
            .bind(self.pipeline.collection_id.0)
            .fetch_one(&self.pipeline.pool)
            .await
            .unwrap()
    }
}
