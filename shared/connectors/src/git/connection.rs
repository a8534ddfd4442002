//! A connection to the server of a repository, whatever it runs over.

use bytes::Bytes;

use super::answer::{Answer, AnswerLimits, Capabilities};
use super::http::HttpConnection;
use super::remote::{Place, Remote};
use super::ssh::SshConnection;
use crate::ConnectorError;
use crate::clients::Clients;

/// Sends commands of version 2 of the protocol.
#[derive(Debug)]
pub(crate) enum Connection {
    Http(HttpConnection),
    Ssh(Box<SshConnection>),
}

impl Connection {
    /// Over HTTP, nothing is sent yet.
    pub(crate) async fn open(place: &Place, clients: &Clients) -> Result<Self, ConnectorError> {
        match &place.remote {
            Remote::Http { url } => Ok(Self::Http(HttpConnection::new(url, &place.username, clients)?)),
            Remote::Ssh { .. } => Ok(Self::Ssh(Box::new(SshConnection::open(place, clients).await?))),
        }
    }

    /// Whether the server has said what it can do.
    pub(crate) fn is_introduced(&self) -> bool {
        match self {
            Self::Http(http) => http.capabilities().is_some(),
            Self::Ssh(_) => true,
        }
    }

    /// What the server can do, which takes a request over HTTP the first time.
    pub(crate) async fn capabilities(&mut self) -> Result<Capabilities, ConnectorError> {
        match self {
            Self::Http(http) => http.introduce().await,
            Self::Ssh(ssh) => Ok(ssh.capabilities().clone()),
        }
    }

    pub(crate) async fn send(
        &mut self,
        request: Bytes,
        limits: AnswerLimits,
    ) -> Result<Answer<'_>, ConnectorError> {
        match self {
            Self::Http(http) => {
                let answer = http.send(request, limits).await?;
                Ok(Answer::new(answer, limits, http.host().to_owned()))
            }
            Self::Ssh(ssh) => {
                ssh.send(request, limits.time).await?;
                let host = ssh.host().to_owned();
                Ok(Answer::new(ssh.pieces(), limits, host))
            }
        }
    }
}
