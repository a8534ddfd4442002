//! Health, readiness, status and version of the installation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State as Shared;
use axum::{Extension, Json};
use domain::{ArtifactKey, Classify, CollectionId, DocumentId, ErrorKind, Generation};
use http::{HeaderValue, header};
use lambda::StageError;
use lambda::http::ApiError;
use models::ModelFolder;
use serde::Serialize;
use tokio::sync::Mutex;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::State;
use crate::openapi::words;

/// Confirmation that the function runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HealthResponse {
    /// Always `healthy`.
    #[schema(value_type = words::HealthStatus)]
    status: &'static str,
}

/// Confirmation that all dependencies are reachable.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReadyResponse {
    /// Always `ready`.
    #[schema(value_type = words::ReadyStatus)]
    status: &'static str,
    /// The reachable dependencies.
    components: Vec<&'static str>,
}

/// Status of the installation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemStatusResponse {
    /// `healthy`, or `degraded` if a dependency is unreachable.
    #[schema(value_type = words::SystemStatus)]
    status: &'static str,
    /// Status of each dependency.
    components: ComponentsResponse,
}

/// Dependencies of the API.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComponentsResponse {
    /// PostgreSQL.
    database: ComponentResponse,
    /// The staging bucket in S3.
    bucket: ComponentResponse,
    /// Qdrant.
    qdrant: ComponentResponse,
}

/// Status of a dependency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ComponentResponse {
    /// Whether it answers.
    #[schema(value_type = words::ComponentState)]
    state: &'static str,
    /// Latency of the check in milliseconds, or the time until it failed.
    milliseconds: f64,
}

/// Version, models and limits of the installation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SystemInfoResponse {
    /// Always `semantik`.
    name: &'static str,
    /// Version of the API function.
    version: &'static str,
    /// The embedding model of collections created without one.
    default_embedding_model: String,
    /// The available embedding models.
    embedding_models: Vec<ModelResponse>,
    /// Whether anyone can register an account.
    registration_open: bool,
    /// Limits that apply to every caller.
    limits: LimitsResponse,
}

/// An embedding model.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelResponse {
    /// Name of the model, for `embedding_model`.
    name: String,
    /// Number of dimensions of a vector.
    dimension: u32,
    /// Maximum `chunk_size` in tokens.
    max_tokens: u32,
}

impl From<&ModelFolder> for ModelResponse {
    fn from(folder: &ModelFolder) -> Self {
        let manifest = &folder.manifest;
        Self { name: manifest.name.clone(), dimension: manifest.dimension, max_tokens: manifest.max_tokens }
    }
}

/// Limits of the installation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitsResponse {
    /// Maximum size of an uploaded file in bytes.
    max_upload_bytes: u64,
    /// Default lifetime of an upload's presigned URL in seconds.
    upload_url_seconds: u64,
    /// Whether sources of the types `file` and `directory` can be added.
    directory_sources: bool,
}

/// Check that the function runs
///
/// Needs no credentials. Contacts no dependency.
#[utoipa::path(get, path = "/health", operation_id = "getHealth", tag = "system", responses((status = 200, body = HealthResponse)))]
pub(crate) async fn health() -> Json<HealthResponse> {
    Json(HealthResponse { status: "healthy" })
}

/// Check that all dependencies are reachable
///
/// Needs no credentials. Contacts PostgreSQL, S3 and Qdrant, at most every five seconds: in between, it answers from the
/// last result.
#[utoipa::path(
    get, path = "/readyz", operation_id = "getReadiness", tag = "system",
    responses((status = 200, body = ReadyResponse)),
)]
pub(crate) async fn ready(
    Shared(state): Shared<State>,
    Extension(readiness): Extension<Readiness>,
) -> Result<Json<ReadyResponse>, ApiError> {
    let down = readiness.unreachable(&state).await;
    if down.is_empty() {
        return Ok(Json(ReadyResponse { status: "ready", components: COMPONENTS.to_vec() }));
    }
    let detail = format!("not ready: {} unreachable; retry later", down.join(" and "));
    Err(ApiError::new(ErrorKind::Unavailable, detail)
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("5")))
}

