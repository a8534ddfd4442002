//! Connectors: the types of sources that documents are read from.
//!
//! A [`Connector`] declares a type of source: its settings, its secrets, and how it is listed and read.
//! A [`SourceSpec`] is one source with validated settings. [`Connectors`] lists it page by page and
//! opens its documents one at a time. Memory grows neither with a listing nor with a document: a page,
//! a thousand names of each folder on the path, and a piece of a file are all that is held.
//!
//! A connector is one file in `connectors/`, declared and registered in `connectors.rs`.

mod clients;
mod connector;
mod connectors;
mod entry;
mod error;
mod field;
mod files;
mod patterns;
mod policy;
mod reader;
mod settings;
mod source;
mod spec;
mod walk;

pub use connector::Connector;
pub use connectors::Connectors;
pub use entry::{Entry, Page};
pub use error::ConnectorError;
pub use field::{ConfigField, FieldValue, SecretField};
pub use policy::SourcePolicy;
pub use reader::SourceReader;
pub use spec::SourceSpec;
