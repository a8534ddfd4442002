//! The crate `vectors`, which is all that the program sees of Qdrant.

use std::time::Duration;

use domain::{Classify, CollectionId, DocumentId, ErrorKind, Quantization, point_id};
use qdrant_client::qdrant::DeleteFieldIndexCollectionBuilder;
use secrecy::SecretString;
use uuid::Uuid;
use vectors::{
    ChunkMetadata, ChunkPayload, ChunkPoint, CollectionSpec, DenseQuery, VectorStore, VectorsConfig,
};

use crate::support::{Context, Numbers, contract, cosine};

const DIMENSION: usize = 8;

fn store(context: &Context) -> VectorStore {
    let mut config = VectorsConfig::new(&context.url);
    config.api_key = context.api_key.clone().map(SecretString::from);
    config.timeout = Duration::from_secs(60);
    VectorStore::connect(&config).unwrap()
}

fn spec(context: &Context, quantization: Quantization) -> CollectionSpec {
    let name = context.name(quantization.as_str());
    CollectionSpec { name, dimension: DIMENSION as u64, quantization }
}

fn document(number: u128) -> DocumentId {
    DocumentId(Uuid::from_u128(number))
}

/// The chunks of one generation of a document.
fn chunks(document_id: DocumentId, source_id: i64, generation: i32, count: u32) -> Vec<ChunkPoint> {
    let chunks = (0..count).map(|index| {
        let id = point_id(document_id, generation, index);
        let vector = Numbers(id.as_u64_pair().0).vector(DIMENSION);
        let payload = ChunkPayload {
            document_id,
            collection_id: CollectionId(Uuid::from_u128(1)),
            source_id,
            generation,
            chunk_index: i32::try_from(index).unwrap(),
            content: format!("chunk {index}"),
            metadata: ChunkMetadata {
                source_path: "notes/a.md".to_owned(),
                file_name: "a.md".to_owned(),
                mime_type: "text/markdown".to_owned(),
                created_at: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
                start_offset: 0,
                end_offset: 7,
            },
        };
        ChunkPoint { id, vector, payload }
    });
    chunks.collect()
}

fn query(vector: &[f32]) -> DenseQuery {
    DenseQuery { vector: vector.to_vec(), limit: 10, offset: 0, score_threshold: None, exact: false }
}

#[tokio::test]
async fn a_collection_is_ensured_as_often_as_one_likes() {
    contract(async |context| {
        let store = store(&context);
        store.health().await.unwrap();
        for quantization in [Quantization::Float32, Quantization::Float16, Quantization::Int8] {
            let spec = spec(&context, quantization);
            store.ensure_collection(&spec).await.unwrap();
            store.upsert(&spec.name, chunks(document(1), 1, 1, 1)).await.unwrap();
            store.ensure_collection(&spec).await.unwrap();
            assert_eq!(store.count(&spec.name).await.unwrap(), 1);

            let other = CollectionSpec { dimension: 9, ..spec.clone() };
            let error = store.ensure_collection(&other).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            let said = format!("has vectors of dimension 8 stored as {quantization}");
            assert!(error.to_string().contains(&said), "{error}");
        }
        let spec = spec(&context, Quantization::Float32);
        let other = CollectionSpec { quantization: Quantization::Int8, ..spec };
        let error = store.ensure_collection(&other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    })
    .await;
}

#[tokio::test]
async fn several_may_ensure_the_same_collection_at_once() {
    contract(async |context| {
        let spec = spec(&context, Quantization::Float32);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (store, spec) = (store(&context), spec.clone());
                tokio::spawn(async move { store.ensure_collection(&spec).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        assert_eq!(store(&context).count(&spec.name).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_missing_payload_index_is_made_again() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float32));
        store.ensure_collection(&spec).await.unwrap();
        let schema = async || {
            let info = context.client.collection_info(&spec.name).await.unwrap();
            info.result.unwrap().payload_schema
        };
        let complete = schema().await;
        assert_eq!(complete.len(), 7);
        let request = DeleteFieldIndexCollectionBuilder::new(&spec.name, "document_id").wait(true);
        context.client.delete_field_index(request).await.unwrap();
        assert_eq!(schema().await.len(), 6);
        store.ensure_collection(&spec).await.unwrap();
        assert_eq!(schema().await, complete);
    })
    .await;
}

#[tokio::test]
async fn documents_come_and_go_by_generation_and_source() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float32));
        store.ensure_collection(&spec).await.unwrap();
        let name = spec.name.as_str();
        // Several batches, and once more: nothing is doubled.
        for _ in 0..2 {
            store.upsert(name, chunks(document(1), 1, 1, 250)).await.unwrap();
        }
        store.upsert(name, chunks(document(1), 1, 2, 30)).await.unwrap();
        store.upsert(name, chunks(document(2), 1, 1, 7)).await.unwrap();
        store.upsert(name, chunks(document(3), 2, 1, 5)).await.unwrap();
        store.upsert(name, Vec::new()).await.unwrap();
        assert_eq!(store.count(name).await.unwrap(), 292);
        assert_eq!(store.count_document(name, document(1), 1).await.unwrap(), 250);

        store.delete_generations_before(name, document(1), 2).await.unwrap();
        assert_eq!(store.count_document(name, document(1), 1).await.unwrap(), 0);
        assert_eq!(store.count_document(name, document(1), 2).await.unwrap(), 30);
        assert_eq!(store.count_document(name, document(2), 1).await.unwrap(), 7);
        store.upsert(name, chunks(document(2), 1, 2, 3)).await.unwrap();
        store.delete_generation(name, document(2), 2).await.unwrap();
        assert_eq!(store.count(name).await.unwrap(), 42);
        store.delete_documents(name, &[document(2), document(9)]).await.unwrap();
        assert_eq!(store.count(name).await.unwrap(), 35);
        store.delete_source(name, 1).await.unwrap();
        assert_eq!(store.count(name).await.unwrap(), 5);

        store.delete_collection(name).await.unwrap();
        store.delete_collection(name).await.unwrap();
        store.delete_source(name, 2).await.unwrap();
        assert_eq!(store.count(name).await.unwrap_err().kind(), ErrorKind::NotFound);
    })
    .await;
}

