//! Random interleavings of the pipeline: messages are delivered in any order, twice, to processes that
//! die at any step, lost, or moved to the dead-letter queue, while clients upload, cancel, delete, restore
//! and retry. Whatever the order, every operation and item ends, ends once, and the collection is what its
//! documents say it is.
//!
//! The stages are the shipped ones: `intake`, `scan`, `chunk`, `embed` and `sweep`, with real PostgreSQL,
//! Qdrant's engine in process, and S3 and SQS behind the HTTP client of the AWS SDK. Only the model is
//! replaced. A process dies in that its handler is dropped before one of its calls to a server (`life`); the
//! next message is handled by a new one, with clients of its own (`process`).

#![cfg(test)]
// The SDK's futures nest deeper than the compiler's default.
#![recursion_limit = "256"]

mod aws;
mod bytes;
mod integrity_tests;
mod life;
mod model;
mod pipeline;
mod process;
mod qdrant;
mod time_tests;
mod world;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use sqlx::PgPool;

use self::bytes::Bytes;
use self::pipeline::Pipeline;
use self::world::{NAMES, World};

/// The number of histories: the same ones in each run. `PROPTEST_CASES` runs as many random ones instead.
const CASES: u32 = 24;

/// What happens to a message that is received from its queue.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Handled,
    /// Handled, and delivered again.
    Twice,
    /// The process dies before its call of this number; the message is delivered again.
    Dies(u32),
    Lost,
    /// Moved to the dead-letter queue, from which sweep receives it.
    DeadLetter,
}

#[derive(Debug, Clone)]
enum Action {
    Upload(Vec<(usize, Bytes)>),
    Deliver { place: usize, fate: Fate },
    Cancel { place: usize },
    Delete { name: usize, is_lost: bool, is_purge: bool },
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
        4 => (0_u32..24).prop_map(Fate::Dies),
        1 => Just(Fate::Lost),
        1 => Just(Fate::DeadLetter),
    ];
    let name = 0..NAMES.len();
    prop_oneof![
        4 => prop::collection::vec((name.clone(), bytes()), 1..4).prop_map(Action::Upload),
        24 => (any::<usize>(), fate).prop_map(|(place, fate)| Action::Deliver { place, fate }),
        1 => any::<usize>().prop_map(|place| Action::Cancel { place }),
        3 => (name.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(name, is_lost, is_purge)| Action::Delete { name, is_lost, is_purge }),
        1 => name.prop_map(|name| Action::Restore { name }),
        1 => Just(Action::Retry),
        1 => Just(Action::Sweep),
    ]
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn any_interleaving_ends_in_a_state_that_the_model_allows(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    let histories = prop::collection::vec(action(), 60..120);
    let (cases, mut runner) = match requested_cases() {
        Some(cases) => (cases, TestRunner::new(Config::default())),
        None => (CASES, TestRunner::deterministic()),
    };
    let mut actions = 0;
    for case in 0..cases {
        let mut history = histories.new_tree(&mut runner).unwrap();
        let Err(first) = Box::pin(play(&pipeline, &history.current())).await else {
            actions += history.current().len();
            continue;
        };
        eprintln!("case {case}: {first}; shrinking the history");
        // Shrinks the history as far as possible.
        let (mut shortest, mut wrong) = (history.current(), first);
        for _ in 0..Config::default().max_shrink_iters.min(200) {
            if !history.simplify() {
                break;
            }
            match Box::pin(play(&pipeline, &history.current())).await {
                Err(reason) => (shortest, wrong) = (history.current(), reason),
                Ok(()) if history.complicate() => {}
                Ok(()) => break,
            }
        }
        panic!("case {case}: {wrong}\nafter {shortest:#?}");
    }
    let (messages, deaths) = pipeline.counts();
    eprintln!(
        "{cases} histories of {actions} actions, {messages} messages handled, {deaths} deaths: all ended as the model allows"
    );
}

