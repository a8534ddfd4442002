//! Whether a collection is what its rows say it is: every listed item ended and is explained, Qdrant has
//! exactly the points of the searchable generations, every staged object has an owner, every document its
//! objects, and the counters are right.
//!
//! [`read_page`] reads a bounded part of a collection, [`compare`] finds the discrepancies in it: the pure
//! core. A check of a whole collection reads page after page, until there is no next cursor. What an
//! operation is working on at the moment is left out and counted as in progress.

mod compare;
mod cursor;
mod discrepancy;
mod documents;
mod error;
mod facts;
mod read;
mod staged;

pub use compare::compare;
pub use cursor::Cursor;
pub use discrepancy::{Discrepancy, DiscrepancyKind};
pub use error::IntegrityError;
pub use facts::{DocumentFacts, Facts, Points, UploadedObject};
pub use read::{Checked, CheckedCollection, MAX_DOCUMENTS, Page, Stores, read_page};
