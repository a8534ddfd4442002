//! HTTP over the connections of the gate.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;

use crate::EgressError;
use crate::connect::Gate;
use crate::target::Target;
use crate::tls::Tls;

/// Shorter than the time after which servers close idle connections (5 s is a common default), so that few
/// requests meet one that is closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Real servers send invalid headers and more than the default of 100.
const MAX_HEADERS: usize = 256;

pub(crate) type HttpClient = Client<Connector, Full<Bytes>>;

/// Creates the client; connects to nothing.
pub(crate) fn new_client(gate: Arc<Gate>, tls: Tls) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_max_headers(MAX_HEADERS)
        .build(Connector { gate, tls })
}

/// Sends one request.
pub(crate) async fn send(
    client: &HttpClient,
    target: &str,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, EgressError> {
    client.request(request).await.map_err(|error| connection_error(target, &error))
}

/// Returns the error of this crate inside one of HTTP, or a failed connection with its first cause.
pub(crate) fn connection_error(target: &str, error: &(dyn Error + 'static)) -> EgressError {
    let mut cause = error;
    loop {
        if let Some(own) = cause.downcast_ref::<EgressError>() {
            return own.clone();
        }
        match cause.source() {
            Some(source) => cause = source,
            None => return EgressError::Connection { target: target.to_owned(), reason: cause.to_string() },
        }
    }
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
