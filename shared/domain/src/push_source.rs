//! Names of the sources that pushed documents belong to.

use thiserror::Error;

/// The name of a push source: what a client calls the place that its documents come from, such as `crm`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PushSource(String);

/// A name that is not valid, to be read after the field's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "wrong format; 1 to {} of A-Z, a-z, 0-9, '_', '.' and '-' allowed, got {got:?}",
    PushSource::MAX_LENGTH
)]
pub struct PushSourceError {
    got: String,
}

impl PushSource {
    /// Maximum length of a name.
    pub const MAX_LENGTH: usize = 64;

    /// The source of pushes that name none.
    pub const DEFAULT: &'static str = "push";

    /// What paths of push sources begin with.
    const PREFIX: &'static str = "push:";

    /// Validates a name.
    ///
    /// # Errors
    /// Returns what is allowed.
    pub fn parse(name: &str) -> Result<Self, PushSourceError> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        if (1..=Self::MAX_LENGTH).contains(&name.len()) && name.bytes().all(is_allowed) {
            return Ok(Self(name.to_owned()));
        }
        Err(PushSourceError { got: name.to_owned() })
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path of the source within its collection.
    pub fn source_path(&self) -> String {
        format!("{}{}", Self::PREFIX, self.0)
    }

    /// Returns the name of the push source with this path, if it is one.
    pub fn of_path(source_path: &str) -> Option<Self> {
        Self::parse(source_path.strip_prefix(Self::PREFIX)?).ok()
    }
}

impl Default for PushSource {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_back() {
        for name in ["crm", "Jira-7_b.c", PushSource::DEFAULT] {
            let source = PushSource::parse(name).unwrap();
            assert_eq!(PushSource::of_path(&source.source_path()), Some(source));
        }
        assert_eq!(PushSource::of_path("uploads"), None);
        assert_eq!(PushSource::default(), PushSource::parse("push").unwrap());
    }

    #[test]
    fn names_with_other_characters_are_refused() {
        for name in ["", "a b", "a/b", "é", &"a".repeat(65)] {
            let error = PushSource::parse(name).unwrap_err().to_string();
            assert!(error.contains("1 to 64 of") && error.ends_with(&format!("got {name:?}")), "{error}");
        }
    }
}
