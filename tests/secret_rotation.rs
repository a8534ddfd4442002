//! Secrets change while the program runs: nothing that waits for a server or verifies a token notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use auth::{AccessTokens, ConnectorKeys, SecretSlot};
use aws_sdk_secretsmanager::Client;
use chrono::Utc;
use db::{Db, DbConfig};
use domain::{SecretType, SessionId, SourceId, UserId};
use futures_util::future::{join_all, try_join_all};
use secrecy::ExposeSecret;
use secrets::{DatabaseAccess, DatabaseAuthentication, SecretSource};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use testkit::{Stack, unique};
use uuid::Uuid;

/// Instances that run at the same time, and the requests of each.
const INSTANCES: usize = 6;
const REQUESTS: usize = 10;

/// A secret of a test.
struct TestSecret {
    manager: Client,
    arn: String,
}

impl TestSecret {
    async fn create(value: Value) -> Self {
        let manager = Client::new(&aws::sdk_config().await);
        let request = manager.create_secret().name(unique("test")).secret_string(value.to_string());
        let arn = request.send().await.unwrap().arn.unwrap();
        Self { manager, arn }
    }

    async fn put(&self, value: Value) {
        self.manager
            .put_secret_value()
            .secret_id(&self.arn)
            .secret_string(value.to_string())
            .send()
            .await
            .unwrap();
    }

    fn source(&self) -> SecretSource {
        SecretSource::Arn(self.arn.clone())
    }

    async fn delete(self) {
        let request = self.manager.delete_secret().secret_id(&self.arn).force_delete_without_recovery(true);
        request.send().await.unwrap();
    }
}

async fn sql(admin: &PgPool, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_rotates_three_times_under_load_and_no_call_fails() {
    let stack = Stack::from_env();
    let admin = PgPool::connect(&stack.database_url).await.unwrap();
    let role = unique("rotating").replace('-', "_");
    sql(&admin, format!("CREATE ROLE {role} LOGIN PASSWORD 'password 0'")).await;
    let secret = TestSecret::create(json!({ "username": role, "password": "password 0" })).await;
    let config = DbConfig {
        max_connections: 2,
        ..DbConfig::new(DatabaseAccess {
            url: stack.database_url.as_str().into(),
            authentication: DatabaseAuthentication::Secret(secret.arn.clone()),
            requires_verify_full: false,
        })
    };
    let (is_over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..INSTANCES)
        .map(|_| {
            let (config, is_over, calls) = (config.clone(), Arc::clone(&is_over), Arc::clone(&calls));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    // An instance that starts, serves some requests at the same time, and ends.
                    let db = Db::connect(&config)?;
                    try_join_all((0..REQUESTS).map(|_| db.ping())).await?;
                    calls.fetch_add(REQUESTS, Ordering::Relaxed);
                }
                Ok::<_, db::DbError>(())
            })
        })
        .collect();
    for rotation in 1..=3 {
        // The server knows the new password before the secret does, as in the rotations of RDS.
        sql(&admin, format!("ALTER ROLE {role} PASSWORD 'password {rotation}'")).await;
        // Needs a connection while the secret still has the old password.
        let fresh = Db::connect(&config).unwrap();
        let waiting = tokio::spawn(async move { fresh.ping().await });
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(!waiting.is_finished(), "the old password was accepted");
        secret.put(json!({ "username": role, "password": format!("password {rotation}") })).await;
        waiting.await.unwrap().unwrap();
    }
    let before = calls.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(500)).await;
    is_over.store(true, Ordering::Relaxed);
    for caller in join_all(callers).await {
        caller.unwrap().unwrap();
    }
    assert!(before > 0 && calls.load(Ordering::Relaxed) > before, "the load ended early");
    sql(&admin, format!("DROP ROLE {role}")).await;
    secret.delete().await;
}

#[tokio::test]
async fn a_password_that_stays_wrong_is_reported_as_unavailable() {
    let stack = Stack::from_env();
    let secret = TestSecret::create(json!({ "password": "wrong" })).await;
    let config = DbConfig {
        acquire_timeout: Duration::from_secs(2),
        ..DbConfig::new(DatabaseAccess {
            url: stack.database_url.as_str().into(),
            authentication: DatabaseAuthentication::Secret(secret.arn.clone()),
            requires_verify_full: false,
        })
    };
    let error = Db::connect(&config).unwrap().ping().await.unwrap_err();
    assert!(matches!(error, db::DbError::Unavailable(_)), "{error}");
    assert!(!lambda::error_chain(&error).contains("wrong"), "{error}");
    secret.delete().await;
}

#[tokio::test]
async fn tokens_of_old_and_new_signing_keys_are_valid_while_both_are_in_the_secret() {
    let (old, new) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let secret = TestSecret::create(json!({ "jwt_secrets": [old] })).await;
    let instance = || AccessTokens::open(&secret.source()).unwrap();
    let issue = async |tokens: &AccessTokens| {
        tokens.issue(UserId(7), "ada", SessionId(Uuid::from_u128(1)), Utc::now()).await.unwrap()
    };
    let before = instance();
    let first = issue(&before).await;
    secret.put(json!({ "jwt_secrets": [new, old] })).await;
    let after = instance();
    let second = issue(&after).await;
    // The instance that started before the rotation finds the new key when it meets it, and no earlier.
    for (instance, token) in [(&after, &first), (&after, &second), (&before, &second), (&before, &first)] {
        assert_eq!(instance.verify(token, Utc::now()).await.unwrap().sub, "ada");
    }
    secret.put(json!({ "jwt_secrets": [new] })).await;
    let last = instance();
    assert!(last.verify(&second, Utc::now()).await.is_ok());
    assert!(matches!(last.verify(&first, Utc::now()).await, Err(auth::TokenError::UnknownKey)));
    secret.delete().await;
}

#[tokio::test]
async fn connector_secrets_under_a_new_key_are_readable_for_instances_that_started_before() {
    const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=";
    let secret = TestSecret::create(json!({ "keys": [OLD] })).await;
    let instance = || ConnectorKeys::open(Some(&secret.source())).unwrap();
    let slot = SecretSlot { source_id: SourceId(7), secret_type: SecretType::Token };
    let before = instance();
    let first = before.newest().await.unwrap().seal(slot, &"s3cret".into()).unwrap();
    secret.put(json!({ "keys": [NEW, OLD] })).await;
    let second = instance().newest().await.unwrap().seal(slot, &"s3cret".into()).unwrap();
    assert_ne!(first.key_id, second.key_id);
    for sealed in [&first, &second] {
        let plaintext = before.decrypt(slot, &sealed.key_id, &sealed.ciphertext).await.unwrap();
        assert_eq!(plaintext.expose_secret(), "s3cret");
    }
    secret.delete().await;
}
