//! Documents: their rows, their life from upload to purge, their staged bytes and their chunks.

mod artifacts;
mod chunk_places;
mod document;
mod failures;
mod lifecycle;
mod search;
mod searchable;
mod staging;

pub use artifacts::{DocumentArtifact, DocumentArtifacts};
pub use chunk_places::{ChunkPlace, ChunkPlaces};
pub use document::{Document, DocumentQuery, Documents};
pub use failures::FailedCounts;
pub use search::{LiveDocument, SearchDocuments};
pub use searchable::SearchableDocument;
pub use staging::{ExistingDocument, StagingContext, Twin};
