//! One invocation: migrate, then send CloudFormation the response.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use db::{DbError, MigrationReport};
use domain::{Classify, ErrorKind};
use http::Request;
use http_body_util::Full;
use lambda::event::Invocation;
use serde_json::{Value, json};

use crate::State;
use crate::administrator::{self, AdministratorError};
use crate::custom_resource::{self, CloudFormationResponse, RequestType};
use crate::grant_source::{GrantSource, grant_source};
use crate::reencrypt::reencrypt;
use crate::state::Tools;

/// Time reserved for the response: without one, CloudFormation waits for an hour.
const RESPONSE_RESERVE: Duration = Duration::from_secs(20);
/// Pause between two attempts to reach a database that is still starting, or CloudFormation.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// Attempts to send the response before the invocation fails, and the timeout of each.
const RESPONSE_ATTEMPTS: u32 = 4;
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Why the migrations are not applied.
#[derive(Debug, thiserror::Error)]
enum MigrateError {
    /// The function is configured wrongly.
    #[error("the migrate function cannot start: {0}")]
    Setup(String),
    /// A statement failed, or the database cannot be reached.
    #[error(transparent)]
    Db(#[from] DbError),
    /// There is no superuser, and none can be created.
    #[error(transparent)]
    Administrator(#[from] AdministratorError),
    /// A statement waited until the function's time was over.
    #[error(
        "the migrations did not finish in time: another session may hold a lock on the schema; \
         look at pg_locks, end that session and deploy again"
    )]
    OutOfTime,
}

/// Handles a request of a custom resource, or a manual invocation with `{}` or a command.
///
/// # Errors
/// Returns an error if a manual invocation fails, or if the response cannot be sent to CloudFormation.
pub async fn handle(state: Arc<State>, event: Value, invocation: Invocation) -> Result<Value, lambda::Error> {
    let Some(request) = custom_resource::Request::read(&event) else {
        return handle_manual(&state, &event, &invocation).await;
    };
    let outcome = match request.request_type {
        // The data outlives the stack: deleting a stack never drops the schema. Nothing else is looked at, so that a stack
        // whose creation failed can be deleted.
        RequestType::Delete => Ok(None),
        RequestType::Create | RequestType::Update => migrate(&state, &invocation)
            .await
            .map(|report| Some(report.version))
            .map_err(|error| lambda::error_chain(&error)),
        RequestType::Unknown => {
            Err("unknown request type; Create, Update and Delete are supported".to_owned())
        }
    };
    if let Err(reason) = &outcome {
        tracing::error!(error = reason, "migration failed");
    }
    let response = CloudFormationResponse::to(&request, outcome);
    send(&state, &request.response_url, &response).await?;
    Ok(json!({ "status": response.status }))
}

/// Handles a manual invocation.
async fn handle_manual(
    state: &State,
    event: &Value,
    invocation: &Invocation,
) -> Result<Value, lambda::Error> {
    match event.get("command").map(Value::as_str) {
        None => {
            let report = migrate(state, invocation).await.map_err(|error| lambda::error_chain(&error))?;
            Ok(json!({ "applied": report.applied, "version": report.version }))
        }
        Some(Some("reencrypt-secrets")) => {
            let deadline = invocation.deadline.checked_sub(RESPONSE_RESERVE);
            let tools = state.tools().await?;
            let report = reencrypt(&tools.db, tools.connector_secret.as_ref(), deadline)
                .await
                .map_err(|error| lambda::error_chain(&error))?;
            tracing::info!(reencrypted = report.reencrypted, left = report.left, "secrets re-encrypted");
            Ok(serde_json::to_value(report)?)
        }
        Some(Some("grant-source")) => {
            let mut request = event.clone();
            if let Some(fields) = request.as_object_mut() {
                fields.remove("command");
            }
            let request: GrantSource = serde_json::from_value(request)?;
            let outcome = grant_source(&state.tools().await?.db, &request).await;
            let outcome = outcome.map_err(|error| lambda::error_chain(&error))?;
            tracing::info!(outcome, "source grant handled");
            Ok(json!({ "outcome": outcome }))
        }
        Some(_) => {
            Err("unknown command; send {} to migrate, or the command reencrypt-secrets or grant-source"
                .into())
        }
    }
}

impl Classify for MigrateError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Db(error) => error.kind(),
            Self::Administrator(error) => error.kind(),
            Self::Setup(_) | Self::OutOfTime => ErrorKind::Internal,
        }
    }
}

