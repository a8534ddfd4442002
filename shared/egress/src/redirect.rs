//! Redirects: where the next request goes, and what it may carry.

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_TYPE, COOKIE, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, PROXY_AUTHORIZATION, RANGE, USER_AGENT,
};
use http::{HeaderMap, HeaderName, Method, StatusCode};
use url::Url;

use crate::EgressError;

/// What happens when a server answers with a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// The redirect itself is returned.
    Return,
    /// It is followed, up to this many times.
    Follow(usize),
}

/// Headers that say nothing about the caller. All others are meant for the server that they were set for.
const FOR_ANY_SERVER: [HeaderName; 7] =
    [ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, IF_MODIFIED_SINCE, IF_NONE_MATCH, RANGE, USER_AGENT];

/// What is sent to one server.
pub(crate) struct Hop {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Hop {
    /// Changes this request to the one that a redirect asks for; returns false if it is none.
    pub(crate) fn follow(
        &mut self,
        target: &str,
        status: StatusCode,
        headers: &HeaderMap,
    ) -> Result<bool, EgressError> {
        let Some(location) =
            headers.get(LOCATION).filter(|_| matches!(status.as_u16(), 301..=303 | 307 | 308))
        else {
            return Ok(false);
        };
        let invalid =
            |reason: &str| EgressError::InvalidRedirect { target: target.to_owned(), reason: reason.into() };
        let location =
            str::from_utf8(location.as_bytes()).map_err(|_| invalid("its address is not UTF-8"))?;
        let next = self.url.join(location).map_err(|error| invalid(&error.to_string()))?;

        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body = Bytes::new();
            for name in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
                self.headers.remove(name);
            }
        }
        if self.url.scheme() == "https" && next.scheme() == "http" && self.has_credentials() {
            return Err(EgressError::InsecureRedirect { target: target.to_owned() });
        }
        if self.url.origin() != next.origin() {
            if !self.body.is_empty() {
                return Err(invalid("it would send the body of the request to another server"));
            }
            let shared =
                FOR_ANY_SERVER.iter().filter_map(|name| Some((name.clone(), self.headers.remove(name)?)));
            self.headers = shared.filter(|(_, value)| !value.is_sensitive()).collect();
        }
        self.url = next;
        Ok(true)
    }

    fn has_credentials(&self) -> bool {
        self.headers.iter().any(|(name, value)| {
            value.is_sensitive() || [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION].contains(name)
        })
    }
}
