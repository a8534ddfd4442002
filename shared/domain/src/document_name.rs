//! Names of documents that are uploaded, or dropped into the bucket.

use thiserror::Error;

use crate::names::{refuse_invisible, to_nfc};

/// The name of an uploaded document within its collection: a relative path with `/` as separator, in any
/// script. The same rules hold for announced uploads and for files that are dropped into the bucket.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocumentName(String);

/// Why a name is refused: what is wrong with it, to be read after the field's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct DocumentNameError(String);

impl DocumentName {
    /// Maximum length of a name in bytes; with its prefix it stays well below S3's limit of 1024.
    pub const MAX_BYTES: usize = 512;

    /// Validates a name and brings it into Normalization Form C, so that both spellings of a name are one document.
    ///
    /// # Errors
    /// Returns the reason if the name is refused.
    pub fn parse(name: &str) -> Result<Self, DocumentNameError> {
        let name = to_nfc(name);
        match refuse(&name) {
            Some(reason) => Err(DocumentNameError(reason)),
            None => Ok(Self(name)),
        }
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for DocumentName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Returns why the name is invalid, if it is.
fn refuse(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("empty; 1 to 512 bytes are allowed".to_owned());
    }
    if name.len() > DocumentName::MAX_BYTES {
        let most = DocumentName::MAX_BYTES;
        return Some(format!("too long; at most {most} bytes in UTF-8 allowed, got {}", name.len()));
    }
    if name.starts_with('/') {
        return Some(format!("starts with '/'; a relative path allowed, got {name:?}"));
    }
    if name.contains('\\') {
        return Some(format!("contains '\\'; '/' allowed between folders, got {name:?}"));
    }
    if name.chars().any(char::is_control) {
        return Some(format!("contains control characters; all other characters allowed, got {name:?}"));
    }
    let bad_segment = name.split('/').find(|segment| matches!(*segment, "" | "." | ".."));
    if let Some(segment) = bad_segment {
        return Some(format!(
            "contains the folder {segment:?}; names of folders allowed between two '/', got {name:?}"
        ));
    }
    name.split('/').find_map(refuse_invisible)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_any_script_are_fine() {
        for name in ["a", "notes/a b.md", "🦀/été.txt", "..a/b..", "C:notes.txt", "%2e%2e/a", "名前.pdf"]
        {
            assert_eq!(DocumentName::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn names_that_leave_their_folder_are_refused_with_the_reason() {
        let reasons: Vec<String> =
            ["", "../etc/passwd", "a/../b", "a//b", "a/", "/a", "a\\b", "a\u{0}b", "./a", &"ä".repeat(257)]
                .iter()
                .map(|name| DocumentName::parse(name).unwrap_err().to_string())
                .collect();
        insta::assert_snapshot!(reasons.join("\n"), @r#"
        empty; 1 to 512 bytes are allowed
        contains the folder ".."; names of folders allowed between two '/', got "../etc/passwd"
        contains the folder ".."; names of folders allowed between two '/', got "a/../b"
        contains the folder ""; names of folders allowed between two '/', got "a//b"
        contains the folder ""; names of folders allowed between two '/', got "a/"
        starts with '/'; a relative path allowed, got "/a"
        contains '\'; '/' allowed between folders, got "a\\b"
        contains control characters; all other characters allowed, got "a\0b"
        contains the folder "."; names of folders allowed between two '/', got "./a"
        too long; at most 512 bytes in UTF-8 allowed, got 514
        "#);
    }

    #[test]
    fn both_spellings_of_a_name_are_one() {
        let [composed, decomposed] = ["\u{fc}/caf\u{e9}.txt", "u\u{308}/cafe\u{301}.txt"]
            .map(|name| DocumentName::parse(name).unwrap());
        assert_eq!(composed, decomposed);
        assert_eq!(composed.as_str(), "\u{fc}/caf\u{e9}.txt");
        for name in ["a/\u{200b}/b", "invoice\u{202e}fdp.exe", "a/ "] {
            DocumentName::parse(name).unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn an_accepted_name_stays_below_its_prefix(name in "[a-z./\\\\ ]{1,20}") {
            if DocumentName::parse(&name).is_ok() {
                let path = std::path::Path::new("/prefix").join(&name);
                prop_assert!(path.starts_with("/prefix"));
                prop_assert!(path.components().all(|part| !matches!(part, std::path::Component::ParentDir)));
                prop_assert_eq!(name.split('/').count() + 2, path.components().count());
            }
        }
    }
}
