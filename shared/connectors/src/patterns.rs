//! Which of a source's documents are wanted.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::ConnectorError;

/// Include and exclude patterns over paths within the source, e.g. `**/*.md`.
#[derive(Debug)]
pub(crate) struct Patterns {
    /// Empty takes everything.
    include: GlobSet,
    exclude: GlobSet,
}

impl Patterns {
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, ConnectorError> {
        Ok(Self {
            include: compile("include_patterns", include)?,
            exclude: compile("exclude_patterns", exclude)?,
        })
    }

    pub(crate) fn want(&self, path: &str) -> bool {
        (self.include.is_empty() || self.include.is_match(path)) && !self.exclude.is_match(path)
    }
}

/// A pattern without a slash means the name in any folder, as in `.gitignore`.
fn compile(field: &'static str, patterns: &[String]) -> Result<GlobSet, ConnectorError> {
    let wrong = |pattern: &str, error: globset::Error| {
        ConnectorError::invalid(field, format!("{pattern:?} is no pattern such as \"**/*.md\": {error}"))
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let anywhere = if pattern.contains('/') { pattern.clone() } else { format!("**/{pattern}") };
        let glob = GlobBuilder::new(&anywhere).literal_separator(true).build();
        set.add(glob.map_err(|error| wrong(pattern, error))?);
    }
    set.build().map_err(|error| wrong(&patterns.join(", "), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_in_any_folder_and_excludes_win() {
        let patterns = Patterns::new(&["*.md".to_owned()], &["drafts/**".to_owned()]).unwrap();
        assert!(patterns.want("a.md") && patterns.want("deep/er/a.md"));
        assert!(!patterns.want("a.txt") && !patterns.want("drafts/a.md"));
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = Patterns::new(&["a[".to_owned()], &[]).unwrap_err();
        assert_eq!(error.field(), Some("include_patterns"));
        assert!(error.to_string().contains("a["), "{error}");
    }
}
