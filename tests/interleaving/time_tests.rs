//! A model that is too slow for the time limit of its function.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sqlx::PgPool;

use crate::bytes::Bytes;
use crate::pipeline::Pipeline;
use crate::world::{NAMES, World};

/// A batch of 256 chunks takes 5 seconds, an invocation may take 2.
const TEXT_MS: u64 = 20;
const LIMIT: Duration = Duration::from_secs(2);

/// The queue's limit on the deliveries of a message.
const MAX_DELIVERIES: u32 = 9;

#[sqlx::test(migrator = "db::MIGRATOR")]
async fn a_document_that_needs_several_invocations_is_indexed_without_a_time_out(pool: PgPool) {
    let pipeline = Pipeline::start(&pool).await;
    let mut world = World::new(&pipeline).await;
    pipeline.model.text_ms.store(TEXT_MS, Ordering::Relaxed);
    pipeline.model.limit_ms.store(LIMIT.as_millis() as u64, Ordering::Relaxed);
    let content = Bytes::Text(1);
    world.upload(&[(0, content)]).await;

    let (mut deliveries, mut handed_back): (HashMap<usize, u32>, u32) = (HashMap::new(), 0);
    while let Some(message) = pipeline.aws.messages().into_iter().next() {
        let started = Instant::now();
        let is_done = pipeline.handle(&message, None).await;
        if is_done {
            pipeline.aws.delete_message(message.id);
        }
        if message.queue == "embed" {
            assert!(started.elapsed() < LIMIT, "it was stopped after {:?}", started.elapsed());
            handed_back += u32::from(!is_done);
            let delivered = deliveries.entry(message.id).and_modify(|count| *count += 1).or_insert(1);
            assert!(*delivered < MAX_DELIVERIES, "it would be a dead letter");
        }
    }
    let invocations: u32 = deliveries.values().sum();
    assert!(invocations >= 5, "{invocations} invocations");
    eprintln!("{} chunks in {invocations} invocations, {handed_back} partial responses", content.chunks());
    assert!(handed_back >= 2, "{handed_back} partial responses");
    assert_eq!(pipeline.model.texts.load(Ordering::Relaxed), u64::from(content.chunks()), "each text once");
    world.check().await.unwrap();
    assert_eq!(world.count("status = 'completed'").await, 1, "{}", NAMES[0]);
}
