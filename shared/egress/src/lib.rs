//! The only way out to addresses that users name: web pages, git servers, mail servers, APIs, webhooks.
//!
//! Such an address may lead into the network of the installation, to the metadata service of its cloud or
//! to the function itself (server-side request forgery). [`Egress`] opens every connection in one place,
//! which parses the host as browsers do, resolves it once, checks every address against the
//! [`EgressPolicy`] and connects to the addresses that it has checked. Redirects go through the same place,
//! so there is no spelling, redirect or DNS answer that is checked by one rule and used by another.
//!
//! Servers of users are slow, large and hostile: every request has time and size limits, compressed
//! responses are counted as they are unpacked, and no host gets more than a few requests at a time.

mod body;
mod config;
mod connect;
mod deadlines;
mod egress;
mod error;
mod gunzip;
mod host_slots;
mod http_client;
mod policy;
mod ranges;
mod redirect;
mod request;
mod resolver;
mod response;
mod retry_after;
mod target;
mod tls;

#[cfg(test)]
mod tests;

pub use bytes::Bytes;
pub use config::{EgressConfig, EgressConfigError};
pub use egress::Egress;
pub use error::EgressError;
pub use http::{HeaderMap, Method, StatusCode, header};
pub use policy::{EgressPolicy, EgressPolicyError};
pub use redirect::Redirects;
pub use request::{Request, USER_AGENT};
pub use response::Response;
pub use retry_after::retry_after;
pub use tls::TlsStream;
pub use url::Url;
