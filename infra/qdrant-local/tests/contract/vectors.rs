//! The crate `vectors`, the only user of Qdrant in this workspace.

use std::time::Duration;

use domain::{
    ChunkPlace, ChunkRecord, Classify, CollectionId, DocumentId, DocumentMetadata, ErrorKind, Generation,
    MetadataValue, Quantization, SearchMode, SourceId, point_id,
};
use qdrant_client::qdrant::vectors_config::Config;
use qdrant_client::qdrant::{
    CreateCollectionBuilder, DeleteFieldIndexCollectionBuilder, Distance, VectorParamsBuilder,
    VectorParamsMap,
};
use secrets::SecretSource;
use uuid::Uuid;
use vectors::{
    ChunkFilter, ChunkPoint, ChunkQuery, DocumentGeneration, IndexSpec, IndexStorage, ScoredChunk,
    VectorDatabase, VectorsConfig, VectorsError,
};

use crate::support::{Context, Numbers, contract, cosine, eventually};

pub(crate) const DIMENSION: usize = 8;

pub(crate) fn store(context: &Context) -> VectorDatabase {
    let mut config = VectorsConfig::new(&context.url);
    config.api_key = context.api_key.clone().map(|key| SecretSource::Value(key.into()));
    config.timeout = Duration::from_secs(60);
    VectorDatabase::connect(&config).unwrap()
}

pub(crate) fn spec(context: &Context, quantization: Quantization) -> IndexSpec {
    let name = context.name(quantization.as_str());
    IndexSpec { name, dimension: DIMENSION as u64, quantization, storage: IndexStorage::default() }
}

pub(crate) fn document(number: u128) -> DocumentId {
    DocumentId(Uuid::from_u128(number))
}

pub(crate) fn document_generation(
    document_id: DocumentId,
    source_id: i64,
    generation: i32,
) -> DocumentGeneration {
    DocumentGeneration {
        document_id,
        collection_id: CollectionId(Uuid::from_u128(1)),
        source_id: Some(SourceId(source_id)),
        generation: Generation(generation),
        uri: "upload://notes/a.md".to_owned(),
        path: "notes/a.md".to_owned(),
        file_name: "a.md".to_owned(),
        mime_type: Some("text/markdown".to_owned()),
        first_seen_at: chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        metadata: DocumentMetadata::default(),
    }
}

pub(crate) fn record(index: u32, text: &str) -> ChunkRecord {
    ChunkRecord {
        index,
        text: text.to_owned(),
        start_offset: 0,
        end_offset: 7,
        token_count: 4,
        parent: None,
        place: ChunkPlace::default(),
        context: None,
    }
}

/// Returns the points of one generation of a document.
pub(crate) fn chunks(
    document_id: DocumentId,
    source_id: i64,
    generation: i32,
    count: u32,
) -> Vec<ChunkPoint> {
    let records: Vec<_> = (0..count).map(|index| record(index, &format!("chunk {index}"))).collect();
    let seed = |index| point_id(document_id, Generation(generation), index).as_u64_pair().0;
    let vectors: Vec<_> = (0..count).map(|index| Numbers(seed(index)).vector(DIMENSION)).collect();
    document_generation(document_id, source_id, generation).points(&records, vectors)
}

pub(crate) fn query(vector: &[f32]) -> ChunkQuery {
    ChunkQuery {
        mode: SearchMode::Dense,
        vector: vector.to_vec(),
        text: String::new(),
        rank_constant: 60,
        min_similarity: None,
        filter: ChunkFilter::default(),
        limit: 10,
        exact: false,
    }
}

