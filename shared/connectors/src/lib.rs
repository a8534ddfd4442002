//! Sources of documents: what can be listed and read without a client sending it.
//!
//! A [`SourceSpec`] says what a source is; [`Connectors`] lists it page by page and opens its
//! documents one at a time. Memory grows neither with a listing nor with a document: a page, a
//! thousand names of each folder on the way, and a piece of a file are all that is held.

mod catalogue;
mod connectors;
mod directory;
mod entry;
mod error;
mod patterns;
mod reader;
mod s3;
mod spec;
mod walk;

pub use catalogue::{ConfigField, ConnectorType, FieldValue, SecretField};
pub use connectors::{Connectors, ConnectorsConfig, refuse_staging_bucket};
pub use entry::{Entry, Page};
pub use error::ConnectorError;
pub use reader::SourceReader;
pub use spec::{OnMissing, SourceSpec};
