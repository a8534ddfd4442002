//! How a document whose bytes were read is staged: [`decide`] what to do with it, then [`record`] it.
//!
//! Scan stages the documents of sources, and extract the files inside documents. Both read the bytes once through a
//! [`ContentScanner`] and write them under [`Target::key`]; nothing is staged before it is recorded.

mod content;
mod decision;
mod media_type;
mod record;

pub use content::{Content, ContentScanner};
pub use decision::{Decision, Given, decide};
pub use media_type::media_type;
pub use record::{ReadDocument, Recorded, Target, record};
