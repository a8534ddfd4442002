//! A bucket that takes what the API writes. Everything else about S3 is tested by the journeys.

use std::sync::{Arc, Mutex};

use artifacts::ArtifactStore;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::put;
use http::{HeaderMap, Uri};
use sqlx::PgPool;

use crate::harness::{Api, sdk_config_at};

/// What was written to the bucket: key, media type, the upload's id and the bytes.
pub type Written = (String, String, String, Vec<u8>);

/// An S3 that takes every PUT.
#[derive(Clone, Default)]
pub struct Storage(Arc<Mutex<Vec<Written>>>);

impl Storage {
    /// An API whose bucket it is.
    pub async fn with_api(pool: PgPool) -> (Self, Api) {
        let storage = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sdk = sdk_config_at(&format!("http://{}", listener.local_addr().unwrap()));
        let routes = Router::new().route("/{*key}", put(Self::write)).with_state(storage.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        let api = Api::new(pool).with_state(|state| state.artifacts = ArtifactStore::new(&sdk, "staging"));
        (storage, api)
    }

    async fn write(State(storage): State<Self>, uri: Uri, headers: HeaderMap, body: Bytes) {
        let header = |name: &str| headers[name].to_str().unwrap().to_owned();
        let written =
            (uri.path().to_owned(), header("content-type"), header("x-amz-meta-upload-id"), body.to_vec());
        storage.0.lock().unwrap().push(written);
    }

    /// Returns what was written since the last call.
    pub fn take(&self) -> Vec<Written> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}