#[tokio::test]
async fn chunks_are_read_by_their_ids_in_the_order_asked_for() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float16));
        let name = spec.name.as_str();
        let stored = chunks(document(1), 1, 1, 12);
        let ids: Vec<_> = stored.iter().rev().map(|chunk| chunk.id).collect();
        // A collection that is not there has no chunks.
        assert_eq!(store.get_chunks(name, &ids).await.unwrap(), []);
        store.ensure_collection(&spec).await.unwrap();
        store.upsert(name, stored.clone()).await.unwrap();
        assert_eq!(store.get_chunks(name, &[]).await.unwrap(), []);
        let mut asked = ids.clone();
        asked.insert(3, uuid::Uuid::from_u128(99));
        let found = store.get_chunks(name, &asked).await.unwrap();
        let expected: Vec<_> = stored.iter().rev().map(|chunk| (chunk.id, &chunk.payload)).collect();
        let found: Vec<_> = found.iter().map(|chunk| (chunk.id, &chunk.payload)).collect();
        assert_eq!(found, expected);
    })
    .await;
}

#[tokio::test]
async fn a_search_returns_what_was_stored_by_similarity() {
    contract(async |context| {
        for quantization in [Quantization::Float32, Quantization::Float16, Quantization::Int8] {
            let (store, spec) = (store(&context), spec(&context, quantization));
            store.ensure_collection(&spec).await.unwrap();
            let stored = chunks(document(1), 1, 1, 60);
            store.upsert(&spec.name, stored.clone()).await.unwrap();
            let vector = Numbers(4).vector(DIMENSION);
            let mut expected: Vec<_> =
                stored.iter().map(|chunk| (cosine(&chunk.vector, &vector), chunk)).collect();
            expected.sort_by(|(left, _), (right, _)| right.total_cmp(left));

            let found = store.search(&spec.name, &query(&vector)).await.unwrap();
            assert_eq!(found.len(), 10);
            for (found, (score, chunk)) in found.iter().zip(&expected) {
                assert!((found.score - score).abs() < 2e-3, "{} is not {score}", found.score);
                if quantization != Quantization::Float16 {
                    assert_eq!((found.id, &found.payload), (chunk.id, &chunk.payload));
                }
            }
            let exact = DenseQuery { exact: true, limit: 3, offset: 2, ..query(&vector) };
            let page = store.search(&spec.name, &exact).await.unwrap();
            let ids =
                |chunks: &[vectors::ScoredChunk]| chunks.iter().map(|chunk| chunk.id).collect::<Vec<_>>();
            assert_eq!(ids(&page), ids(&found[2..5]));
            let threshold = (found[3].score + found[4].score) / 2.0;
            let cut = DenseQuery { score_threshold: Some(threshold), ..query(&vector) };
            assert_eq!(store.search(&spec.name, &cut).await.unwrap().len(), 4);
        }
    })
    .await;
}

#[tokio::test]
async fn refusals_are_told_apart() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float32));
        let missing = store.search(&spec.name, &query(&[0.0; DIMENSION])).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let error = store.upsert(&spec.name, chunks(document(1), 1, 1, 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        store.ensure_collection(&spec).await.unwrap();
        let wrong = store.search(&spec.name, &query(&[0.0; DIMENSION + 1])).await.unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Invalid);
        assert!(wrong.to_string().contains("expected dim: 8, got 9"), "{wrong}");
    })
    .await;
}