#[tokio::test]
async fn ensuring_an_index_is_idempotent() {
    contract(async |context| {
        let store = store(&context);
        store.health().await.unwrap();
        for quantization in [Quantization::Float32, Quantization::Float16, Quantization::Int8] {
            let spec = spec(&context, quantization);
            store.ensure_index(&spec).await.unwrap();
            store.upsert(&spec.name, chunks(document(1), 1, 1, 1)).await.unwrap();
            store.ensure_index(&spec).await.unwrap();
            assert_eq!(store.count(&spec.name).await.unwrap(), 1);

            let other = IndexSpec { dimension: 9, ..spec.clone() };
            let error = store.ensure_index(&other).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            let storage = match quantization {
                Quantization::Int8 => "float32 with int8 copies",
                precision => precision.as_str(),
            };
            let expected = format!("has vectors of dimension 8 stored as {storage}");
            assert!(error.to_string().contains(&expected), "{error}");
        }
        let spec = spec(&context, Quantization::Float32);
        let other = IndexSpec { quantization: Quantization::Int8, ..spec };
        let error = store.ensure_index(&other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    })
    .await;
}

#[tokio::test]
async fn concurrent_callers_can_ensure_the_same_index() {
    contract(async |context| {
        let spec = spec(&context, Quantization::Float32);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (store, spec) = (store(&context), spec.clone());
                tokio::spawn(async move { store.ensure_index(&spec).await })
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
async fn a_missing_payload_index_is_created_again() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float32));
        store.ensure_index(&spec).await.unwrap();
        let schema = async || {
            let info = context.client.collection_info(&spec.name).await.unwrap();
            info.result.unwrap().payload_schema
        };
        let complete = schema().await;
        assert_eq!(complete.len(), 11);
        let request = DeleteFieldIndexCollectionBuilder::new(&spec.name, "document_id").wait(true);
        context.client.delete_field_index(request).await.unwrap();
        assert_eq!(schema().await.len(), 10);
        store.ensure_index(&spec).await.unwrap();
        assert_eq!(schema().await, complete);
    })
    .await;
}

#[tokio::test]
async fn an_index_without_attributes_is_detected_and_completed() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float32));
        store.ensure_index(&spec).await.unwrap();
        store.upsert(&spec.name, chunks(document(1), 1, 1, 3)).await.unwrap();
        let request = DeleteFieldIndexCollectionBuilder::new(&spec.name, "attributes").wait(true);
        context.client.delete_field_index(request).await.unwrap();
        let wanted = ("topic".to_owned(), vec![MetadataValue::Text("tides".to_owned())]);
        let filter = ChunkFilter { attributes: [wanted].into(), ..ChunkFilter::default() };
        let requested = ChunkQuery { filter, ..query(&at(0)) };
        // Qdrant Cloud rejects the filter; a self-hosted server scans every point.
        match store.search(&spec.name, &requested).await {
            Ok(found) => assert_eq!(found, []),
            Err(error) => assert!(matches!(error, VectorsError::AttributesMissing { .. }), "{error}"),
        }
        store.ensure_index(&spec).await.unwrap();
        assert_eq!(store.search(&spec.name, &requested).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn points_are_deleted_by_generation_document_and_source() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float32));
        store.ensure_index(&spec).await.unwrap();
        let name = spec.name.as_str();
        // Several batches, written twice: there are no duplicates.
        for _ in 0..2 {
            store.upsert(name, chunks(document(1), 1, 1, 250)).await.unwrap();
        }
        store.upsert(name, chunks(document(1), 1, 2, 30)).await.unwrap();
        store.upsert(name, chunks(document(2), 1, 1, 7)).await.unwrap();
        store.upsert(name, chunks(document(3), 2, 1, 5)).await.unwrap();
        store.upsert(name, Vec::new()).await.unwrap();
        assert_eq!(store.count(name).await.unwrap(), 292);
        assert_eq!(store.count_document(name, document(1), Generation(1)).await.unwrap(), 250);

        store.delete_generations_before(name, document(1), Generation(2)).await.unwrap();
        eventually("the old generation is deleted", async || {
            store.count_document(name, document(1), Generation(1)).await.unwrap() == 0
        })
        .await;
        assert_eq!(store.count_document(name, document(1), Generation(2)).await.unwrap(), 30);
        assert_eq!(store.count_document(name, document(2), Generation(1)).await.unwrap(), 7);
        store.upsert(name, chunks(document(2), 1, 2, 3)).await.unwrap();
        store.delete_generation(name, document(2), Generation(2)).await.unwrap();
        assert_eq!(store.count(name).await.unwrap(), 42);
        store.delete_documents(name, &[document(2), document(9)]).await.unwrap();
        assert_eq!(store.count(name).await.unwrap(), 35);
        store.delete_source(name, 1).await.unwrap();
        assert_eq!(store.count(name).await.unwrap(), 5);

        store.delete_index(name).await.unwrap();
        store.delete_index(name).await.unwrap();
        store.delete_source(name, 2).await.unwrap();
        assert_eq!(store.count(name).await.unwrap_err().kind(), ErrorKind::NotFound);
    })
    .await;
}

