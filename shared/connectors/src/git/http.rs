//! The protocol over HTTP: <https://git-scm.com/docs/http-protocol>

use bytes::Bytes;
use domain::SecretType;
use egress::{Egress, Method, Redirects, Request, Response, StatusCode, Url, header};
use secrecy::SecretString;

use super::answer::{Answer, AnswerLimits, Capabilities, Pieces};
use crate::ConnectorError;
use crate::clients::Clients;
use crate::reader::Reading;

/// Sends every command as one request.
#[derive(Debug)]
pub(crate) struct HttpConnection {
    egress: Egress,
    url: Url,
    credentials: Option<(String, SecretString)>,
    capabilities: Option<Capabilities>,
}

/// The user of a token where the setting `username` names none. GitHub's name for it; GitLab, Gitea and Forgejo take any.
const TOKEN_USER: &str = "x-access-token";

/// For what a server says about itself.
const INTRODUCTION: AnswerLimits =
    AnswerLimits { bytes: 64 * 1024, time: std::time::Duration::from_secs(20) };

impl HttpConnection {
    pub(super) fn new(url: &Url, username: &str, clients: &Clients) -> Result<Self, ConnectorError> {
        let user_or = |default: &str| if username.is_empty() { default } else { username }.to_owned();
        let credentials =
            match (clients.secrets.get(SecretType::Token), clients.secrets.get(SecretType::Password)) {
                (Some(token), _) => Some((user_or(TOKEN_USER), token.clone())),
                (None, Some(_)) if username.is_empty() => {
                    let message = "is required with the secret password; the name of its account allowed";
                    return Err(ConnectorError::invalid("username", message));
                }
                (None, Some(password)) => Some((user_or(""), password.clone())),
                (None, None) => None,
            };
        Ok(Self { egress: clients.egress.clone(), url: url.clone(), credentials, capabilities: None })
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(super) fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    /// Asks what the server can do, and where the repository is if it has moved.
    pub(super) async fn introduce(&mut self) -> Result<Capabilities, ConnectorError> {
        if let Some(known) = &self.capabilities {
            return Ok(known.clone());
        }
        const PATH: &str = "/info/refs";
        let url = format!("{}{PATH}?service=git-upload-pack", self.url);
        let request = self.request(Method::GET, &url, INTRODUCTION).redirects(Redirects::Follow(5));
        let response = self.check(request.send().await?)?;
        let mut found = response.url().clone();
        found.set_query(None);
        let mut answer = Answer::new(HttpAnswer(response), INTRODUCTION, self.host().to_owned());
        let capabilities = Capabilities::read(&mut answer).await?;
        answer.finish().await?;
        if let Some(path) = found.path().strip_suffix(PATH).map(str::to_owned) {
            found.set_path(&path);
            // Secrets are for the server that they were set for.
            if found.origin() != self.url.origin() {
                let reason = format!("it redirects to {found}; use that address");
                return Err(ConnectorError::Forbidden { what: self.host().to_owned(), reason });
            }
            self.url = found;
        }
        Ok(self.capabilities.insert(capabilities).clone())
    }

    pub(super) async fn send(
        &self,
        command: Bytes,
        limits: AnswerLimits,
    ) -> Result<HttpAnswer, ConnectorError> {
        let url = format!("{}/git-upload-pack", self.url);
        let request = self.request(Method::POST, &url, limits).redirects(Redirects::Return);
        let request = request.header(header::CONTENT_TYPE, "application/x-git-upload-pack-request");
        let response = request.header(header::ACCEPT, "application/x-git-upload-pack-result").body(command);
        Ok(HttpAnswer(self.check(response.send().await?)?))
    }

    fn request(&self, method: Method, url: &str, limits: AnswerLimits) -> Request {
        let request = self.egress.request(method, url).header("Git-Protocol", "version=2");
        let request = request.timeout(limits.time).limit(limits.bytes);
        match &self.credentials {
            Some((user, secret)) => request.basic(user, secret),
            None => request,
        }
    }

    fn check(&self, response: Response) -> Result<Response, ConnectorError> {
        let (status, retry_after) = (response.status(), response.retry_after());
        let what = self.host().to_owned();
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::FORBIDDEN
                if status == StatusCode::TOO_MANY_REQUESTS || retry_after.is_some() =>
            {
                Err(ConnectorError::Throttled { what, retry_after })
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let remedy = match self.credentials {
                    Some(_) => {
                        "check the secret token (or username and password) and that it may read the repository"
                    }
                    None => {
                        "the repository does not exist or is private; set the secret token (or username and password)"
                    }
                };
                Err(ConnectorError::SignIn {
                    what,
                    reason: format!("it answered {}; {remedy}", status.as_u16()),
                })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Err(ConnectorError::NotFound { what: format!("the repository {}", self.url) })
            }
            status if status.is_redirection() => {
                let reason = format!("it answered {} to a command; check the address", status.as_u16());
                Err(ConnectorError::Forbidden { what, reason })
            }
            _ => Ok(response.error_for_status()?),
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct HttpAnswer(Response);

impl Pieces for HttpAnswer {
    fn next(&mut self) -> Reading<'_, Option<Bytes>> {
        Box::pin(async { Ok(self.0.next().await?) })
    }

    fn finish(&mut self) -> Reading<'_, ()> {
        Box::pin(async {
            while self.0.next().await?.is_some() {}
            Ok(())
        })
    }
}
