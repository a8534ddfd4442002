//! Connectors: the types of sources that documents are read from.
//!
//! A [`Connector`] declares a type of source: its settings, its secrets, and how it is listed and read.
//! A [`SourceSpec`] is one source with validated settings. [`Connectors`] lists it page by page and
//! opens its documents in a [`SourceSession`]. Memory grows neither with a listing nor with a document: a page,
//! a thousand names of each folder on the path, and a piece of a file are all that is held.
//!
//! A connector is one file in `connectors/`, declared and registered by one line in `connectors.rs`. It implements
//! `source::Source`: what identifies a source, its pages, and a session that reads documents.

mod clients;
mod connector;
mod connectors;
mod crawl;
mod error;
mod field;
mod files;
mod git;
mod github;
mod imap;
mod listing;
mod patterns;
mod policy;
mod reader;
mod sample;
mod schema;
mod secrets;
mod session;
mod settings;
mod slack;
mod source;
mod spec;
#[cfg(test)]
mod testing;
mod walk;
mod web;

pub use connector::Connector;
pub use connectors::Connectors;
pub use crawl::{CrawlStep, DuePage, FoundPage, KnownPage, PageFailure, VisitedPage};
pub use error::ConnectorError;
pub use field::{ConfigField, FieldValue, SecretField};
pub use listing::{Entry, Listing, Page, Unlisted};
pub use policy::SourcePolicy;
pub use reader::SourceReader;
pub use sample::Sample;
pub use secrets::Secrets;
pub use session::SourceSession;
pub use spec::SourceSpec;
