//! The server under test, and helpers.

use std::future::Future;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::{
    CountPointsBuilder, CreateCollectionBuilder, CreateFieldIndexCollectionBuilder, Distance, FieldType,
    Filter, PointId, PointStruct, UpsertPointsBuilder, VectorParamsBuilder,
};
use qdrant_client::{Payload, Qdrant, QdrantError};
use serde_json::Value;
use tempfile::TempDir;
use tonic::Status;

use crate::server::Server;

/// The environment of a test.
#[derive(Clone)]
pub struct Context {
    pub client: Qdrant,
    pub url: String,
    pub api_key: Option<String>,
    /// The prefix of the names of all collections of the test.
    pub prefix: String,
}

impl Context {
    /// Returns a name that no other test uses.
    pub fn name(&self, suffix: &str) -> String {
        format!("{}_{suffix}", self.prefix)
    }

    /// Creates a collection with one unnamed vector of this dimension and cosine distance.
    pub async fn collection(&self, suffix: &str, dimension: u64) -> String {
        let name = self.name(suffix);
        let vectors = VectorParamsBuilder::new(dimension, Distance::Cosine);
        let request = CreateCollectionBuilder::new(&name).vectors_config(vectors);
        self.client.create_collection(request).await.unwrap();
        name
    }

    /// Creates payload indexes.
    pub async fn index(&self, name: &str, fields: &[(&str, FieldType)]) {
        for (field, field_type) in fields {
            let request = CreateFieldIndexCollectionBuilder::new(name, *field, *field_type);
            self.client.create_field_index(request.wait(true)).await.unwrap();
        }
    }

    /// Stores points and waits for it.
    pub async fn upsert(&self, name: &str, points: Vec<PointStruct>) {
        let request = UpsertPointsBuilder::new(name, points).wait(true);
        self.client.upsert_points(request).await.unwrap();
    }

    /// Counts points exactly.
    pub async fn count(&self, name: &str, filter: Option<Filter>) -> u64 {
        count(&self.client, name, filter).await.unwrap()
    }
}

/// Runs a test against the server at `QDRANT_URL`, or its own process, and deletes the test's collections even if
/// it fails.
pub async fn contract<T>(test: impl FnOnce(Context) -> T)
where
    T: Future<Output = ()> + Send + 'static,
{
    let (server, url) = match variable("QDRANT_URL") {
        Some(url) => (None, url),
        None => {
            let storage = TempDir::new().unwrap();
            let server = Server::start(storage.path());
            let url = server.url().to_owned();
            (Some((server, storage)), url)
        }
    };
    let api_key = variable("QDRANT_API_KEY");
    let client = Qdrant::from_url(&url).api_key(api_key.clone()).timeout(Duration::from_secs(60));
    let client = client.skip_compatibility_check().build().unwrap();
    let prefix = format!("contract_{}", uuid::Uuid::new_v4().simple());
    let context = Context { client: client.clone(), url, api_key, prefix: prefix.clone() };

    let result = tokio::spawn(test(context)).await;
    for collection in client.list_collections().await.unwrap().collections {
        if collection.name.starts_with(&prefix) {
            client.delete_collection(collection.name).await.unwrap();
        }
    }
    drop(server);
    if let Err(error) = result {
        resume_unwind(error.into_panic());
    }
}

/// Counts points exactly.
pub async fn count(client: &Qdrant, name: &str, filter: Option<Filter>) -> Result<u64, QdrantError> {
    let mut request = CountPointsBuilder::new(name).exact(true);
    if let Some(filter) = filter {
        request = request.filter(filter);
    }
    Ok(client.count(request).await?.result.unwrap().count)
}

/// Returns a point with an unnamed vector.
pub fn point(id: impl Into<PointId>, vector: impl Into<Vec<f32>>, payload: Value) -> PointStruct {
    PointStruct::new(id, vector.into(), Payload::try_from(payload).unwrap())
}

/// Returns the number of a point id.
pub fn number(id: &Option<PointId>) -> u64 {
    match id.as_ref().unwrap().point_id_options.as_ref().unwrap() {
        PointIdOptions::Num(number) => *number,
        PointIdOptions::Uuid(uuid) => panic!("not a number: {uuid}"),
    }
}

/// Returns the status of a rejected call.
pub fn rejection<T: std::fmt::Debug>(result: Result<T, QdrantError>) -> Status {
    match result.unwrap_err() {
        QdrantError::ResponseError { status } => status,
        other => panic!("not a gRPC status: {other}"),
    }
}

/// Waits until the condition holds, at most two minutes.
pub async fn eventually<T: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> T) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A pseudo-random generator of numbers from -1 to 1, the same in every run (SplitMix64).
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    }

    pub fn vector(&mut self, dimension: usize) -> Vec<f32> {
        (0..dimension).map(|_| self.next()).collect()
    }
}

/// Returns the cosine of the angle between two vectors.
pub fn cosine(left: &[f32], right: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    dot(left, right) / (dot(left, left) * dot(right, right)).sqrt()
}

#[expect(clippy::disallowed_methods, reason = "the environment names the server under test")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