#[tokio::test]
async fn chunks_are_read_by_id_in_the_given_order() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float16));
        let name = spec.name.as_str();
        let stored = chunks(document(1), 1, 1, 12);
        let ids: Vec<_> = stored.iter().rev().map(|chunk| chunk.id).collect();
        // An index that does not exist has no chunks.
        assert_eq!(store.find_chunks(name, &ids).await.unwrap(), []);
        store.ensure_index(&spec).await.unwrap();
        store.upsert(name, stored.clone()).await.unwrap();
        assert_eq!(store.find_chunks(name, &[]).await.unwrap(), []);
        let mut requested = ids.clone();
        requested.insert(3, uuid::Uuid::from_u128(99));
        let found = store.find_chunks(name, &requested).await.unwrap();
        let expected: Vec<_> = stored.iter().rev().map(|chunk| (chunk.id, &chunk.payload)).collect();
        let found: Vec<_> = found.iter().map(|chunk| (chunk.id, &chunk.payload)).collect();
        assert_eq!(found, expected);
    })
    .await;
}

#[tokio::test]
async fn a_dense_search_ranks_by_cosine_similarity() {
    contract(async |context| {
        for quantization in [Quantization::Float32, Quantization::Float16, Quantization::Int8] {
            let (store, spec) = (store(&context), spec(&context, quantization));
            store.ensure_index(&spec).await.unwrap();
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
            let exact = ChunkQuery { exact: true, limit: 3, ..query(&vector) };
            let best = store.search(&spec.name, &exact).await.unwrap();
            let ids = |chunks: &[ScoredChunk]| chunks.iter().map(|chunk| chunk.id).collect::<Vec<_>>();
            assert_eq!(ids(&best), ids(&found[..3]));
            let least = (found[3].score + found[4].score) / 2.0;
            let cut = ChunkQuery { min_similarity: Some(least), ..query(&vector) };
            assert_eq!(store.search(&spec.name, &cut).await.unwrap().len(), 4);
        }
    })
    .await;
}

/// Stores chunks 0 to 4 with vectors at 0, 10, 20, ... degrees from the first axis.
async fn with_texts(context: &Context) -> (VectorDatabase, String) {
    let (store, spec) = (store(context), spec(context, Quantization::Float32));
    store.ensure_index(&spec).await.unwrap();
    let texts = ["the sea", "a tide, tides and the sea", "sea, sea and sea", "tides", "nothing of it"];
    let records: Vec<_> = (0..).zip(texts).map(|(index, text)| record(index, text)).collect();
    let vectors: Vec<_> = (0..5).map(at).collect();
    store.upsert(&spec.name, document_generation(document(1), 1, 1).points(&records, vectors)).await.unwrap();
    (store, spec.name)
}

fn at(tens_of_degrees: u8) -> Vec<f32> {
    let angle = (f32::from(tens_of_degrees) * 10.0).to_radians();
    let mut vector = vec![0.0; DIMENSION];
    (vector[0], vector[1]) = (angle.cos(), angle.sin());
    vector
}

fn indexes(found: &[ScoredChunk]) -> Vec<i32> {
    found.iter().map(|chunk| chunk.payload.chunk_index).collect()
}

