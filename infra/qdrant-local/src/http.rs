//! The part of Qdrant's HTTP API without a counterpart in gRPC: downloading and uploading snapshots.

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::stream;
use multer::Multipart;
use qdrant_client::qdrant::SnapshotDescription;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic::Code;

use crate::error::LocalError;
use crate::snapshot;
use crate::store::Store;

/// Bytes of a snapshot that are in memory at once.
const BUFFER_BYTES: usize = 1 << 18;

/// Returns the routes of one store.
pub fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/collections/{collection}/snapshots", get(list).post(create))
        .route("/collections/{collection}/snapshots/upload", post(upload))
        .route("/collections/{collection}/snapshots/{snapshot}", get(download).delete(delete))
        .with_state(store)
}

impl IntoResponse for LocalError {
    fn into_response(self) -> Response {
        let status = match self.code() {
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::AlreadyExists => StatusCode::CONFLICT,
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({ "status": { "error": self.to_string() } }))).into_response()
    }
}

/// Runs blocking work on a blocking thread.
async fn work<T: Send + 'static>(
    store: Arc<Store>,
    work: impl FnOnce(&Store) -> Result<T, LocalError> + Send + 'static,
) -> Result<T, LocalError> {
    let done = tokio::task::spawn_blocking(move || work(&store)).await;
    done.unwrap_or_else(|error| Err(LocalError::Internal(error.to_string())))
}

fn answer(result: Value) -> Json<Value> {
    Json(json!({ "result": result, "status": "ok" }))
}

fn describe(snapshot: &SnapshotDescription) -> Value {
    json!({
        "name": snapshot.name,
        "creation_time": snapshot.creation_time.map(|time| time.to_string()),
        "size": snapshot.size,
        "checksum": snapshot.checksum,
    })
}

async fn create(
    State(store): State<Arc<Store>>,
    Path(collection): Path<String>,
) -> Result<Json<Value>, LocalError> {
    let written = work(store, move |store| snapshot::create(store, &collection)).await?;
    Ok(answer(describe(&written)))
}

async fn list(
    State(store): State<Arc<Store>>,
    Path(collection): Path<String>,
) -> Result<Json<Value>, LocalError> {
    let snapshots = work(store, move |store| snapshot::list(store, &collection)).await?;
    Ok(answer(snapshots.iter().map(describe).collect()))
}

async fn delete(
    State(store): State<Arc<Store>>,
    Path((collection, name)): Path<(String, String)>,
) -> Result<Json<Value>, LocalError> {
    work(store, move |store| snapshot::delete(store, &collection, &name)).await?;
    Ok(answer(true.into()))
}

async fn download(
    State(store): State<Arc<Store>>,
    Path((collection, name)): Path<(String, String)>,
) -> Result<Response, LocalError> {
    let path = work(store, move |store| snapshot::path(store, &collection, &name)).await?;
    let file = File::open(&path).await.map_err(LocalError::file("opening", &path))?;
    let size = file.metadata().await.map_err(LocalError::file("reading", &path))?.len();
    let parts = stream::try_unfold(file, |mut file| async move {
        let mut part = vec![0; BUFFER_BYTES];
        let read = file.read(&mut part).await?;
        part.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(part), file)))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_LENGTH, size.to_string()),
    ];
    Ok((headers, Body::from_stream(parts)).into_response())
}

#[derive(Debug, Deserialize)]
struct Upload {
    /// The SHA-256 of the snapshot, verified before it is used.
    checksum: Option<String>,
}

/// Creates a collection from the snapshot in the form field `snapshot`. Unlike Qdrant, rejects the name of an
/// existing collection.
async fn upload(
    State(store): State<Arc<Store>>,
    Path(collection): Path<String>,
    Query(Upload { checksum }): Query<Upload>,
    request: Request,
) -> Result<Json<Value>, LocalError> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(content_type.unwrap_or_default())
        .map_err(|error| LocalError::BadRequest(error.to_string()))?;
    let form = Multipart::new(request.into_body().into_data_stream(), boundary);
    let path = store.upload_path();
    let restored = async {
        receive(form, &path).await?;
        let snapshot = path.clone();
        work(store, move |store| {
            snapshot::restore_checked(store, &snapshot, &collection, checksum.as_deref())
        })
        .await
    };
    let restored = restored.await;
    if let Err(error) = tokio::fs::remove_file(&path).await {
        tracing::warn!(path = %path.display(), %error, "cannot delete the uploaded file");
    }
    restored.map(|()| answer(true.into()))
}

async fn receive(mut form: Multipart<'_>, path: &PathBuf) -> Result<(), LocalError> {
    let mut file = File::create(path).await.map_err(LocalError::file("creating", path))?;
    let malformed = |error: multer::Error| LocalError::BadRequest(error.to_string());
    while let Some(mut field) = form.next_field().await.map_err(malformed)? {
        if field.name() != Some("snapshot") {
            continue;
        }
        while let Some(part) = field.chunk().await.map_err(malformed)? {
            file.write_all(&part).await.map_err(LocalError::file("writing", path))?;
        }
        return file.flush().await.map_err(LocalError::file("writing", path));
    }
    Err(LocalError::BadRequest("the form has no field `snapshot`".to_owned()))
}
