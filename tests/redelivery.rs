//! Messages are delivered at least once: a redelivered message changes nothing.

use domain::{ChunkDocument, EmbedBatch, ScanMessage};
use testkit::{Stack, TestUser, Upload};

#[tokio::test]
async fn redelivered_messages_of_every_stage_change_nothing() {
    let stack = Stack::from_env();
    let user = TestUser::register(&stack).await;
    let collection = user.create_collection().await;
    let document =
        user.upload(&collection, &[Upload::text("a.txt", "Obsidian is volcanic glass.")]).await.remove(0);
    user.wait_until_idle(&collection).await;
    let before = snapshot(&stack, &user, &collection).await;

    let db = db::Db::connect(&db::DbConfig::by_url(stack.database_url.as_str())).unwrap();
    let item = {
        let mut connection = db.connection().await.unwrap();
        let document_id = document["id"].as_str().unwrap().parse().unwrap();
        connection.operation_items().find_latest_of_document(document_id).await.unwrap().unwrap()
    };
    let queues = queue::Queues::new(&aws::sdk_config().await, queue_urls());
    let (operation_id, item_id) = (item.operation_id, item.id);
    for _ in 0..3 {
        let run = ScanMessage::RunOperation { operation_id };
        let stage = ScanMessage::StageItems { operation_id, item_ids: vec![item_id] };
        queues.send_scan(&[run, stage]).await.unwrap();
        queues.send_chunk(&[ChunkDocument { operation_id, item_id }]).await.unwrap();
        queues.send_embed(&[EmbedBatch::new(operation_id, item_id, 0)]).await.unwrap();
    }
    // A later upload passes through the same queues, after the repeated messages.
    user.upload(&collection, &[Upload::text("b.txt", "Pumice floats on water.")]).await;
    for stage in [queue::Stage::Scan, queue::Stage::Chunk, queue::Stage::Embed] {
        drained(&queues, stage).await;
    }
    let after = snapshot(&stack, &user, &collection).await;
    assert_eq!(after.points, before.points + 1, "only the later upload added a point");
    assert_eq!(after.first_document, before.first_document);
}

struct Snapshot {
    points: u64,
    first_document: serde_json::Value,
}

async fn snapshot(stack: &Stack, user: &TestUser, collection: &str) -> Snapshot {
    let row = user.get(&format!("/api/v2/collections/{collection}")).await.expect(200);
    let qdrant = vectors::VectorDatabase::connect(&vectors::VectorsConfig::new(&stack.qdrant_url)).unwrap();
    let documents = user.get(&format!("/api/v2/collections/{collection}/documents")).await.expect(200);
    let rows = documents["documents"].as_array().unwrap();
    Snapshot {
        points: qdrant.count(row["vector_store_name"].as_str().unwrap()).await.unwrap(),
        first_document: rows.iter().find(|row| row["file_name"] == "a.txt").cloned().unwrap(),
    }
}

/// Waits until a queue is empty: every repeated message was handled and deleted.
async fn drained(queues: &queue::Queues, stage: queue::Stage) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while queues.depth(stage).await.unwrap() > 0 {
        assert!(std::time::Instant::now() < deadline, "the {} queue does not drain", stage.as_str());
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

fn queue_urls() -> queue::QueueUrls {
    let stack = Stack::from_env();
    queue::QueueUrls {
        scan: Some(stack.scan_queue_url),
        chunk: Some(stack.chunk_queue_url),
        embed: Some(stack.embed_queue_url),
        ..queue::QueueUrls::default()
    }
}
