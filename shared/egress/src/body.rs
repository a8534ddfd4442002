//! The body of a response, piece by piece, within its limits.

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::OwnedSemaphorePermit;

use crate::EgressError;
use crate::deadlines::Deadlines;
use crate::gunzip::Gunzip;
use crate::http_client::connection_error;

/// A body that is being received. It holds its host's slot until it ends or is dropped.
pub(crate) struct Body {
    incoming: Incoming,
    gunzip: Option<Gunzip>,
    target: String,
    deadlines: Deadlines,
    limit: u64,
    received: u64,
    returned: u64,
    slot: Option<OwnedSemaphorePermit>,
}

impl Body {
    pub(crate) fn new(
        incoming: Incoming,
        headers: &HeaderMap,
        target: String,
        deadlines: Deadlines,
        limit: u64,
        slot: OwnedSemaphorePermit,
    ) -> Result<Self, EgressError> {
        let gunzip = match headers.get(CONTENT_ENCODING).map(|value| value.as_bytes().to_ascii_lowercase()) {
            None => None,
            Some(encoding) => match encoding.trim_ascii() {
                b"" | b"identity" => None,
                b"gzip" | b"x-gzip" => Some(Gunzip::new()),
                other => {
                    let reason = format!(
                        "its Content-Encoding is {:?}; gzip and none are allowed",
                        String::from_utf8_lossy(other)
                    );
                    return Err(EgressError::InvalidBody { target, reason });
                }
            },
        };
        Ok(Self { incoming, gunzip, target, deadlines, limit, received: 0, returned: 0, slot: Some(slot) })
    }

    pub(crate) fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Returns the next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, EgressError> {
        // What is announced need not be received to be refused.
        if self.incoming.size_hint().lower().saturating_add(self.received) > self.packed_limit() {
            return Err(self.too_large());
        }
        loop {
            if let Some(gunzip) = &mut self.gunzip
                && let Some(piece) = gunzip.unpack().map_err(|error| corrupt(&self.target, &error))?
            {
                return self.count(piece).map(Some);
            }
            let Some(packed) = self.receive().await? else {
                return self.end();
            };
            match &mut self.gunzip {
                Some(gunzip) => gunzip.push(packed),
                None => return self.count(packed).map(Some),
            }
        }
    }

    async fn receive(&mut self) -> Result<Option<Bytes>, EgressError> {
        loop {
            let frame = self.incoming.frame();
            let Some(frame) = self.deadlines.next(&self.target, "sent nothing", frame).await? else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| connection_error(&self.target, &error))?;
            // Trailers are not used.
            let Ok(data) = frame.into_data() else { continue };
            self.received = self.received.saturating_add(data.len() as u64);
            // Packed bytes count, too: an endless run of empty blocks unpacks to nothing.
            if self.received > self.packed_limit() {
                return Err(self.too_large());
            }
            return Ok(Some(data));
        }
    }

    fn end(&mut self) -> Result<Option<Bytes>, EgressError> {
        self.slot = None;
        let Some(gunzip) = &mut self.gunzip else { return Ok(None) };
        let last = gunzip.finish().map_err(|error| corrupt(&self.target, &error))?;
        last.map(|piece| self.count(piece)).transpose()
    }

    fn count(&mut self, piece: Bytes) -> Result<Bytes, EgressError> {
        self.returned = self.returned.saturating_add(piece.len() as u64);
        if self.returned > self.limit { Err(self.too_large()) } else { Ok(piece) }
    }

    /// gzip adds its frame and a little to what it cannot compress.
    fn packed_limit(&self) -> u64 {
        match self.gunzip {
            None => self.limit,
            Some(_) => self.limit.saturating_add(self.limit / 64 + 1024),
        }
    }

    fn too_large(&self) -> EgressError {
        EgressError::TooLarge { target: self.target.clone(), limit: self.limit }
    }
}

fn corrupt(target: &str, error: &std::io::Error) -> EgressError {
    EgressError::InvalidBody {
        target: target.to_owned(),
        reason: format!("its gzip encoding is damaged ({error})"),
    }
}
