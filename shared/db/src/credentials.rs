//! Which connection options the pool uses, and what happens when the server refuses them: after a rotation the
//! password is read again and the connection tried again, so the caller notices nothing but the delay.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use secrets::{DatabaseAuthentication, RdsUser, Secret};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::connect_options::{self, PasswordSecret};
use crate::{DbConfig, DbError};

/// The age from which an IAM token is replaced. It is valid for new connections for 15 minutes.
const TOKEN_MAX_AGE: Duration = Duration::from_secs(600);
/// A password in Secrets Manager is read again only when the server refuses it.
const NEVER: Duration = Duration::MAX;
/// The least time between two reads of a secret that stays wrong.
const READ_PAUSE: Duration = Duration::from_secs(1);
/// The time between two attempts while the secret and the server disagree, as in the middle of a rotation.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// The connection options of a pool, which follow the credentials.
#[derive(Debug)]
pub(crate) struct Credentials {
    options: Secret<PgConnectOptions>,
    max_age: Duration,
    /// The options that the pool has now.
    applied: Mutex<Option<Arc<PgConnectOptions>>>,
}

impl Credentials {
    /// Returns the credentials and the options that a pool begins with, which may lack the password.
    ///
    /// # Errors
    /// Returns [`DbError::InvalidUrl`] if the URL is malformed or its TLS mode is too weak.
    pub(crate) fn new(config: &DbConfig) -> Result<(Self, PgConnectOptions), DbError> {
        let access = &config.access;
        let base = connect_options::from_url(&access.url, access.requires_verify_full)
            .map_err(|reason| DbError::InvalidUrl { reason })?;
        let (options, max_age) = match &access.authentication {
            DatabaseAuthentication::Url => (Secret::fixed(base.clone()), NEVER),
            DatabaseAuthentication::Secret(arn) => {
                let (base, verify_full) = (base.clone(), access.requires_verify_full);
                let derive = move |text: &_| PasswordSecret::parse(text)?.apply(base.clone(), verify_full);
                (Secret::managed(arn, derive), NEVER)
            }
            DatabaseAuthentication::Iam => {
                let user = RdsUser {
                    host: base.get_host().to_owned(),
                    port: base.get_port(),
                    username: base.get_username().to_owned(),
                };
                let base = base.clone();
                (
                    Secret::rds_token(user, move |token| {
                        Ok(connect_options::with_password(base.clone(), token))
                    }),
                    TOKEN_MAX_AGE,
                )
            }
        };
        Ok((Self { options, max_age, applied: Mutex::default() }, base))
    }

    /// Calls `connect` with the current credentials. If the server refuses them, they are read again and `connect` is
    /// called again, for as long as `time_limit`.
    pub(crate) async fn retry<R, F>(
        &self,
        pool: &PgPool,
        time_limit: Duration,
        connect: impl Fn() -> F,
    ) -> Result<R, DbError>
    where
        F: Future<Output = Result<R, sqlx::Error>>,
    {
        let deadline = Instant::now() + time_limit;
        loop {
            let used = self.apply(pool).await?;
            let error = match connect().await {
                Err(error) if is_refusal(&error) && !self.options.is_fixed() => error,
                outcome => return Ok(outcome?),
            };
            let current = self.options.refresh(&used, READ_PAUSE).await;
            if Arc::ptr_eq(&current, &used) {
                if Instant::now() + RETRY_PAUSE >= deadline {
                    return Err(error.into());
                }
                tokio::time::sleep(RETRY_PAUSE).await;
            }
        }
    }

    /// Makes the pool use the current credentials for its next connections.
    async fn apply(&self, pool: &PgPool) -> Result<Arc<PgConnectOptions>, DbError> {
        let options = self.options.get_fresh(self.max_age).await?;
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        if !applied.as_ref().is_some_and(|applied| Arc::ptr_eq(applied, &options)) {
            pool.set_connect_options((*options).clone());
            *applied = Some(Arc::clone(&options));
        }
        Ok(options)
    }
}

/// Returns whether the server refused the credentials: class 28, invalid authorization specification.
pub(crate) fn is_refusal(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|refusal| refusal.code());
    code.is_some_and(|code| code.starts_with("28"))
}
