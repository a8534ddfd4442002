//! Re-encrypts the secrets of sources and webhooks with the newest key, so that older keys can be removed.

use std::fmt;
use std::time::Instant;

use auth::{ConnectorKeys, SecretCipher, SecretCipherError, SecretSlot};
use db::sources::ConnectorSecret;
use db::webhooks::WebhookSecret;
use db::{Db, DbError};
use secrets::SecretSource;
use serde::Serialize;

/// Secrets that are read together.
const BATCH: i64 = 100;

/// Why a run stopped. What it re-encrypted stays; another run continues.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReencryptError {
    #[error("there are no keys; put the new key and the old ones into ConnectorSecret, the new one first")]
    NoKeys,
    #[error(transparent)]
    Keys(#[from] SecretCipherError),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// The result of a run.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Reencrypted {
    /// The id of the newest key.
    pub(crate) key_id: String,
    /// Secrets that were re-encrypted with it.
    pub(crate) reencrypted: u64,
    /// Secrets that are still under other keys.
    pub(crate) left: i64,
    /// Those of them that cannot be decrypted, each with the reason.
    pub(crate) unreadable: Vec<String>,
}

impl fmt::Display for Reencrypted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key_id, reencrypted, left, unreadable } = self;
        write!(
            formatter,
            "re-encrypted {reencrypted} secrets with key {key_id}; {left} are left under other keys"
        )?;
        unreadable.iter().try_for_each(|line| write!(formatter, "\n{line}"))
    }
}

/// Re-encrypts every secret that is under an older key and can be decrypted, until the deadline. A secret
/// that is set meanwhile keeps its new value. Reads the keys anew, because they may just have been rotated.
pub(crate) async fn reencrypt(
    db: &Db,
    keys: Option<&SecretSource>,
    deadline: Option<Instant>,
) -> Result<Reencrypted, ReencryptError> {
    let secrets = ConnectorKeys::open(keys)?.newest().await?;
    let key_id = secrets.newest_key_id().ok_or(ReencryptError::NoKeys)?.to_owned();
    let mut report = Reencrypted { key_id, ..Reencrypted::default() };
    let mut last_id = 0;
    while deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let mut connection = db.connection().await?;
        let batch = connection.connector_secrets().list_not_under(&report.key_id, last_id, BATCH).await?;
        let Some(last) = batch.last() else {
            break;
        };
        last_id = last.id;
        reencrypt_batch(db, &secrets, &batch, &mut report).await?;
    }
    let mut last_id = 0;
    while deadline.is_none_or(|deadline| Instant::now() < deadline) {
        let mut connection = db.connection().await?;
        let batch = connection.webhook_secrets().list_not_under(&report.key_id, last_id, BATCH).await?;
        let Some(last) = batch.last() else {
            break;
        };
        last_id = last.id;
        reencrypt_webhooks(db, &secrets, &batch, &mut report).await?;
    }
    let mut connection = db.connection().await?;
    report.left = connection.connector_secrets().count_not_under(&report.key_id).await?
        + connection.webhook_secrets().count_not_under(&report.key_id).await?;
    Ok(report)
}

/// As [`reencrypt_batch`], for secrets of webhooks.
async fn reencrypt_webhooks(
    db: &Db,
    secrets: &SecretCipher,
    batch: &[WebhookSecret],
    report: &mut Reencrypted,
) -> Result<(), ReencryptError> {
    let mut connection = db.connection().await?;
    for read in batch {
        let secret = match secrets.open(read.webhook_id, &read.key_id, &read.ciphertext) {
            Ok(secret) => secret,
            Err(error) => {
                report.unreadable.push(format!("webhook {}: {error}", read.webhook_id));
                continue;
            }
        };
        let sealed = secrets.seal(read.webhook_id, &secret)?;
        if connection.webhook_secrets().reencrypt(read, &sealed.ciphertext, &sealed.key_id).await? {
            report.reencrypted += 1;
        }
    }
    Ok(())
}

