//! Measures Qdrant without the rest of the system, for `scripts/bench`.
//!
//! `measure query URL COLLECTION_ID RESULTS`: for each line of standard input searches the index of the
//! collection, whatever its model and quantization, and prints the seconds and the number of results.
//!
//! `measure hnsw URL VECTORS [quantized]`: fills an index with synthetic vectors, with the settings of production or with
//! scalar quantization, waits until it is optimized, and prints recall@10 against exact search and latencies as one JSON object.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bm25::chunk_terms;
use chrono::DateTime;
use domain::{ChunkPlace, CollectionId, DocumentId, Generation, Quantization, SearchMode, point_id};
use qdrant_client::Qdrant;
use serde_json::json;
use uuid::Uuid;
use vectors::{
    ChunkFilter, ChunkMetadata, ChunkPayload, ChunkPoint, ChunkQuery, IndexSpec, IndexStorage,
    VectorDatabase, VectorsConfig,
};

const DIMENSION: usize = 384;
/// Vectors are clustered around centres, as those of texts are.
const CENTRES: u64 = 2000;
const RECALL_QUERIES: u64 = 200;
const QUERIES_PER_CLIENT: u64 = 150;
const INDEX_TIMEOUT: Duration = Duration::from_secs(1200);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["query", url, collection, results] => query(url, collection, results.parse()?).await,
        ["hnsw", url, vectors] => hnsw(url, vectors.parse()?, false).await,
        ["hnsw", url, vectors, "quantized"] => hnsw(url, vectors.parse()?, true).await,
        _ => Err("measure query URL COLLECTION_ID RESULTS | measure hnsw URL VECTORS [quantized]".into()),
    }
}

async fn query(url: &str, collection: &str, limit: u64) -> Result<(), Box<dyn Error>> {
    let store = VectorDatabase::connect(&VectorsConfig::new(url))?;
    let existing =
        Qdrant::from_url(url).skip_compatibility_check().build()?.list_collections().await?.collections;
    let name = existing
        .into_iter()
        .map(|entry| entry.name)
        .find(|name| name.contains(&collection.replace('-', "_")) || name.contains(collection));
    let name = name.ok_or("Qdrant has no index of this collection")?;
    let nearest = nearest(Synthetic(1).vector(0), limit, false);
    for line in stdin().lock().lines() {
        line?;
        let started = Instant::now();
        let found = store.search(&name, &nearest).await?;
        let mut out = stdout().lock();
        writeln!(out, "{:.6} {}", started.elapsed().as_secs_f64(), found.len())?;
        out.flush()?;
    }
    Ok(())
}

async fn hnsw(url: &str, count: u64, is_quantized: bool) -> Result<(), Box<dyn Error>> {
    let store = Arc::new(VectorDatabase::connect(&VectorsConfig::new(url))?);
    let name = format!("{}_bench_f32", Uuid::from_u128(0x5eed));
    store.delete_index(&name).await?;
    let spec = IndexSpec {
        name: name.clone(),
        dimension: DIMENSION as u64,
        quantization: Quantization::Float32,
        storage: IndexStorage { has_scalar_quantization: is_quantized, ..IndexStorage::default() },
    };
    store.ensure_index(&spec).await?;
    let started = Instant::now();
    for first in (0..count).step_by(1000) {
        let points = (first..count.min(first + 1000)).map(point).collect();
        store.upsert(&name, points).await?;
    }
    let indexed = await_index(url, &name).await?;
    let index_seconds = started.elapsed().as_secs_f64();
    let mut hits = 0;
    let mut exact_ms = Vec::new();
    for number in 0..RECALL_QUERIES {
        let started = Instant::now();
        let exact = ids(&store, &name, number, true).await?;
        exact_ms.push(started.elapsed().as_secs_f64() * 1000.0);
        let found = ids(&store, &name, number, false).await?;
        hits += exact.iter().filter(|id| found.contains(id)).count();
    }
    let mut latency = serde_json::Map::new();
    for clients in [1_u64, 4, 16] {
        let tasks = (0..clients).map(|client| {
            let (store, name) = (Arc::clone(&store), name.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                for turn in 0..QUERIES_PER_CLIENT {
                    let started = Instant::now();
                    ids(&store, &name, client * QUERIES_PER_CLIENT + turn, false)
                        .await
                        .map_err(|error| error.to_string())?;
                    times.push(started.elapsed().as_secs_f64() * 1000.0);
                }
                Ok::<_, String>(times)
            })
        });
        let mut times = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            times.extend(task.await??);
        }
        latency.insert(
            clients.to_string(),
            json!({"p50": percentile(&mut times, 50), "p99": percentile(&mut times, 99)}),
        );
    }
    store.delete_index(&name).await?;
    let recall = hits as f64 / (RECALL_QUERIES * 10) as f64;
    let exact_ms = percentile(&mut exact_ms, 50);
    let result = json!({"recall": recall, "indexed": indexed, "index_seconds": index_seconds, "exact_ms": exact_ms, "latency_ms": latency});
    writeln!(stdout(), "{result}")?;
    Ok(())
}

