//! Hash, size and blankness of a document, computed in one pass over its bytes.

use sha2::{Digest, Sha256};

/// Scans a document's bytes, one buffer at a time.
#[derive(Debug)]
pub struct ContentScanner {
    hasher: Sha256,
    size_bytes: u64,
    is_blank: bool,
}

/// Properties of bytes that do not depend on their format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// SHA-256 in hex.
    pub hash: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Whether they consist of ASCII white space only.
    pub is_blank: bool,
}

impl Default for ContentScanner {
    fn default() -> Self {
        Self { hasher: Sha256::new(), size_bytes: 0, is_blank: true }
    }
}

impl ContentScanner {
    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.is_blank = self.is_blank && bytes.iter().all(u8::is_ascii_whitespace);
    }

    /// Returns the properties of all bytes.
    pub fn finish(self) -> Content {
        let mut hash = String::with_capacity(64);
        for byte in self.hasher.finalize() {
            hash.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or_default());
            hash.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or_default());
        }
        Content { hash, size_bytes: self.size_bytes, is_blank: self.is_blank }
    }
}

impl Content {
    /// Returns why there is nothing to index, if that is so.
    pub fn empty_reason(&self) -> Option<&'static str> {
        match (self.size_bytes, self.is_blank) {
            (0, _) => Some("the file is empty: 0 bytes"),
            (_, true) => Some("the file is empty: it holds only white space"),
            (_, false) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(buffers: &[&[u8]]) -> Content {
        let mut scanner = ContentScanner::default();
        for buffer in buffers {
            scanner.push(buffer);
        }
        scanner.finish()
    }

    #[test]
    fn the_result_does_not_depend_on_the_buffers() {
        assert_eq!(scan(&[b"ab", b"", b"c"]), scan(&[b"abc"]));
        // FIPS 180-4, the digest of "abc".
        assert_eq!(scan(&[b"abc"]).hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn empty_and_blank_files_have_a_reason_to_be_skipped() {
        assert_eq!(scan(&[]).empty_reason(), Some("the file is empty: 0 bytes"));
        assert_eq!(
            scan(&[b" \r\n", b"\t"]).empty_reason(),
            Some("the file is empty: it holds only white space")
        );
        assert_eq!(scan(&[b" \n", b"x", b" "]).empty_reason(), None);
    }
}
