//! The router over a database per test.

use std::path::PathBuf;
use std::sync::Arc;

use access::RateLimits;
use api::{Limits, State};
use artifacts::ArtifactStore;
use auth::{AccessTokens, ConnectorKeys, OpaqueToken, SecretCipher};
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use axum::Router;
use axum::body::Body;
use connectors::{Connectors, SourcePolicy};
use db::Db;
use domain::ApiKeyId;
use egress::{Egress, EgressConfig};
use embedding::{EmbedderOptions, Embedders};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use insta::internals::SettingsBindDropGuard;
use lambda::http::HttpConfig;
use models::ModelRegistry;
use queue::{QueueUrls, Queues};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;
use vectors::{VectorDatabase, VectorsConfig};

/// No server listens on this port.
const NOWHERE: &str = "http://127.0.0.1:9";
pub const PASSWORD: &str = "correct horse battery";
pub const CONNECTOR_SECRETS_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub struct Api {
    router: Router,
    http: HttpConfig,
    pub pool: PgPool,
    pub state: State,
    _models_dir: TempDir,
    _snapshots: SettingsBindDropGuard,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// Asserts the status and returns the body.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        self.body
    }

    /// Asserts the status and returns the `detail` of the problem document.
    #[track_caller]
    pub fn problem(self, status: u16) -> String {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let body = self.expect(status);
        assert_eq!(body["status"], status);
        body["detail"].as_str().unwrap().to_owned()
    }
}

impl Api {
    /// Uses rate limits that no test reaches by accident.
    pub fn new(pool: PgPool) -> Self {
        Self::with_rates(pool, "1000".parse().unwrap())
    }

