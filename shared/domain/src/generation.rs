//! Versions of a document's content.

use serde::{Deserialize, Serialize};

/// A version of a document's content in the index. A changed document gets the next one; a number is
/// never used twice for a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub i32);

impl Generation {
    /// The generation of a document that was never indexed.
    pub const NONE: Self = Self(0);
    /// The generation of a document's first version.
    pub const FIRST: Self = Self(1);

    /// Whether there is such a version: false for [`Self::NONE`].
    pub const fn exists(self) -> bool {
        self.0 > Self::NONE.0
    }

    /// Whether other generations of the document came before this one.
    pub const fn has_predecessors(self) -> bool {
        self.0 > Self::FIRST.0
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_are_plain_numbers_in_json() {
        assert_eq!(serde_json::to_string(&Generation(7)).unwrap(), "7");
        assert_eq!(serde_json::from_str::<Generation>("7").unwrap(), Generation(7));
    }

    #[test]
    fn the_first_generation_exists_and_has_no_predecessors() {
        assert!(!Generation::NONE.exists());
        assert!(Generation::FIRST.exists() && !Generation::FIRST.has_predecessors());
        assert!(Generation(2).has_predecessors());
    }
}
