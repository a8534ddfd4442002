//! Documents: rows, life cycle, staged bytes, erasure and positions of chunks.

mod artifacts;
mod chunk_ranges;
mod document;
mod erasures;
mod failures;
mod lifecycle;
mod purges;
mod recorded;
mod repair;
mod search;
mod searchable;
mod staging;

pub use artifacts::{DocumentArtifact, DocumentArtifacts};
pub use chunk_ranges::{ChunkRange, ChunkRanges};
pub use document::{Document, DocumentQuery, Documents};
pub use erasures::{DueErasure, ErasurePlan, Erasures, Purge};
pub use failures::FailedCounts;
pub use lifecycle::UnfinishedCounts;
pub use recorded::RecordedDocument;
pub use repair::RequeuedDocument;
pub use search::{LiveDocument, SearchDocuments};
pub use searchable::SearchableDocument;
pub use staging::ExistingDocument;
