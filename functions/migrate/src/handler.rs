//! One invocation: migrate, then tell CloudFormation.

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
use crate::custom_resource::{self, Answer, RequestType};
use crate::reencrypt::reencrypt;

/// Kept back for the answer: without one CloudFormation waits for an hour.
const ANSWER_RESERVE: Duration = Duration::from_secs(20);
/// Between two tries to reach a database that is still starting, or CloudFormation.
const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// How often the answer is sent before the invocation fails, and how long each time.
const ANSWER_TRIES: u32 = 4;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// A migration that was not finished in the function's time.
#[derive(Debug, thiserror::Error)]
enum MigrateError {
    /// The database refused or did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// It held on to the connection.
    #[error(
        "the migrations did not finish in time: another session may hold a lock on the schema; \
         look at pg_locks, end that session and deploy again"
    )]
    OutOfTime,
}

/// Handles a custom resource request, or `{}` or a command from a person.
///
/// # Errors
/// When a plain invocation fails, or CloudFormation cannot be told.
pub async fn handle(state: Arc<State>, event: Value, invocation: Invocation) -> Result<Value, lambda::Error> {
    if event.get("RequestType").is_none() {
        return by_hand(&state, &event, &invocation).await;
    }
    let request: custom_resource::Request = serde_json::from_value(event)?;
    let outcome = match request.request_type {
        // The data outlives the stack: dropping a schema is nobody's accident.
        RequestType::Delete => Ok(None),
        RequestType::Create | RequestType::Update => migrate(&state, &invocation)
            .await
            .map(|report| Some(report.version))
            .map_err(|error| lambda::error_chain(&error)),
        RequestType::Unknown => {
            Err("this version knows the requests Create, Update and Delete only".to_owned())
        }
    };
    if let Err(reason) = &outcome {
        tracing::error!(error = reason, "the schema could not be migrated");
    }
    let answer = Answer::to(&request, outcome);
    tell(&state, &request.response_url, &answer).await?;
    Ok(json!({ "status": answer.status }))
}

/// Carries out what a person asks for.
async fn by_hand(state: &State, event: &Value, invocation: &Invocation) -> Result<Value, lambda::Error> {
    match event.get("command").map(Value::as_str) {
        None => {
            let report = migrate(state, invocation).await.map_err(|error| lambda::error_chain(&error))?;
            Ok(json!({ "applied": report.applied, "version": report.version }))
        }
        Some(Some("reencrypt-secrets")) => {
            let deadline = invocation.deadline.checked_sub(ANSWER_RESERVE);
            let report = reencrypt(&state.db, &state.connector_secrets_keys, deadline)
                .await
                .map_err(|error| lambda::error_chain(&error))?;
            tracing::info!(reencrypted = report.reencrypted, left = report.left, "secrets re-encrypted");
            Ok(serde_json::to_value(report)?)
        }
        Some(_) => Err("send {} to migrate, or {\"command\": \"reencrypt-secrets\"}".into()),
    }
}

/// Applies what is missing, waiting for a database that does not answer yet.
async fn migrate(state: &State, invocation: &Invocation) -> Result<MigrationReport, MigrateError> {
    let time_left = invocation.remaining().saturating_sub(ANSWER_RESERVE);
    match tokio::time::timeout(time_left, migrate_when_up(state, invocation)).await {
        Ok(outcome) => Ok(outcome?),
        Err(_elapsed) => Err(MigrateError::OutOfTime),
    }
}

