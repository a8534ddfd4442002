//! Whether the installation works, and what it is.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State as Shared;
use domain::{ArtifactKey, Classify, CollectionId, DocumentId, ErrorKind, Generation};
use http::{HeaderValue, header};
use lambda::StageError;
use lambda::http::{ApiError, Problem};
use models::ModelFolder;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::State;

/// That the function runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthResponse {
    /// Always `healthy`.
    status: &'static str,
}

/// That everything the API needs answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadyResponse {
    /// Always `ready`.
    status: &'static str,
    /// The parts that answered.
    components: Vec<&'static str>,
}

/// How the installation does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemStatusResponse {
    /// `healthy`, or `degraded` when a part does not answer.
    status: &'static str,
    components: ComponentsResponse,
}

/// The parts that the API needs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComponentsResponse {
    database: ComponentResponse,
    /// Where files are staged.
    bucket: ComponentResponse,
    qdrant: ComponentResponse,
}

/// One part.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComponentResponse {
    /// `up` or `down`.
    state: &'static str,
    /// How long it took to answer, or to give up.
    milliseconds: f64,
}

/// What this installation is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemInfoResponse {
    name: &'static str,
    version: &'static str,
    /// The model of a collection that names none.
    default_embedding_model: String,
    embedding_models: Vec<ModelResponse>,
    /// Whether anyone may register an account.
    registration_open: bool,
    limits: LimitsResponse,
}

/// A model that collections can use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelResponse {
    name: String,
    /// Numbers in a vector.
    dimension: u32,
    /// The largest `chunk_size`, in tokens.
    max_tokens: u32,
}

impl From<&ModelFolder> for ModelResponse {
    fn from(folder: &ModelFolder) -> Self {
        let manifest = &folder.manifest;
        Self { name: manifest.name.clone(), dimension: manifest.dimension, max_tokens: manifest.max_tokens }
    }
}

/// What a caller may not exceed.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitsResponse {
    max_upload_bytes: u64,
    /// How long an upload's address works.
    upload_url_seconds: u64,
    /// Whether sources of type `file` and `directory` can be added.
    directory_sources: bool,
}

/// Say that the function runs
#[utoipa::path(get, path = "/health", tag = "system", responses((status = 200, body = HealthResponse)))]
pub(crate) async fn health() -> Json<HealthResponse> {
    Json(HealthResponse { status: "healthy" })
}

/// Say whether everything that the API needs answers
#[utoipa::path(
    get, path = "/readyz", tag = "system",
    responses(
        (status = 200, body = ReadyResponse),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Names the parts that do not answer."),
    ),
)]
pub(crate) async fn ready(Shared(state): Shared<State>) -> Result<Json<ReadyResponse>, ApiError> {
    let answers = probe(&state).await;
    let mut down = Vec::new();
    for (part, answer) in &answers {
        if !answer.is_up(part) {
            down.push(*part);
        }
    }
    if down.is_empty() {
        return Ok(Json(ReadyResponse {
            status: "ready",
            components: answers.map(|(part, _)| part).to_vec(),
        }));
    }
    let detail = format!("not ready: no answer from {}", down.join(" and "));
    Err(ApiError::new(ErrorKind::Unavailable, detail)
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("5")))
}

/// Say that the API runs
#[utoipa::path(
    get, path = "/api/v2/system/health", tag = "system",
    responses((status = 200, body = HealthResponse)),
)]
pub(crate) async fn api_health() -> Json<HealthResponse> {
    health().await
}

/// Show which parts answer, and how fast
#[utoipa::path(
    get, path = "/api/v2/system/status", tag = "system",
    responses((status = 200, body = SystemStatusResponse)),
)]
pub(crate) async fn system_status(Shared(state): Shared<State>) -> Json<SystemStatusResponse> {
    let mut status = "healthy";
    let [database, bucket, qdrant] = probe(&state).await.map(|(part, probe)| {
        let is_up = probe.is_up(part);
        if !is_up {
            status = "degraded";
        }
        ComponentResponse {
            state: if is_up { "up" } else { "down" },
            milliseconds: probe.elapsed.as_secs_f64() * 1000.0,
        }
    });
    Json(SystemStatusResponse { status, components: ComponentsResponse { database, bucket, qdrant } })
}

/// Show what this installation is
#[utoipa::path(
    get, path = "/api/v2/system/info", tag = "system",
    responses((status = 200, body = SystemInfoResponse)),
)]
pub(crate) async fn system_info(Shared(state): Shared<State>) -> Result<Json<SystemInfoResponse>, ApiError> {
    let settings = state.db.connection().await?.system_settings().find().await?;
    Ok(Json(SystemInfoResponse {
        name: "semantik",
        version: env!("CARGO_PKG_VERSION"),
        default_embedding_model: state.limits.default_embedding_model.clone(),
        embedding_models: state
            .models
            .folders()?
            .iter()
            .map(|folder| ModelResponse::from(&**folder))
            .collect(),
        registration_open: settings.registration_open,
        limits: LimitsResponse {
            max_upload_bytes: state.limits.max_upload_bytes,
            upload_url_seconds: state.limits.upload_url_lifetime.as_secs(),
            directory_sources: !state.limits.directory_roots.is_empty(),
        },
    }))
}

/// What one part said, and how long it took.
struct Probe {
    answer: Result<(), String>,
    elapsed: Duration,
}

impl Probe {
    async fn of<E: Classify + Send + Sync + 'static>(asked: impl Future<Output = Result<(), E>>) -> Self {
        let start = Instant::now();
        let answer = asked.await.map_err(|error| StageError::from(error).chain());
        Self { answer, elapsed: start.elapsed() }
    }

    /// Whether it answered; if not, the log says why.
    fn is_up(&self, part: &str) -> bool {
        if let Err(error) = &self.answer {
            tracing::error!(part, error, "part does not answer");
        }
        self.answer.is_ok()
    }
}

/// Asks all parts at once.
async fn probe(state: &State) -> [(&'static str, Probe); 3] {
    // An object that never exists: to hear so, the bucket and the permission must be there.
    let nothing = ArtifactKey::Raw {
        collection_id: CollectionId(Uuid::nil()),
        document_id: DocumentId(Uuid::nil()),
        generation: Generation::NONE,
    };
    let (database, bucket, qdrant) = tokio::join!(
        Probe::of(state.db.ping()),
        Probe::of(async { state.artifacts.head(&nothing).await.map(|_| ()) }),
        Probe::of(state.vectors.health()),
    );
    [("database", database), ("bucket", bucket), ("qdrant", qdrant)]
}