/// Found by the test above: the points of the deleted version outlived the one that failed.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn no_points_remain_when_a_deletion_fails_and_the_next_version_fails(pool: PgPool) {
    let next = |fate| Action::Deliver { place: 0, fate };
    let indexed = std::iter::repeat_n(next(Fate::Handled), 5);
    let mut history = vec![Action::Upload(vec![(0, Bytes::Text(1))])];
    history.extend(indexed);
    history.extend([
        Action::Delete { name: 0, is_lost: false, is_purge: false },
        next(Fate::Handled),
        next(Fate::DeadLetter),
        Action::Upload(vec![(0, Bytes::Binary)]),
    ]);
    Box::pin(play(&Pipeline::start(&pool).await, &history)).await.unwrap();
}

/// Found by the test above: the removal deleted the points of the new version; and left those of the old one where
/// the new one failed.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_uploaded_again_before_its_removal_has_the_points_of_the_new_version(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    for again in [Bytes::Text(3), Bytes::Binary] {
        let mut history = vec![Action::Upload(vec![(0, Bytes::Text(0))])];
        history.extend(std::iter::repeat_n(Action::Deliver { place: 0, fate: Fate::Handled }, 4));
        history.extend([
            Action::Upload(vec![(1, Bytes::Text(1))]),
            Action::Delete { name: 0, is_lost: false, is_purge: false },
            // Joins the upload that has been waiting since before the deletion.
            Action::Upload(vec![(0, again)]),
        ]);
        Box::pin(play(&pipeline, &history)).await.unwrap();
    }
}

/// Found by the test above, when documents with equal bytes shared points: its bytes were no longer
/// searchable, and no operation would have changed that.
#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_with_the_bytes_of_one_that_changes_stays_searchable(pool: PgPool) {
    let deliver = |place| Action::Deliver { place, fate: Fate::Handled };
    let history = [
        vec![Action::Upload(vec![(0, Bytes::Text(0))])],
        vec![deliver(0); 4],
        vec![Action::Upload(vec![(1, Bytes::Text(0))])],
        vec![deliver(0); 4],
        vec![
            Action::Upload(vec![(0, Bytes::Text(2))]),
            deliver(0),
            Action::Upload(vec![(1, Bytes::Text(3))]),
        ],
        // After the message of the upload that waits.
        vec![deliver(0), deliver(1), deliver(1), Action::Cancel { place: 0 }],
    ];
    Box::pin(play(&Pipeline::start(&pool).await, &history.concat())).await.unwrap();
}

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn an_upload_replaced_between_its_read_and_its_copy_is_staged_with_the_new_bytes(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    let mut world = World::new(&pipeline).await;
    world.upload(&[(0, Bytes::Text(0))]).await;
    pipeline.aws.replace_after_read(&world.upload_key(NAMES[0]), Bytes::Text(1).content());
    world.settle().await.unwrap();
    world.check().await.unwrap();
    let staged = world.staged_content(NAMES[0]).await;
    assert!(staged == Some(Bytes::Text(1).content()));
}

#[expect(clippy::disallowed_methods, reason = "a setting of the test runner, not of a function")]
fn requested_cases() -> Option<u32> {
    Some(std::env::var("PROPTEST_CASES").ok()?.parse().unwrap())
}

/// Plays a history in a collection of its own, then stops the faults and checks the result.
async fn play(pipeline: &Pipeline, history: &[Action]) -> Result<(), String> {
    let mut world = World::new(pipeline).await;
    for (number, action) in history.iter().enumerate() {
        world.act(action).await;
        world.look().await.map_err(|wrong| format!("after action {number}, {action:?}: {wrong}"))?;
    }
    world.settle().await?;
    world.check().await.map_err(|wrong| format!("when all had ended: {wrong}"))?;
    // No document is stuck in a state that uploading it again would not heal.
    let everything: Vec<(usize, Bytes)> =
        (0..NAMES.len()).map(|name| (name, Bytes::Text(u8::try_from(name % 4).unwrap()))).collect();
    world.upload(&everything).await;
    world.settle().await?;
    world.check().await.map_err(|wrong| format!("after all was uploaded again: {wrong}"))?;
    let completed = world.count("status = 'completed'").await;
    if completed != NAMES.len() as i64 {
        return Err(format!("{completed} documents are searchable after all was uploaded again"));
    }
    world.repair().await?;
    match world.discrepancies().await.as_slice() {
        [] => Ok(()),
        found => Err(format!("after a repair: the integrity check finds {found:?}")),
    }
}
