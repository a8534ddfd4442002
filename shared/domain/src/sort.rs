//! Sort keys and directions of lists.

use serde::{Deserialize, Serialize};

use crate::ParseStatusError;
use crate::status::labels;

labels!(
    /// Sort direction.
    SortOrder, "sort order" {
        /// Smallest first.
        Ascending = "asc",
        /// Largest first.
        Descending = "desc",
    }
);

labels!(
    /// Sort keys of lists of collections.
    CollectionSort, "sort field" {
        /// Time of creation.
        CreatedAt = "created_at",
        /// Time of the last change.
        UpdatedAt = "updated_at",
        /// Name, ignoring case.
        Name = "name",
        /// Number of documents.
        DocumentCount = "document_count",
    }
);

labels!(
    /// Sort keys of lists of documents.
    DocumentSort, "sort field" {
        /// Time when the document was first seen.
        CreatedAt = "created_at",
        /// Time of the last change.
        UpdatedAt = "updated_at",
        /// File name, ignoring case.
        FileName = "file_name",
        /// Size in bytes.
        FileSize = "file_size",
        /// Number of searchable chunks.
        ChunkCount = "chunk_count",
    }
);