#[tokio::test]
async fn sparse_search_matches_terms_and_hybrid_search_fuses_by_rank() {
    contract(async |context| {
        let (store, name) = with_texts(&context).await;
        let sparse = ChunkQuery { mode: SearchMode::Sparse, text: "a tide".to_owned(), ..query(&[]) };
        let found = store.search(&name, &sparse).await.unwrap();
        assert_eq!(indexes(&found), [1, 3]);
        // Two of five chunks have the stem, the only term that chunk 3 shares with the query.
        let rarity = ((5.0 - 2.0 + 0.5) / (2.0 + 0.5) + 1.0_f32).ln();
        let (chunk, query_terms) = (bm25::chunk_terms("tides"), bm25::query_terms("a tide"));
        let shared = chunk.ids.iter().zip(&chunk.weights).filter_map(|(id, weight)| {
            let place = query_terms.ids.iter().position(|other| other == id)?;
            Some(weight * query_terms.weights[place])
        });
        let weight: f32 = shared.sum();
        assert!((found[1].score - rarity * weight).abs() < 1e-4, "{}", found[1].score);
        let nothing = ChunkQuery { text: "what is this?".to_owned(), ..sparse.clone() };
        assert_eq!(store.search(&name, &nothing).await.unwrap(), []);

        let hybrid = ChunkQuery { mode: SearchMode::Hybrid, vector: at(4), ..sparse.clone() };
        let found = store.search(&name, &hybrid).await.unwrap();
        // By vector: 4, 3, 2, 1, 0. By terms: 1, 3.
        assert_eq!(indexes(&found), [3, 1, 4, 2, 0]);
        let by_rank = |rank: f32| 1.0 / (60.0 + rank);
        for (chunk, score) in found.iter().zip([by_rank(2.0) + by_rank(2.0), by_rank(1.0) + by_rank(4.0)]) {
            assert!((chunk.score - score).abs() < 1e-6, "{} is not {score}", chunk.score);
        }
        let without_terms = ChunkQuery { text: "what is this?".to_owned(), ..hybrid };
        let found = store.search(&name, &without_terms).await.unwrap();
        assert_eq!(indexes(&found), [4, 3, 2, 1, 0]);
    })
    .await;
}

#[tokio::test]
async fn min_similarity_means_the_same_in_every_mode() {
    contract(async |context| {
        let (store, name) = with_texts(&context).await;
        // Chunks 0 to 2 are within 25 degrees.
        let least = Some(25_f32.to_radians().cos());
        let requested = |mode| ChunkQuery {
            mode,
            vector: at(0),
            text: "tide in the sea".to_owned(),
            min_similarity: least,
            ..query(&[])
        };
        let found = store.search(&name, &requested(SearchMode::Dense)).await.unwrap();
        assert_eq!(indexes(&found), [0, 1, 2]);
        let unlimited = ChunkQuery { min_similarity: None, ..requested(SearchMode::Sparse) };
        let all = store.search(&name, &unlimited).await.unwrap();
        assert_eq!(indexes(&all), [1, 3, 2, 0]);
        let found = store.search(&name, &requested(SearchMode::Sparse)).await.unwrap();
        assert_eq!(indexes(&found), [1, 2, 0]);
        for (chunk, score) in found.iter().zip([all[0].score, all[2].score, all[3].score]) {
            assert!((chunk.score - score).abs() < 1e-5, "{} is not {score}", chunk.score);
        }
        // By vector: 0, 1, 2. By terms, of these: 1, 2, 0.
        let found = store.search(&name, &requested(SearchMode::Hybrid)).await.unwrap();
        assert_eq!(indexes(&found), [1, 0, 2]);
    })
    .await;
}

