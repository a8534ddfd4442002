//! Objects of git and their ids.

use std::fmt;
use std::str::FromStr;

use sha1::{Digest, Sha1};

/// The id of an object: its SHA-1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ObjectId([u8; Self::LENGTH]);

/// The types of objects that packs contain whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectKind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl ObjectId {
    /// In bytes.
    pub(crate) const LENGTH: usize = 20;

    pub(crate) fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// Computes the id of an object.
    pub(crate) fn of(kind: ObjectKind, content: &[u8]) -> Self {
        let mut hash = Sha1::new();
        hash.update(format!("{} {}\0", kind.name(), content.len()));
        hash.update(content);
        Self(hash.finalize().into())
    }
}

impl ObjectKind {
    fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Text that is not an id.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an object id of 40 hexadecimal digits (repositories with SHA-256 are not supported)")]
pub(crate) struct ParseObjectIdError;

impl FromStr for ObjectId {
    type Err = ParseObjectIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        if text.len() != 2 * Self::LENGTH {
            return Err(ParseObjectIdError);
        }
        let mut bytes = [0; Self::LENGTH];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                return Err(ParseObjectIdError);
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        // git hash-object --stdin </dev/null; git mktree </dev/null
        for (kind, content, id) in [
            (ObjectKind::Blob, "", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            (ObjectKind::Blob, "hello\n", "ce013625030ba8dba906f756967f9e9ca394464a"),
            (ObjectKind::Tree, "", "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
        ] {
            assert_eq!(ObjectId::of(kind, content.as_bytes()).to_string(), id);
            assert_eq!(id.parse::<ObjectId>().unwrap().to_string(), id);
        }
        for text in ["", "e69d", &"g".repeat(40), &"a".repeat(64), &"é".repeat(20)] {
            assert_eq!(text.parse::<ObjectId>(), Err(ParseObjectIdError));
        }
    }
}
