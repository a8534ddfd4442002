//! A search with a smaller limit returns the beginning of the same ranking.

use std::collections::HashMap;

use domain::{DocumentId, Quantization, SearchMode};
use uuid::Uuid;
use vectors::{ChunkFilter, ChunkQuery, ScoredChunk};

use crate::support::{Numbers, contract};
use crate::vectors::{DIMENSION, document_generation, record, spec, store};

const CHUNKS: u32 = 600;

#[tokio::test]
async fn the_beginning_of_a_ranking_does_not_depend_on_the_limit() {
    contract(async |context| {
        for quantization in [Quantization::Float32, Quantization::Int8] {
            let (store, spec) = (store(&context), spec(&context, quantization));
            store.ensure_index(&spec).await.unwrap();
            // Twenty texts, so that many chunks have equal scores.
            for document in 1..=3 {
                let text = |index: u32| "tide ".repeat(1 + (index as usize * 7 + document) % 20);
                let records: Vec<_> = (0..CHUNKS / 3).map(|index| record(index, &text(index))).collect();
                let vector = |text: &str| Numbers(text.len() as u64).vector(DIMENSION);
                let vectors: Vec<_> = records.iter().map(|record| vector(&record.text)).collect();
                let version = document_generation(DocumentId(Uuid::from_u128(document as u128)), 1, 1);
                store.upsert(&spec.name, version.points(&records, vectors)).await.unwrap();
            }
            for mode in [SearchMode::Dense, SearchMode::Sparse, SearchMode::Hybrid] {
                let search = async |limit: u64| {
                    let query = ChunkQuery {
                        mode,
                        vector: Numbers(35).vector(DIMENSION),
                        text: "tide".to_owned(),
                        rank_constant: 60,
                        min_similarity: None,
                        filter: ChunkFilter::default(),
                        limit,
                        exact: false,
                    };
                    store.search(&spec.name, &query).await.unwrap()
                };
                let all = search(1000).await;
                assert_eq!(all.len(), CHUNKS as usize);
                let scores: HashMap<Uuid, f32> = all.iter().map(|chunk| (chunk.id, chunk.score)).collect();
                for limit in [1, 5, 7, 16, 40, 100, 201, 333, 599] {
                    let found = search(limit).await;
                    assert_eq!(found.len() as u64, limit);
                    let least = found.last().unwrap().score;
                    let better = |chunks: &[ScoredChunk]| {
                        let mut ids: Vec<Uuid> =
                            chunks.iter().filter(|chunk| chunk.score > least).map(|chunk| chunk.id).collect();
                        ids.sort_unstable();
                        ids
                    };
                    assert_eq!(better(&found), better(&all), "{mode:?} {quantization} {limit}");
                    for chunk in &found {
                        assert!((scores[&chunk.id] - chunk.score).abs() < f32::EPSILON, "{mode:?} {limit}");
                    }
                }
            }
        }
    })
    .await;
}