async fn ids(
    store: &VectorDatabase,
    name: &str,
    number: u64,
    exact: bool,
) -> Result<Vec<Uuid>, Box<dyn Error>> {
    // Not stored, but around the same centres.
    let vector = Synthetic(u64::MAX / 2 + number).vector(number);
    Ok(store.search(name, &nearest(vector, 10, exact)).await?.into_iter().map(|hit| hit.id).collect())
}

fn nearest(vector: Vec<f32>, limit: u64, exact: bool) -> ChunkQuery {
    ChunkQuery {
        mode: SearchMode::Dense,
        vector,
        text: String::new(),
        rank_constant: 60,
        min_similarity: None,
        filter: ChunkFilter::default(),
        limit,
        exact,
    }
}

/// Waits until the optimizers are done. Returns the number of indexed vectors, dense and sparse ones together;
/// segments below the indexing threshold are not indexed.
async fn await_index(url: &str, name: &str) -> Result<u64, Box<dyn Error>> {
    let client = Qdrant::from_url(url).skip_compatibility_check().build()?;
    let started = Instant::now();
    loop {
        let info = client.collection_info(name).await?.result.ok_or("the index was deleted")?;
        let indexed = info.indexed_vectors_count.unwrap_or(0);
        if info.status == 1 && indexed > 0 {
            return Ok(indexed);
        }
        if started.elapsed() > INDEX_TIMEOUT {
            return Err(format!("not indexed after {} s: {info:?}", INDEX_TIMEOUT.as_secs()).into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn percentile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn point(number: u64) -> ChunkPoint {
    let document_id = DocumentId(Uuid::from_u128(u128::from(number)));
    ChunkPoint {
        id: point_id(document_id, Generation(1), 0),
        vector: Synthetic(number).vector(number),
        terms: chunk_terms(&format!("synthetic text {number}")),
        payload: ChunkPayload {
            document_id,
            collection_id: CollectionId(Uuid::from_u128(0x5eed)),
            source_id: 0,
            generation: Generation(1),
            chunk_index: 0,
            content: format!("synthetic text {number}"),
            path_prefixes: vec![format!("{number}.txt")],
            attributes: Vec::new(),
            metadata: ChunkMetadata {
                source_path: format!("bench://{number}"),
                file_name: format!("{number}.txt"),
                mime_type: "text/plain".to_owned(),
                created_at: DateTime::UNIX_EPOCH,
                start_offset: 0,
                end_offset: 10,
                parent: None,
                place: ChunkPlace::default(),
            },
        },
    }
}

/// A pseudo-random generator with the same numbers in every run (SplitMix64).
struct Synthetic(u64);

impl Synthetic {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }

    /// Returns a vector of length 1 near the centre of `number`.
    fn vector(mut self, number: u64) -> Vec<f32> {
        let mut centre = Synthetic((number % CENTRES).wrapping_mul(0xd134_2543_de82_ef95));
        // Neighbouring seeds would start with related numbers.
        self.0 = self.0.wrapping_mul(0xaf25_1af3_b0f0_25b5);
        let numbers: Vec<f32> = (0..DIMENSION).map(|_| centre.next() + 0.7 * self.next()).collect();
        let length = numbers.iter().map(|value| value * value).sum::<f32>().sqrt();
        numbers.into_iter().map(|value| value / length).collect()
    }
}