/// Applies missing migrations and creates the first superuser; waits for a database and secrets that cannot be reached
/// yet.
async fn migrate(state: &State, invocation: &Invocation) -> Result<MigrationReport, MigrateError> {
    let time_left = invocation.remaining().saturating_sub(RESPONSE_RESERVE);
    match tokio::time::timeout(time_left, migrate_when_up(state, invocation)).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(MigrateError::OutOfTime),
    }
}

async fn migrate_when_up(state: &State, invocation: &Invocation) -> Result<MigrationReport, MigrateError> {
    let tools =
        state.tools().await.map_err(|error| MigrateError::Setup(lambda::error_chain(error.as_ref())))?;
    loop {
        match migrate_once(tools).await {
            Ok(report) => {
                let MigrationReport { applied, version, unknown } = &report;
                tracing::info!(?applied, version, ?unknown, "migrated");
                return Ok(report);
            }
            Err(error)
                if error.kind() == ErrorKind::Unavailable
                    && invocation.remaining() > RESPONSE_RESERVE + 2 * RETRY_PAUSE =>
            {
                tracing::warn!(
                    error = lambda::error_chain(&error),
                    "the database or a secret cannot be reached yet; retrying"
                );
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn migrate_once(tools: &Tools) -> Result<MigrationReport, MigrateError> {
    let report = db::migrate(&tools.db).await?;
    administrator::ensure(&tools.db, tools.administrator_secret.as_ref()).await?;
    Ok(report)
}

/// PUTs the response to its presigned URL, with retries: CloudFormation waits for nothing else.
async fn send(state: &State, url: &str, response: &CloudFormationResponse) -> Result<(), lambda::Error> {
    let body = Bytes::from(serde_json::to_vec(response)?);
    let mut attempts_left = RESPONSE_ATTEMPTS;
    loop {
        attempts_left -= 1;
        match put(state, url, body.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if attempts_left > 0 => {
                tracing::warn!(%error, "the response could not be sent to CloudFormation; retrying");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn put(state: &State, url: &str, body: Bytes) -> Result<(), lambda::Error> {
    // No content type: the presigned URL is valid for a request without one only.
    let request = Request::put(url).body(Full::new(body))?;
    let reply = tokio::time::timeout(RESPONSE_TIMEOUT, state.http.request(request)).await?;
    let status = reply.map_err(|error| lambda::error_chain(&error))?.status();
    if status.is_success() {
        Ok(())
    } else {
        Err(format!("CloudFormation refused the response with status {status}").into())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::Router;
    use axum::extract::State as Shared;
    use axum::routing::put;
    use db::{Db, DbConfig};
    use http::StatusCode;
    use lambda::env::EnvError;
    use secrets::SecretSource;
    use sqlx::PgPool;
    use tokio::sync::OnceCell;

    use super::*;
    use crate::Config;
    use crate::state::Tools;

    /// The responses that CloudFormation received. It refuses the first one.
    type Responses = Arc<Mutex<Vec<Value>>>;

    async fn receive(Shared(responses): Shared<Responses>, body: Bytes) -> StatusCode {
        let mut responses = responses.lock().unwrap();
        responses.push(serde_json::from_slice(&body).unwrap());
        if responses.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    }

    async fn cloudformation() -> (String, Responses) {
        let responses = Responses::default();
        let router = Router::new().route("/response", put(receive)).with_state(Arc::clone(&responses));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/response", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, responses)
    }

    fn state(db: Db) -> State {
        let tools = Tools { db, connector_secret: None, administrator_secret: None };
        State { tools: OnceCell::new_with(Some(tools)), ..State::open().unwrap() }
    }

    fn request(request_type: &str, url: &str) -> Value {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/migrate.json")).unwrap();
        event["RequestType"] = json!(request_type);
        event["ResponseURL"] = json!(url);
        event
    }

    #[sqlx::test(migrations = false)]
    async fn the_response_with_the_schema_version_is_sent_again_if_it_is_refused(pool: PgPool) {
        let state = Arc::new(state(Db::from_pool(pool.clone())));
        let (url, responses) = cloudformation().await;
        let invocation = Invocation::lasting(Duration::from_secs(60));
        handle(Arc::clone(&state), request("Create", &url), invocation.clone()).await.unwrap();
        {
            let responses = responses.lock().unwrap();
            assert_eq!(responses.len(), 2);
            assert_eq!(responses[1]["Status"], "SUCCESS");
            assert_eq!(
                responses[1]["Data"]["Version"],
                db::MIGRATOR.iter().last().unwrap().version.to_string()
            );
        }
        // Deleting the stack deletes nothing from the database.
        handle(state, request("Delete", &url), invocation).await.unwrap();
        let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&pool).await.unwrap();
        assert_eq!(users, 0);
    }

    #[tokio::test]
    async fn an_unreachable_database_is_retried_and_then_reported() {
        let mut unreachable = db::DbConfig::by_url("postgres://user@127.0.0.1:9/nothing");
        unreachable.acquire_timeout = Duration::from_millis(500);
        unreachable.resume_timeout = unreachable.acquire_timeout;
        let state = state(Db::connect(&unreachable).unwrap());
        let (url, responses) = cloudformation().await;
        let invocation = Invocation::lasting(RESPONSE_RESERVE + 3 * RETRY_PAUSE);
        handle(Arc::new(state), request("Create", &url), invocation).await.unwrap();
        let responses = responses.lock().unwrap();
        assert_eq!(responses[1]["Status"], "FAILED");
        assert!(responses[1]["Reason"].as_str().unwrap().contains("the database"), "{}", responses[1]);
    }

    #[tokio::test]
    async fn whatever_is_malformed_is_answered_and_a_deletion_succeeds() {
        let invocation = || Invocation::lasting(Duration::from_secs(60));
        let config: fn() -> _ = || Err(EnvError::Missing("DATABASE_URL"));
        let state = Arc::new(State { config, ..State::open().unwrap() });
        let (url, responses) = cloudformation().await;
        handle(Arc::clone(&state), request("Create", &url), invocation()).await.unwrap();
        handle(Arc::clone(&state), request("Delete", &url), invocation()).await.unwrap();
        let mut malformed = request("Update", &url);
        for field in ["RequestType", "StackId", "RequestId", "LogicalResourceId"] {
            malformed[field] = json!(7);
        }
        handle(Arc::clone(&state), malformed, invocation()).await.unwrap();
        let config: fn() -> _ = || {
            Ok(Config { db: DbConfig::by_url("no url"), connector_secret: None, administrator_secret: None })
        };
        let state = Arc::new(State { config, ..State::open().unwrap() });
        handle(state, request("Update", &url), invocation()).await.unwrap();
        let responses = responses.lock().unwrap();
        // The first is refused once.
        let statuses: Vec<_> =
            responses.iter().map(|response| response["Status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["FAILED", "FAILED", "SUCCESS", "FAILED", "FAILED"]);
        let reason = responses[1]["Reason"].as_str().unwrap();
        assert_eq!(reason, "the migrate function cannot start: environment variable DATABASE_URL is not set");
        assert!(responses[3]["Reason"].as_str().unwrap().contains("request type"), "{}", responses[3]);
        let reason = responses[4]["Reason"].as_str().unwrap();
        assert!(
            reason.starts_with("the migrate function cannot start: DATABASE_URL cannot be used"),
            "{reason}"
        );
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn manual_invocations_migrate_or_re_encrypt(pool: PgPool) {
        let mut state = state(Db::from_pool(pool));
        let keys = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        state.tools.get_mut().unwrap().connector_secret = Some(SecretSource::Value(keys.into()));
        let state = Arc::new(state);
        let invoke =
            |event: Value| handle(Arc::clone(&state), event, Invocation::lasting(Duration::from_secs(60)));
        assert_eq!(invoke(json!({})).await.unwrap()["applied"], json!([]));
        assert_eq!(
            invoke(json!({ "command": "reencrypt-secrets" })).await.unwrap(),
            json!({ "key_id": "630dcd2966c43366", "reencrypted": 0, "left": 0, "unreadable": [] })
        );
        let grant = json!({ "command": "grant-source", "directory": "/srv/docs", "everyone": true });
        assert_eq!(invoke(grant).await.unwrap(), json!({ "outcome": "granted /srv/docs to everyone" }));
        let misspelt = json!({ "command": "grant-source", "directory": "/srv/docs", "everybody": true });
        assert!(invoke(misspelt).await.unwrap_err().to_string().contains("everybody"));
        for unknown in [json!({ "command": "down" }), json!({ "command": 1 })] {
            assert!(invoke(unknown).await.unwrap_err().to_string().contains("reencrypt-secrets"));
        }
    }
}