    pub fn with_rates(pool: PgPool, rate_limits: RateLimits) -> Self {
        let models_dir = tempfile::tempdir().unwrap();
        let folder = models_dir.path().join("model");
        std::fs::create_dir(&folder).unwrap();
        let manifest = json!({
            "name": "sentence-transformers/all-MiniLM-L6-v2", "short_name": "minilm-l6-v2", "dimension": 384,
            "max_tokens": 256, "special_tokens": 2, "pooling": "mean", "normalize": true,
            "static_vectors": { "name": "static.safetensors" },
        });
        let made = std::env::var_os("MODELS_DIR").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local/models")),
            PathBuf::from,
        );
        for file in ["tokenizer.json", "static.safetensors"] {
            std::os::unix::fs::symlink(made.join("all-MiniLM-L6-v2").join(file), folder.join(file)).unwrap();
        }
        std::fs::write(folder.join("model.json"), manifest.to_string()).unwrap();
        let sdk = sdk_config();
        let [scan, notify] = ["scan", "notify"].map(|name| Some(format!("{NOWHERE}/000000000000/{name}")));
        let source_policy = SourcePolicy::new(
            vec![PathBuf::from("/srv/docs")],
            "staging",
            Some("s3://models/small"),
            &["code".to_owned()],
        );
        let egress = EgressConfig::new("127.0.0.0/8".parse().unwrap());
        let egress = Egress::new(egress).unwrap();
        let state = State {
            db: Db::from_pool(pool.clone()),
            tokens: AccessTokens::new(&"0123456789abcdef0123456789abcdef".into()).unwrap(),
            secrets: ConnectorKeys::fixed(SecretCipher::new(&CONNECTOR_SECRETS_KEY.into()).unwrap()),
            artifacts: ArtifactStore::new(&sdk, "staging"),
            queues: Queues::new(&sdk, QueueUrls { scan, notify, ..QueueUrls::default() }),
            vectors: VectorDatabase::connect(&VectorsConfig::new(NOWHERE)).unwrap(),
            models: Arc::new(ModelRegistry::open(models_dir.path()).unwrap()),
            tokens_by_model: Arc::default(),
            connectors: Connectors::new(&sdk, egress.clone(), source_policy.clone()),
            egress,
            source_policy: Arc::new(source_policy),
            limits: Arc::new(Limits {
                directory_roots: vec![PathBuf::from("/srv/docs")],
                registration_open: true,
                rate_limits,
                ..Limits::default()
            }),
        };
        let http = HttpConfig::default();
        let router = lambda::http::wrap(api::router(state.clone()), &http);
        // Whether serde_json keeps the order of keys depends on features that other crates enable.
        let mut snapshots = insta::Settings::clone_current();
        snapshots.set_sort_maps(true);
        let snapshots = snapshots.bind_to_scope();
        Self { router, http, pool, state, _models_dir: models_dir, _snapshots: snapshots }
    }

    /// Rebuilds the router with a changed state.
    pub fn with_state(mut self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.state);
        self.router = lambda::http::wrap(api::router(self.state.clone()), &self.http);
        self
    }

    /// Allows these origins only, for routers that are built afterwards.
    pub fn with_cors_origins(mut self, origins: &str) -> Self {
        self.http.cors_origins = origins.parse().unwrap();
        self
    }

    /// Adds the routes of the search function, which shares the URL; with the real model, without Qdrant.
    pub fn with_search(mut self) -> Self {
        let [models, runtime] = ["MODELS_DIR", "ORT_DYLIB_PATH"].map(|name| {
            let path = std::env::var_os(name);
            PathBuf::from(path.unwrap_or_else(|| panic!("{name} is not set: eval \"$(scripts/stack env)\"")))
        });
        let search = search::State {
            db: self.state.db.clone(),
            tokens: self.state.tokens.clone(),
            artifacts: self.state.artifacts.clone(),
            vectors: self.state.vectors.clone(),
            queries: Arc::new(search::QueryVectors::new(
                Embedders::open(ModelRegistry::open(&models).unwrap(), &runtime, EmbedderOptions::default())
                    .unwrap(),
            )),
            reranker: None,
            api_url: None,
            rate_limits: self.state.limits.rate_limits,
        };
        self.router =
            lambda::http::wrap(api::router(self.state.clone()).merge(search::router(search)), &self.http);
        self
    }

    pub async fn send(&self, method: Method, path: &str, token: &str, body: Option<&Value>) -> Answer {
        self.send_with(method, path, token, body, &[]).await
    }

    /// Sends a request with additional headers.
    pub async fn send_with(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Option<&Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
            None => request.body(Body::empty()),
        };
        self.send_request(request.unwrap()).await
    }

    pub async fn send_request(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        // Bodies that are not JSON become strings: pages, files.
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => Value::from(String::from_utf8_lossy(&bytes)),
        };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub async fn get(&self, path: &str, token: &str) -> Answer {
        self.send(Method::GET, path, token, None).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.send(Method::POST, path, token, Some(&body)).await
    }

    pub async fn delete(&self, path: &str, token: &str) -> Answer {
        self.send(Method::DELETE, path, token, None).await
    }

    /// Grants the places that tests read to everyone.
    pub async fn grant_places(&self) {
        self.sql(
            "INSERT INTO source_grants (id, bucket, path)
            VALUES (gen_random_uuid(), NULL, '/srv/docs'), (gen_random_uuid(), 'manuals', '')
            ON CONFLICT DO NOTHING",
        )
        .await;
    }

    /// Registers an account; its password is [`PASSWORD`]. The first one becomes a superuser, as the deployment makes
    /// one. Accounts of tests may read `/srv/docs` and the bucket `manuals`.
    pub async fn register(&self, username: &str) -> Value {
        self.grant_places().await;
        let body =
            json!({ "username": username, "email": format!("{username}@example.org"), "password": PASSWORD });
        let registered = self.post("/api/auth/register", "", body).await.expect(201);
        let promote = "UPDATE users SET is_superuser = TRUE
            WHERE username = $1 AND NOT EXISTS (SELECT 1 FROM users WHERE is_superuser)";
        sqlx::query(promote).bind(username).execute(&self.pool).await.unwrap();
        registered
    }

    pub async fn login(&self, username: &str, password: &str) -> Answer {
        self.post("/api/auth/login", "", json!({ "username": username, "password": password })).await
    }

    /// Registers an account and returns an access token.
    pub async fn sign_up(&self, username: &str) -> String {
        self.register(username).await;
        text(&self.login(username, PASSWORD).await.expect(200)["access_token"])
    }

    /// Creates a collection and returns its path.
    pub async fn create_collection(&self, token: &str, name: &str) -> String {
        let created = self.post("/api/v2/collections", token, json!({ "name": name })).await.expect(201);
        format!("/api/v2/collections/{}", text(&created["id"]))
    }

    /// Offers a collection to a user and returns the path of the offer.
    pub async fn offer(&self, collection: &str, owner: &str, to: &str) -> String {
        let body = json!({ "username": to });
        let offer = self.post(&format!("{collection}/owner"), owner, body).await.expect(201);
        format!("/api/v2/ownership-offers/{}", text(&offer["id"]))
    }

    /// Inserts an API key of the user, restricted to the collections if any; returns its id and its secret.
    pub async fn api_key(&self, username: &str, scope: &str, only: &[Uuid]) -> (Uuid, String) {
        let id = Uuid::new_v4();
        let key = OpaqueToken::api_key(ApiKeyId(id));
        sqlx::query(
            "INSERT INTO api_keys (id, user_id, name, key_hash, scope, collection_ids) \
             SELECT $1, id, $1::text, $2, $3, nullif($4::uuid[], '{}') FROM users WHERE username = $5",
        )
        .bind(id)
        .bind(key.hash().as_slice())
        .bind(scope)
        .bind(only)
        .bind(username)
        .execute(&self.pool)
        .await
        .unwrap();
        (id, key.expose().to_owned())
    }

    pub async fn sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    /// Returns one text value from the database.
    pub async fn select(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
}

fn sdk_config() -> SdkConfig {
    sdk_config_at(NOWHERE)
}

/// The configuration of AWS clients of the server at this URL.
pub fn sdk_config_at(endpoint: &str) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}
