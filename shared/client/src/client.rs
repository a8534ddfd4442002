//! Requests with authentication and retries.

use std::sync::Arc;
use std::time::SystemTime;

use chrono::Utc;
use futures_util::{Stream, TryStreamExt as _, stream};
use reqwest::{Body, Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::Mutex;

use crate::credentials::{Credentials, Session, SessionStore};
use crate::error::ClientError;
use crate::retry::{RetryPolicy, retry_after};
use crate::transport::{Request, Response, Transport};
use crate::types::{AnnouncedUpload, Entries};

/// Entries of a page of a list; the API's maximum.
const PER_PAGE: u64 = 100;

/// How a list is divided into parts; each route knows one way.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Paging {
    Page,
    Offset,
}

/// A client of one installation, as one caller. Cheap to clone; clones share connections and session.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    credentials: Arc<Credentials>,
    session: Arc<Mutex<Option<Session>>>,
    retry: RetryPolicy,
}

/// Settings of a [`Client`].
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    base_url: String,
    credentials: Credentials,
    retry: RetryPolicy,
}

impl ClientBuilder {
    /// Sets the credentials; without them only public routes answer.
    #[must_use]
    pub fn credentials(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    /// Sets when requests are sent again.
    #[must_use]
    pub fn retry(self, retry: RetryPolicy) -> Self {
        Self { retry, ..self }
    }

    /// Creates the client. Sends nothing.
    ///
    /// # Errors
    /// Returns [`ClientError::Invalid`] if the URL cannot be used.
    pub fn build(self) -> Result<Client, ClientError> {
        Ok(Client {
            transport: Transport::new(&self.base_url)?,
            credentials: Arc::new(self.credentials),
            session: Arc::default(),
            retry: self.retry,
        })
    }
}

/// The tokens of a session.
#[derive(Deserialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
    expires_in: i64,
}

impl Client {
    /// Begins a client of the installation at this URL, which may have a path.
    pub fn builder(base_url: impl Into<String>) -> ClientBuilder {
        ClientBuilder {
            base_url: base_url.into(),
            credentials: Credentials::default(),
            retry: RetryPolicy::default(),
        }
    }

    /// The base URL, without a slash at the end.
    pub fn base_url(&self) -> &str {
        self.transport.base_url()
    }