async fn migrate_when_up(state: &State, invocation: &Invocation) -> Result<MigrationReport, DbError> {
    loop {
        match db::migrate(&state.db).await {
            Ok(report) => {
                tracing::info!(applied = ?report.applied, version = report.version, "migrated");
                return Ok(report);
            }
            Err(error)
                if error.kind() == ErrorKind::Unavailable
                    && invocation.remaining() > ANSWER_RESERVE + 2 * RETRY_PAUSE =>
            {
                tracing::warn!(error = lambda::error_chain(&error), "the database does not answer yet");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Puts the answer to its address, a few times if need be: CloudFormation waits for nothing else.
async fn tell(state: &State, url: &str, answer: &Answer) -> Result<(), lambda::Error> {
    let body = Bytes::from(serde_json::to_vec(answer)?);
    let mut tries_left = ANSWER_TRIES;
    loop {
        tries_left -= 1;
        match put(state, url, body.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if tries_left > 0 => {
                tracing::warn!(%error, "CloudFormation did not take the answer");
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn put(state: &State, url: &str, body: Bytes) -> Result<(), lambda::Error> {
    // Without a content type: the URL is signed for a request that has none.
    let request = Request::put(url).body(Full::new(body))?;
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, state.http.request(request)).await?;
    let status = answer.map_err(|error| lambda::error_chain(&error))?.status();
    if status.is_success() { Ok(()) } else { Err(format!("the answer was refused with {status}").into()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use axum::Router;
    use axum::extract::State as Shared;
    use axum::routing::put;
    use db::Db;
    use http::StatusCode;
    use sqlx::PgPool;

    use super::*;
    use crate::state::http_client;

    /// What CloudFormation was told; it fails at the first try.
    type Answers = Arc<Mutex<Vec<Value>>>;

    async fn take(Shared(answers): Shared<Answers>, body: Bytes) -> StatusCode {
        let mut answers = answers.lock().unwrap();
        answers.push(serde_json::from_slice(&body).unwrap());
        if answers.len() == 1 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
    }

    async fn cloudformation() -> (String, Answers) {
        let answers = Answers::default();
        let router = Router::new().route("/answer", put(take)).with_state(Arc::clone(&answers));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/answer", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (url, answers)
    }

    fn state(db: Db) -> State {
        State { db, connector_secrets_keys: "".into(), http: http_client().unwrap() }
    }

    fn request(request_type: &str, url: &str) -> Value {
        let mut event: Value = serde_json::from_str(include_str!("../../../events/migrate.json")).unwrap();
        event["RequestType"] = json!(request_type);
        event["ResponseURL"] = json!(url);
        event
    }

    #[sqlx::test(migrations = false)]
    async fn the_stack_hears_of_the_schema_even_if_it_did_not_listen_at_first(pool: PgPool) {
        let state = Arc::new(state(Db::from_pool(pool.clone())));
        let (url, answers) = cloudformation().await;
        let invocation = Invocation::lasting(Duration::from_secs(60));
        handle(Arc::clone(&state), request("Create", &url), invocation.clone()).await.unwrap();
        {
            let answers = answers.lock().unwrap();
            assert_eq!(answers.len(), 2);
            assert_eq!(answers[1]["Status"], "SUCCESS");
            assert_eq!(
                answers[1]["Data"]["Version"],
                db::MIGRATOR.iter().last().unwrap().version.to_string()
            );
        }
        // Taking the stack away takes nothing from the database.
        handle(state, request("Delete", &url), invocation).await.unwrap();
        let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&pool).await.unwrap();
        assert_eq!(users, 0);
    }

    #[tokio::test]
    async fn an_unreachable_database_is_waited_for_and_then_reported() {
        let mut nowhere = db::DbConfig::new("postgres://nobody@127.0.0.1:9/nothing".into());
        nowhere.acquire_timeout = Duration::from_millis(500);
        let state = state(Db::connect(&nowhere).unwrap());
        let (url, answers) = cloudformation().await;
        let invocation = Invocation::lasting(ANSWER_RESERVE + 3 * RETRY_PAUSE);
        handle(Arc::new(state), request("Create", &url), invocation).await.unwrap();
        let answers = answers.lock().unwrap();
        assert_eq!(answers[1]["Status"], "FAILED");
        assert!(answers[1]["Reason"].as_str().unwrap().contains("does not answer"), "{}", answers[1]);
    }
    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn a_person_may_migrate_or_re_encrypt(pool: PgPool) {
        let mut state = state(Db::from_pool(pool));
        state.connector_secrets_keys = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".into();
        let state = Arc::new(state);
        let ask =
            |event: Value| handle(Arc::clone(&state), event, Invocation::lasting(Duration::from_secs(60)));
        assert_eq!(ask(json!({})).await.unwrap()["applied"], json!([]));
        assert_eq!(
            ask(json!({ "command": "reencrypt-secrets" })).await.unwrap(),
            json!({ "key_id": "630dcd2966c43366", "reencrypted": 0, "left": 0, "unreadable": [] })
        );
        for unknown in [json!({ "command": "down" }), json!({ "command": 1 })] {
            assert!(ask(unknown).await.unwrap_err().to_string().contains("reencrypt-secrets"));
        }
    }
}
