//! A typed client of the HTTP API, for programs on a user's machine: the command line and the tests.
//!
//! [`Client`] has one method per route that they use. It signs in, renews access tokens, retries what is worth it, and
//! sends an `Idempotency-Key` with every request that creates something, so that a retry never creates a second one.
//! [`Transport`] below it sends one request and returns what comes back, whatever it is.
//!
//! Not for functions: these reach addresses that users name through `egress` only.

mod api;
mod client;
mod credentials;
mod error;
mod retry;
mod transport;
mod types;

pub use client::{Client, ClientBuilder};
pub use credentials::{Credentials, Session, SessionStore};
pub use error::{ClientError, FieldError, Problem};
pub use reqwest::{Body, Method, StatusCode, header};
pub use retry::RetryPolicy;
pub use transport::{Request, Response, Transport, install_cryptography};
pub use types::{
    AnnouncedUpload, ApiKey, Collection, Document, Entries, FileAnnouncement, Integrity, Operation, Progress,
    PushedDocument, SearchRequest, SearchResponse, SearchResult, Source, SourceTest, StateCounts, Upload,
};
