//! What a reader should know about how a document was read.

use serde::{Deserialize, Serialize};

/// Something that was lost or guessed while a document was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentWarning {
    /// A stable name for programs, for example `encoding_guessed`.
    pub code: String,
    /// A sentence for users.
    pub message: String,
}