/// Check that the API runs
///
/// Needs no credentials. The same as `GET /health`.
#[utoipa::path(
    get, path = "/api/v2/system/health", operation_id = "getApiHealth", tag = "system",
    responses((status = 200, body = HealthResponse)),
)]
pub(crate) async fn api_health() -> Json<HealthResponse> {
    health().await
}

/// Show the status of the dependencies
///
/// Contacts PostgreSQL, S3 and Qdrant.
#[utoipa::path(
    get, path = "/api/v2/system/status", operation_id = "getSystemStatus", tag = "system",
    responses((status = 200, body = SystemStatusResponse)),
)]
pub(crate) async fn system_status(Shared(state): Shared<State>) -> Json<SystemStatusResponse> {
    let mut status = "healthy";
    let [database, bucket, qdrant] = probe(&state).await.map(|(component, probe)| {
        let is_up = probe.is_up(component);
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

/// Show version, models and limits
///
/// Needs no credentials.
#[utoipa::path(
    get, path = "/api/v2/system/info", operation_id = "getSystemInfo", tag = "system",
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
        registration_open: state.is_registration_open(&settings),
        limits: LimitsResponse {
            max_upload_bytes: state.limits.max_upload_bytes,
            upload_url_seconds: state.limits.upload_url_lifetime.as_secs(),
            directory_sources: !state.limits.directory_roots.is_empty(),
        },
    }))
}

/// The names of the dependencies, in the order in which [`probe`] checks them.
const COMPONENTS: [&str; 3] = ["database", "bucket", "qdrant"];

/// How long a result of [`Readiness`] is kept.
const READINESS_AGE: Duration = Duration::from_secs(5);

/// The last result of the check of all dependencies: anybody may ask for it, and each check contacts three servers.
/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<LastCheck>>>);

/// When the dependencies were checked, and which were unreachable.
type LastCheck = (Instant, Vec<&'static str>);

impl Readiness {
    /// Returns the dependencies that were unreachable at the last check. Concurrent requests share one check.
    async fn unreachable(&self, state: &State) -> Vec<&'static str> {
        let mut last = self.0.lock().await;
        if let Some((_, down)) = last.as_ref().filter(|(at, _)| at.elapsed() < READINESS_AGE) {
            return down.clone();
        }
        let probes = probe(state).await;
        let down = probes.iter().filter(|(component, probe)| !probe.is_up(component));
        let down: Vec<&'static str> = down.map(|(component, _)| *component).collect();
        *last = Some((Instant::now(), down.clone()));
        down
    }
}

/// The result and the latency of one check.
struct Probe {
    result: Result<(), String>,
    elapsed: Duration,
}

impl Probe {
    async fn run<E: Classify + Send + Sync + 'static>(check: impl Future<Output = Result<(), E>>) -> Self {
        let start = Instant::now();
        let result = check.await.map_err(|error| StageError::from(error).chain());
        Self { result, elapsed: start.elapsed() }
    }

    /// Returns whether the check succeeded, and logs the error if not.
    fn is_up(&self, component: &str) -> bool {
        if let Err(error) = &self.result {
            tracing::error!(component, error, "dependency is unreachable");
        }
        self.result.is_ok()
    }
}

/// Checks all dependencies concurrently.
async fn probe(state: &State) -> [(&'static str, Probe); 3] {
    // A key that never exists: "not found" still proves that the bucket exists and is accessible.
    let missing = ArtifactKey::Raw {
        collection_id: CollectionId(Uuid::nil()),
        document_id: DocumentId(Uuid::nil()),
        generation: Generation::NONE,
    };
    let (database, bucket, qdrant) = tokio::join!(
        Probe::run(state.db.ping()),
        Probe::run(async { state.artifacts.head(&missing).await.map(|_| ()) }),
        Probe::run(state.vectors.health()),
    );
    let [first, second, third] = COMPONENTS;
    [(first, database), (second, bucket), (third, qdrant)]
}