/// Re-encrypts each secret in a transaction of its own: locks on several could deadlock with a request
/// that sets the same secrets in another order.
async fn reencrypt_batch(
    db: &Db,
    secrets: &SecretCipher,
    batch: &[ConnectorSecret],
    report: &mut Reencrypted,
) -> Result<(), ReencryptError> {
    let mut connection = db.connection().await?;
    for read in batch {
        let slot = SecretSlot { source_id: read.source_id, secret_type: read.secret_type };
        let secret = match secrets.open(slot, &read.key_id, &read.ciphertext) {
            Ok(secret) => secret,
            Err(error) => {
                report.unreadable.push(format!("source {}, {}: {error}", read.source_id, read.secret_type));
                continue;
            }
        };
        let sealed = secrets.seal(slot, &secret)?;
        if connection.connector_secrets().reencrypt(read, &sealed.ciphertext, &sealed.key_id).await? {
            report.reencrypted += 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use db::sources::NewSecret;
    use domain::{SecretType, SourceId};
    use secrecy::ExposeSecret;
    use sqlx::PgPool;

    use super::*;

    const OLD: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=";
    const TYPES: [SecretType; 2] = [SecretType::Password, SecretType::Token];

    async fn run(db: &Db, keys: &str, deadline: Option<Instant>) -> Result<Reencrypted, ReencryptError> {
        reencrypt(db, Some(&SecretSource::Value(keys.into())), deadline).await
    }

    struct Bench {
        db: Db,
        sources: Vec<SourceId>,
    }

    impl Bench {
        /// Creates sources, each with a password and a token under this key.
        async fn new(pool: &PgPool, sources: i64, key: &str) -> Self {
            let ids: Vec<i64> = sqlx::query_scalar(
                "WITH ada AS (
                    INSERT INTO users (username, email, hashed_password) VALUES ('ada', 'ada@example.org', 'x')
                    RETURNING id
                ), notes AS (
                    INSERT INTO collections (id, name, owner_id, vector_store_name, embedding_model, chunk_size,
                        chunk_overlap)
                    SELECT gen_random_uuid(), 'notes', id, 'notes', 'model', 256, 51 FROM ada RETURNING id
                )
                INSERT INTO collection_sources (collection_id, source_path, source_type)
                SELECT id, n, 'directory' FROM notes, generate_series(1, $1) n RETURNING id",
            )
            .bind(sources)
            .fetch_all(pool)
            .await
            .unwrap();
            let bench =
                Self { db: Db::from_pool(pool.clone()), sources: ids.into_iter().map(SourceId).collect() };
            for source in &bench.sources {
                bench.put(*source, key, &format!("first of {source}")).await;
            }
            bench
        }

        /// Sets both secrets of a source, in one transaction as the API does.
        async fn put(&self, source_id: SourceId, keys: &str, secret: &str) {
            let secrets = SecretCipher::new(&keys.into()).unwrap();
            let sealed = TYPES.map(|secret_type| {
                secrets.seal(SecretSlot { source_id, secret_type }, &secret.into()).unwrap()
            });
            let new: Vec<NewSecret<'_>> = TYPES
                .iter()
                .zip(&sealed)
                .map(|(secret_type, sealed)| NewSecret {
                    secret_type: *secret_type,
                    ciphertext: &sealed.ciphertext,
                    key_id: &sealed.key_id,
                })
                .collect();
            let mut tx = self.db.begin().await.unwrap();
            tx.connector_secrets().put(source_id, &new).await.unwrap();
            tx.commit().await.unwrap();
        }

        async fn rows(&self, source_id: SourceId) -> Vec<ConnectorSecret> {
            self.db.connection().await.unwrap().connector_secrets().list(source_id).await.unwrap()
        }

        /// The source's secrets, decrypted with these keys.
        async fn read(&self, source_id: SourceId, keys: &str) -> Vec<String> {
            let secrets = SecretCipher::new(&keys.into()).unwrap();
            let open = |row: &ConnectorSecret| {
                let slot = SecretSlot { source_id, secret_type: row.secret_type };
                secrets.open(slot, &row.key_id, &row.ciphertext).unwrap().expose_secret().to_owned()
            };
            self.rows(source_id).await.iter().map(open).collect()
        }
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn after_a_run_the_old_key_is_not_needed_and_another_run_changes_nothing(pool: PgPool) {
        // More than one batch.
        let bench = Bench::new(&pool, 60, OLD).await;
        let keys = format!("{NEW},{OLD}");
        let report = run(&bench.db, &keys, None).await.unwrap();
        assert_eq!((report.reencrypted, report.left), (120, 0), "{report}");
        for source in &bench.sources {
            assert_eq!(bench.read(*source, NEW).await, vec![format!("first of {source}"); 2]);
        }
        let rows = bench.rows(bench.sources[0]).await;
        let again = run(&bench.db, &keys, None).await.unwrap();
        assert_eq!((again.reencrypted, again.left), (0, 0), "{again}");
        assert_eq!(bench.rows(bench.sources[0]).await, rows);
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn secrets_of_webhooks_are_re_encrypted_with_those_of_sources(pool: PgPool) {
        let bench = Bench::new(&pool, 1, OLD).await;
        let id = domain::WebhookId(uuid::Uuid::from_u128(7));
        let sealed = SecretCipher::new(&OLD.into()).unwrap().seal(id, &"whsec_AA==".into()).unwrap();
        sqlx::query("INSERT INTO webhooks (id, user_id, url, events) SELECT $1, id, 'https://a.example', '{}' FROM users")
            .bind(id.0)
            .execute(&pool)
            .await
            .unwrap();
        let mut connection = bench.db.connection().await.unwrap();
        let mut stored = connection.webhook_secrets();
        stored.rotate(id, &sealed.ciphertext, &sealed.key_id, chrono::Utc::now()).await.unwrap();
        let report = run(&bench.db, &format!("{NEW},{OLD}"), None).await.unwrap();
        assert_eq!((report.reencrypted, report.left), (3, 0), "{report}");
        let stored = stored.list_signing(id).await.unwrap().remove(0);
        let opened = SecretCipher::new(&NEW.into()).unwrap().open(id, &stored.key_id, &stored.ciphertext);
        assert_eq!(opened.unwrap().expose_secret(), "whsec_AA==");
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn secrets_that_cannot_be_decrypted_are_reported_and_left(pool: PgPool) {
        let bench = Bench::new(&pool, 3, OLD).await;
        let [gone, moved, fine] = bench.sources[..] else { panic!() };
        let third = "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCA=";
        bench.put(gone, third, "lost").await;
        sqlx::query(
            "UPDATE connector_secrets SET ciphertext = other.ciphertext FROM connector_secrets other
            WHERE connector_secrets.collection_source_id = $1 AND other.collection_source_id = $2
                AND connector_secrets.secret_type = 'token' AND other.secret_type = 'token'",
        )
        .bind(moved.0)
        .bind(fine.0)
        .execute(&pool)
        .await
        .unwrap();
        let before = bench.rows(gone).await;
        let report = run(&bench.db, &format!("{NEW},{OLD}"), None).await.unwrap();
        assert_eq!((report.reencrypted, report.left), (3, 3), "{report}");
        assert_eq!(bench.rows(gone).await, before);
        let key = SecretCipher::new(&third.into()).unwrap().newest_key_id().unwrap().to_owned();
        let text = report.to_string();
        assert!(text.contains(&format!("source {gone}, password: ")) && text.contains(&key), "{text}");
        assert!(text.contains(&format!("source {moved}, token: a secret cannot be decrypted")));
        assert!(!text.contains("first of") && !text.contains("lost"), "{text}");
        // With its key they can be decrypted.
        let report = run(&bench.db, &format!("{NEW},{OLD},{third}"), None).await.unwrap();
        assert_eq!((report.reencrypted, report.left), (2, 1), "{report}");
        assert_eq!(bench.read(gone, NEW).await, ["lost", "lost"]);
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn a_secret_that_is_set_after_it_was_read_keeps_its_new_value(pool: PgPool) {
        let bench = Bench::new(&pool, 2, OLD).await;
        let secrets = SecretCipher::new(&format!("{NEW},{OLD}").into()).unwrap();
        let newest = secrets.newest_key_id().unwrap();
        let mut connection = bench.db.connection().await.unwrap();
        let batch = connection.connector_secrets().list_not_under(newest, 0, BATCH).await.unwrap();
        // By one function that already has the new key, and one that does not.
        bench.put(bench.sources[0], NEW, "set meanwhile").await;
        bench.put(bench.sources[1], OLD, "set too").await;
        let mut report = Reencrypted::default();
        reencrypt_batch(&bench.db, &secrets, &batch, &mut report).await.unwrap();
        assert_eq!((batch.len(), report.reencrypted), (4, 0));
        assert_eq!(bench.read(bench.sources[0], NEW).await, ["set meanwhile", "set meanwhile"]);
        assert_eq!(bench.read(bench.sources[1], OLD).await, ["set too", "set too"]);
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn no_change_is_lost_while_secrets_are_set_and_re_encrypted_concurrently(pool: PgPool) {
        let bench = Arc::new(Bench::new(&pool, 10, OLD).await);
        let keys = format!("{NEW},{OLD}");
        let is_done = Arc::new(AtomicBool::new(false));
        let setter = {
            let (bench, is_done) = (Arc::clone(&bench), Arc::clone(&is_done));
            tokio::spawn(async move {
                let mut round = 0;
                while !is_done.load(Ordering::Relaxed) || round == 0 {
                    round += 1;
                    for source in &bench.sources {
                        bench.put(*source, OLD, &format!("round {round}")).await;
                    }
                }
                round
            })
        };
        for _ in 0..5 {
            run(&bench.db, &keys, None).await.unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        let round = setter.await.unwrap();
        let report = run(&bench.db, &keys, None).await.unwrap();
        assert_eq!((report.left, report.unreadable.len()), (0, 0), "{report}");
        for source in &bench.sources {
            assert_eq!(bench.read(*source, NEW).await, vec![format!("round {round}"); 2]);
        }
    }

    #[sqlx::test(migrator = "db::MIGRATOR")]
    async fn a_run_without_time_or_keys_changes_nothing_and_reports_it(pool: PgPool) {
        let bench = Bench::new(&pool, 1, OLD).await;
        let deadline = Instant::now().checked_sub(Duration::from_millis(1));
        let report = run(&bench.db, &format!("{NEW},{OLD}"), deadline).await.unwrap();
        assert_eq!((report.reencrypted, report.left), (0, 2));
        let refused = run(&bench.db, "", None).await.unwrap_err();
        assert!(refused.to_string().contains("there are no keys"), "{refused}");
        let refused = run(&bench.db, "hunter2", None).await.unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
        assert_eq!(bench.read(bench.sources[0], OLD).await.len(), 2);
    }
}
