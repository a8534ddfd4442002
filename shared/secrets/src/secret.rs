//! A value that is derived from a secret, and read again when a server refuses it.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, MutexGuard};

use crate::SecretError;
use crate::manager::ManagedSecret;
use crate::rds_token::{RdsUser, TokenSigner};

/// The time from a failed attempt to replace an old value to the next one.
const FAILURE_PAUSE: Duration = Duration::from_secs(30);

/// What is derived from a secret: a value of type `T`, such as connection options or keys. Clones share it.
pub struct Secret<T> {
    inner: Arc<Inner<T>>,
}

type Derive<T> = Box<dyn Fn(&SecretString) -> Result<T, String> + Send + Sync>;

struct Inner<T> {
    name: String,
    origin: Origin,
    derive: Derive<T>,
    current: RwLock<Option<Held<T>>>,
    /// When the last attempt to read it again began. Locked while it is read, so that one caller reads for all.
    last_attempt: Mutex<Option<SystemTime>>,
}

enum Origin {
    Fixed,
    Managed(ManagedSecret),
    Rds(Box<TokenSigner>),
}

struct Held<T> {
    value: Arc<T>,
    text: SecretString,
    /// By the clock of the wall: the other one may stand still while an instance is frozen.
    read_at: SystemTime,
}

impl<T> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Secret").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl<T: Send + Sync + 'static> Secret<T> {
    /// Wraps a value that never changes.
    pub fn fixed(value: T) -> Self {
        let held =
            Held { value: Arc::new(value), text: SecretString::default(), read_at: SystemTime::UNIX_EPOCH };
        let never = |_: &SecretString| Err("a fixed value is never derived again".to_owned());
        Self::new("a fixed value".to_owned(), Origin::Fixed, Box::new(never), Some(held))
    }

    /// Starts reading a secret in the background. `derive` makes the value of its text; its errors must not contain
    /// the text.
    pub fn managed(
        arn: &str,
        derive: impl Fn(&SecretString) -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        let origin = Origin::Managed(ManagedSecret::new(arn));
        let secret = Self::new(format!("the secret {arn}"), origin, Box::new(derive), None);
        if let Ok(runtime) = Handle::try_current() {
            let secret = secret.clone();
            // Whoever needs the value reads again if this fails, and reports it.
            runtime.spawn(async move { secret.get().await.map(drop) });
        }
        secret
    }

    /// Derives the value from IAM tokens of a database user.
    pub fn rds_token(
        user: RdsUser,
        derive: impl Fn(&SecretString) -> Result<T, String> + Send + Sync + 'static,
    ) -> Self {
        let name = format!("the IAM token of {} at {}", user.username, user.host);
        Self::new(name, Origin::Rds(Box::new(TokenSigner::new(user))), Box::new(derive), None)
    }

    fn new(name: String, origin: Origin, derive: Derive<T>, current: Option<Held<T>>) -> Self {
        let current = RwLock::new(current);
        Self { inner: Arc::new(Inner { name, origin, derive, current, last_attempt: Mutex::default() }) }
    }

    /// Returns the value, and reads the secret if that was not done yet.
    ///
    /// # Errors
    /// Returns [`SecretError`] if the secret cannot be read or is malformed.
    pub async fn get(&self) -> Result<Arc<T>, SecretError> {
        if let Some(value) = self.held(|held| Arc::clone(&held.value)) {
            return Ok(value);
        }
        let _reading = self.inner.last_attempt.lock().await;
        // Another caller may have read it meanwhile.
        match self.held(|held| Arc::clone(&held.value)) {
            Some(value) => Ok(value),
            None => self.read().await,
        }
    }

    /// Returns the value, and reads the secret again if that was done longer than `max_age` ago. While another caller
    /// does, and if it cannot be read, the old value is returned.
    ///
    /// # Errors
    /// Returns [`SecretError`] if it was never read and cannot be.
    pub async fn get_fresh(&self, max_age: Duration) -> Result<Arc<T>, SecretError> {
        let value = self.get().await?;
        if self.is_fixed() || self.held(|held| is_within(max_age, held.read_at)) == Some(true) {
            return Ok(value);
        }
        let Ok(last_attempt) = self.inner.last_attempt.try_lock() else {
            return Ok(value);
        };
        Ok(self.read_again(last_attempt, &value, max_age.min(FAILURE_PAUSE)).await)
    }

    /// Reads the secret again, because a server refused `refused` or does not know it. Returns the current value:
    /// another `Arc` if it has changed since. Reads nothing if it was read again less than `pause` ago, so a value that
    /// stays wrong costs one call in that time.
    pub async fn refresh(&self, refused: &Arc<T>, pause: Duration) -> Arc<T> {
        if self.is_fixed() {
            return Arc::clone(refused);
        }
        self.read_again(self.inner.last_attempt.lock().await, refused, pause).await
    }

    async fn read_again(
        &self,
        mut last_attempt: MutexGuard<'_, Option<SystemTime>>,
        seen: &Arc<T>,
        pause: Duration,
    ) -> Arc<T> {
        let current = self.held(|held| Arc::clone(&held.value)).unwrap_or_else(|| Arc::clone(seen));
        if !Arc::ptr_eq(&current, seen) || last_attempt.is_some_and(|at| is_within(pause, at)) {
            return current;
        }
        *last_attempt = Some(SystemTime::now());
        match self.read().await {
            Ok(value) => value,
            Err(error) => {
                tracing::warn!(error = error.to_string(), "the value that was read before stays in use");
                current
            }
        }
    }

    /// Returns whether the value never changes.
    pub fn is_fixed(&self) -> bool {
        matches!(self.inner.origin, Origin::Fixed)
    }

    /// Reads the secret, and replaces the value if the text has changed.
    async fn read(&self) -> Result<Arc<T>, SecretError> {
        let Inner { name, origin, derive, current, .. } = &*self.inner;
        let text = match origin {
            Origin::Fixed => Err("a fixed value is never read".to_owned()),
            Origin::Managed(secret) => secret.read().await,
            Origin::Rds(signer) => signer.sign().await,
        };
        let text = text.map_err(|reason| SecretError::Unreadable { name: name.clone(), reason })?;
        let unchanged = self.held(|held| {
            (held.text.expose_secret() == text.expose_secret()).then(|| Arc::clone(&held.value))
        });
        let value = match unchanged.flatten() {
            Some(value) => value,
            None => {
                let malformed = |reason| SecretError::Malformed { name: name.clone(), reason };
                Arc::new(derive(&text).map_err(malformed)?)
            }
        };
        let held = Held { value: Arc::clone(&value), text, read_at: SystemTime::now() };
        let before = current.write().unwrap_or_else(PoisonError::into_inner).replace(held);
        let is_changed = before.is_some_and(|before| !Arc::ptr_eq(&before.value, &value));
        tracing::info!(secret = name, is_changed, "secret read");
        Ok(value)
    }

    fn held<R>(&self, take: impl FnOnce(&Held<T>) -> R) -> Option<R> {
        self.inner.current.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(take)
    }
}

/// Returns whether `moment` is in the last `duration`. One in the future is not: the clock was set back.
fn is_within(duration: Duration, moment: SystemTime) -> bool {
    moment.elapsed().is_ok_and(|age| age < duration)
}

/// Parses the JSON text of a secret. `shape` says what is expected.
///
/// # Errors
/// Returns what is expected; the parser's own message could contain the secret.
pub fn json<T: DeserializeOwned>(text: &SecretString, shape: &str) -> Result<T, String> {
    serde_json::from_str(text.expose_secret()).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("JSON like {shape} is expected, and it differs at line {line}, column {column}")
    })
}
