//! HTTP over the connections of the gate.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;

use crate::connect::Gate;
use crate::host_slots::HostSlots;
use crate::target::Target;
use crate::tls::Tls;
use crate::{EgressConfig, EgressError};

/// Shorter than the time after which servers close idle connections (5 s is a common default), so that few
/// requests meet one that is closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Real servers send invalid headers and more than the default of 100.
const MAX_HEADERS: usize = 256;

/// The client of a process, with what its requests have in common.
pub(crate) struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
    pub(crate) slots: HostSlots,
    pub(crate) config: EgressConfig,
}

impl HttpClient {
    /// Creates the client; connects to nothing.
    pub(crate) fn new(config: EgressConfig, gate: Arc<Gate>, tls: Tls) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .http1_ignore_invalid_headers_in_responses(true)
            .http1_max_headers(MAX_HEADERS)
            .build(Connector { gate, tls });
        Self { client, slots: HostSlots::new(config.requests_per_host), config }
    }

    /// Sends one request. If the server closes the connection instead of answering, which it may do with one
    /// that was idle, a request that changes nothing is sent once more.
    pub(crate) async fn send(
        &self,
        target: &str,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, EgressError> {
        let again = matches!(*request.method(), Method::GET | Method::HEAD).then(|| request.clone());
        let outcome = match (self.client.request(request).await, again) {
            (Err(error), Some(again)) if was_closed(&error) => self.client.request(again).await,
            (outcome, _) => outcome,
        };
        outcome.map_err(|error| connection_error(target, &error))
    }
}

impl std::fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpClient").field("config", &self.config).finish_non_exhaustive()
    }
}

fn was_closed(error: &(dyn Error + 'static)) -> bool {
    causes(error).any(|cause| {
        let closed = cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message);
        let reset = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        closed || matches!(reset, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
    })
}

/// Returns the error of this crate inside one of HTTP, or a failed connection with its first cause.
pub(crate) fn connection_error(target: &str, error: &(dyn Error + 'static)) -> EgressError {
    if let Some(own) = causes(error).find_map(|cause| cause.downcast_ref::<EgressError>()) {
        return own.clone();
    }
    let reason = causes(error).last().map(ToString::to_string).unwrap_or_default();
    EgressError::Connection { target: target.to_owned(), reason }
}

/// Iterates over an error and its causes.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// Opens the connections of the client's pool.
#[derive(Clone)]
pub(crate) struct Connector {
    gate: Arc<Gate>,
    tls: Tls,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Stream>>;
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { gate, tls } = self.clone();
        Box::pin(async move {
            let is_https = uri.scheme_str() == Some("https");
            let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
            let target = Target::parse(uri.host().unwrap_or_default(), port)?;
            let stream = gate.connect(&target).await?;
            let stream: Box<dyn Stream> =
                if is_https { Box::new(tls.for_http(stream, &target).await?) } else { Box::new(stream) };
            Ok(TokioIo::new(stream))
        })
    }
}

/// A connection, with or without TLS.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Connection for Box<dyn Stream> {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}
