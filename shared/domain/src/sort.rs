//! What lists can be ordered by.

use serde::{Deserialize, Serialize};

use crate::ParseStatusError;
use crate::status::words;

words!(
    /// Which way a list goes.
    SortOrder, "sort order" {
        /// Least first.
        Ascending = "asc",
        /// Most first.
        Descending = "desc",
    }
);

words!(
    /// What lists of collections are ordered by.
    CollectionSort, "field to sort collections by" {
        /// When they were made.
        CreatedAt = "created_at",
        /// When they last changed.
        UpdatedAt = "updated_at",
        /// Their names, whatever the case.
        Name = "name",
        /// How many documents they hold.
        DocumentCount = "document_count",
    }
);

words!(
    /// What lists of documents are ordered by.
    DocumentSort, "field to sort documents by" {
        /// When they were first seen.
        CreatedAt = "created_at",
        /// When they last changed.
        UpdatedAt = "updated_at",
        /// Their file names, whatever the case.
        FileName = "file_name",
        /// Their bytes.
        FileSize = "file_size",
        /// How many chunks of them are searchable.
        ChunkCount = "chunk_count",
    }
);