#[tokio::test]
async fn filters_apply_in_every_mode() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float32));
        store.ensure_index(&spec).await.unwrap();
        let later = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let other = DocumentGeneration {
            path: "notes/2024/b.txt".to_owned(),
            file_name: "b.txt".to_owned(),
            mime_type: Some("text/plain".to_owned()),
            first_seen_at: later,
            metadata: serde_json::from_value(serde_json::json!({ "topic": "tides", "year": 2024 })).unwrap(),
            ..document_generation(document(2), 2, 1)
        };
        for (number, document) in [document_generation(document(1), 1, 1), other].iter().enumerate() {
            let vector = at(u8::try_from(number).unwrap());
            store.upsert(&spec.name, document.points(&[record(0, "tides")], vec![vector])).await.unwrap();
        }
        let text = |text: &str| vec![text.to_owned()];
        let attribute = |key: &str, value| (key.to_owned(), vec![value]);
        let (tides, year) = (MetadataValue::Text("tides".to_owned()), MetadataValue::Integer(2024));
        let both = [attribute("topic", tides.clone()), attribute("year", year)];
        let other_type =
            [attribute("topic", tides), attribute("year", MetadataValue::Text("2024".to_owned()))];
        let filters: [(ChunkFilter, &[u128]); 12] = [
            (ChunkFilter::default(), &[1, 2]),
            (ChunkFilter { document_ids: vec![document(2), document(9)], ..Default::default() }, &[2]),
            (ChunkFilter { source_ids: vec![1], ..Default::default() }, &[1]),
            (ChunkFilter { mime_types: text("text/plain"), ..Default::default() }, &[2]),
            (ChunkFilter { file_names: text("a.md"), ..Default::default() }, &[1]),
            (ChunkFilter { path_prefixes: text("notes"), ..Default::default() }, &[1, 2]),
            (ChunkFilter { path_prefixes: text("notes/2024"), ..Default::default() }, &[2]),
            (ChunkFilter { path_prefixes: text("notes/20"), ..Default::default() }, &[]),
            (ChunkFilter { created_from: Some(later), ..Default::default() }, &[2]),
            (ChunkFilter { created_before: Some(later), source_ids: vec![1, 2], ..Default::default() }, &[1]),
            (ChunkFilter { attributes: both.into(), ..Default::default() }, &[2]),
            (ChunkFilter { attributes: other_type.into(), ..Default::default() }, &[]),
        ];
        for mode in [SearchMode::Dense, SearchMode::Sparse, SearchMode::Hybrid] {
            for min_similarity in [None, Some(0.5)] {
                for (filter, expected) in &filters {
                    let (text, filter) = ("tide".to_owned(), filter.clone());
                    let requested = ChunkQuery { mode, text, min_similarity, filter, ..query(&at(0)) };
                    let found = store.search(&spec.name, &requested).await.unwrap();
                    let mut documents: Vec<_> =
                        found.iter().map(|chunk| chunk.payload.document_id.0.as_u128()).collect();
                    documents.sort_unstable();
                    assert_eq!(documents, *expected, "{requested:?}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_index_without_sparse_vectors_supports_dense_search_only() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float32));
        let vectors = VectorParamsBuilder::new(DIMENSION as u64, Distance::Cosine).build();
        let vectors = VectorParamsMap { map: [("dense".to_owned(), vectors)].into() };
        let request = CreateCollectionBuilder::new(&spec.name).vectors_config(Config::ParamsMap(vectors));
        context.client.create_collection(request).await.unwrap();
        store.ensure_index(&spec).await.unwrap();
        store.upsert(&spec.name, chunks(document(1), 1, 1, 250)).await.unwrap();
        assert_eq!(store.count(&spec.name).await.unwrap(), 250);
        assert_eq!(store.search(&spec.name, &query(&at(0))).await.unwrap().len(), 10);
        for mode in [SearchMode::Sparse, SearchMode::Hybrid] {
            let requested = ChunkQuery { mode, text: "chunk".to_owned(), ..query(&at(0)) };
            let error = store.search(&spec.name, &requested).await.unwrap_err();
            assert!(matches!(error, VectorsError::VectorMissing { .. }), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn errors_are_classified() {
    contract(async |context| {
        let (store, spec) = (store(&context), spec(&context, Quantization::Float32));
        let missing = store.search(&spec.name, &query(&[0.0; DIMENSION])).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let error = store.upsert(&spec.name, chunks(document(1), 1, 1, 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        store.ensure_index(&spec).await.unwrap();
        let wrong = store.search(&spec.name, &query(&[0.0; DIMENSION + 1])).await.unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::Invalid);
        assert!(wrong.to_string().contains("expected dim: 8, got 9"), "{wrong}");
    })
    .await;
}