    /// Sends a request, again if that is worth it, and parses the response.
    pub(crate) async fn call<T: DeserializeOwned>(&self, request: &Request) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        if response.status == StatusCode::UNAUTHORIZED {
            let error = self.transport.parse::<T>(&request.path, &response).err();
            let reason = error.map_or_else(String::new, |error| error.to_string());
            return Err(ClientError::NotSignedIn(reason));
        }
        self.transport.parse(&request.path, &response)
    }

    async fn send(&self, request: &Request) -> Result<Response, ClientError> {
        let mut token = self.token(None).await?;
        let mut was_renewed = false;
        let mut failed = 0;
        loop {
            let result = self.transport.send(request, token.as_deref()).await;
            let retry_after = match &result {
                Ok(response) if response.status == StatusCode::UNAUTHORIZED && !was_renewed => {
                    // Ended early, such as by a sign-out elsewhere, or the clock is wrong.
                    was_renewed = true;
                    let renewed = self.token(token.as_deref()).await?;
                    if renewed == token {
                        return result;
                    }
                    token = renewed;
                    continue;
                }
                Ok(response) if RetryPolicy::covers(response.status) => {
                    retry_after(&response.headers, SystemTime::now())
                }
                Err(ClientError::Unreachable { .. }) => None,
                _ => return result,
            };
            failed += 1;
            let Some(pause) = self.retry.pause(failed, retry_after) else {
                return result;
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Returns the bearer token. `refused` is one that the API did not accept, so another one is needed.
    async fn token(&self, refused: Option<&str>) -> Result<Option<String>, ClientError> {
        let (store, password) = match &*self.credentials {
            Credentials::Anonymous => return Ok(None),
            Credentials::ApiKey(key) => return Ok(Some(key.clone())),
            Credentials::User { store, password } => (store.as_deref(), password.as_ref()),
        };
        let is_usable = |session: &Session| {
            session.is_fresh(Utc::now().timestamp()) && Some(session.access_token.as_str()) != refused
        };
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| is_usable(session)) {
            return Ok(Some(session.access_token.clone()));
        }
        let _excluded = store.map(SessionStore::lock).transpose()?;
        if let Some(store) = store {
            // Another process may have renewed it.
            *current = store.load()?.or(current.take());
        }
        if let Some(session) = current.as_ref().filter(|session| is_usable(session)) {
            return Ok(Some(session.access_token.clone()));
        }
        let renewed = match &*current {
            Some(old) => self.renew(&old.refresh_token).await?,
            None => None,
        };
        let session = match (renewed, password) {
            (Some(session), _) => session,
            (None, Some((username, password))) => self.sign_in(username, password).await?,
            (None, None) => {
                if let Some(store) = store {
                    store.save(None)?;
                }
                return Err(ClientError::NotSignedIn(format!(
                    "not signed in to {}, or the session has ended",
                    self.base_url()
                )));
            }
        };
        if let Some(store) = store {
            store.save(Some(&session))?;
        }
        let token = session.access_token.clone();
        *current = Some(session);
        Ok(Some(token))
    }

    /// Exchanges a refresh token; `None` if the session has ended.
    ///
    /// Sent once: if the response is lost, the token may be spent, and a second use would end the session.
    async fn renew(&self, refresh_token: &str) -> Result<Option<Session>, ClientError> {
        let request = Request::new(Method::POST, "/api/auth/refresh");
        let request = request.body(json!({ "refresh_token": refresh_token }));
        let response = self.transport.send(&request, None).await?;
        if response.status == StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        self.transport.parse::<Tokens>(&request.path, &response).map(|tokens| Some(tokens.into()))
    }

    /// Signs in with a password; returns the session without keeping it.
    ///
    /// # Errors
    /// Returns [`ClientError::NotSignedIn`] if user name or password are wrong.
    pub async fn sign_in(&self, username: &str, password: &str) -> Result<Session, ClientError> {
        let request = Request::new(Method::POST, "/api/auth/login");
        let request = request.body(json!({ "username": username, "password": password }));
        let anonymous = Self { credentials: Arc::default(), ..self.clone() };
        // Boxed: sending asks for a token, and that may sign in; an anonymous client does not.
        let tokens: Tokens = Box::pin(anonymous.call(&request)).await?;
        Ok(tokens.into())
    }

    /// Lists all pages of a resource as one stream.
    pub(crate) fn list<T: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        paging: Paging,
    ) -> impl Stream<Item = Result<T, ClientError>> + Send + use<T> {
        let mut serialized = url::form_urlencoded::Serializer::new(String::new());
        let path = format!("{path}?{}", serialized.extend_pairs(query).finish());
        let client = self.clone();
        let pages = stream::try_unfold(Some(1), move |page| {
            let (client, path) = (client.clone(), path.clone());
            async move {
                let Some(page) = page else { return Ok(None) };
                let part = match paging {
                    Paging::Page => format!("&page={page}&per_page={PER_PAGE}"),
                    Paging::Offset => format!("&offset={}&limit={PER_PAGE}", (page - 1) * PER_PAGE),
                };
                let request = Request::new(Method::GET, path + &part);
                let found: Entries<T> = client.call(&request).await?;
                let has_more = page * PER_PAGE < found.total && !found.entries.is_empty();
                let entries = stream::iter(found.entries.into_iter().map(Ok));
                Ok::<_, ClientError>(Some((entries, has_more.then_some(page + 1))))
            }
        });
        pages.try_flatten()
    }

    /// PUTs the content of an announced file; `body` opens it, once for every attempt.
    ///
    /// # Errors
    /// Returns [`ClientError::Storage`] if the bucket refuses the file, or the error of `body`.
    pub async fn put_content(
        &self,
        upload: &AnnouncedUpload,
        size: u64,
        body: impl AsyncFn() -> Result<Body, ClientError>,
    ) -> Result<(), ClientError> {
        let mut failed = 0;
        loop {
            let headers = upload.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let result = self.transport.put(&upload.url, headers, size, body().await?).await;
            let retry_after = match result {
                // 412: an earlier attempt has arrived and its response was lost. Nothing else writes this key.
                Ok(Response { status, .. })
                    if status.is_success() || (status == StatusCode::PRECONDITION_FAILED && failed > 0) =>
                {
                    return Ok(());
                }
                Ok(ref response) if RetryPolicy::covers(response.status) || response.status == 500 => {
                    retry_after(&response.headers, SystemTime::now())
                }
                Ok(ref response) => return Err(storage_error(&upload.name, response)),
                Err(ClientError::Unreachable { .. }) => None,
                Err(error) => return Err(error),
            };
            failed += 1;
            let Some(pause) = self.retry.pause(failed, retry_after) else {
                return Err(match result {
                    Ok(response) => storage_error(&upload.name, &response),
                    Err(error) => error,
                });
            };
            tokio::time::sleep(pause).await;
        }
    }
}

impl From<Tokens> for Session {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            expires_at: Utc::now().timestamp() + tokens.expires_in,
        }
    }
}

/// Reads `<Code>` and `<Message>` of S3's error document.
fn storage_error(name: &str, response: &Response) -> ClientError {
    let text = String::from_utf8_lossy(&response.bytes);
    let element = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(content, _)| content.to_owned())
    };
    let parts: Vec<String> = ["Code", "Message"].into_iter().filter_map(element).collect();
    let reason = if parts.is_empty() { "no reason was given".to_owned() } else { parts.join(", ") };
    ClientError::Storage { name: name.to_owned(), status: response.status, reason }
}
