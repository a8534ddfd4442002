//! Which of a source's documents are included.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::ConnectorError;
use crate::settings::Settings;

/// Include and exclude globs over paths within the source, for example `**/*.md`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns {
    /// Empty includes everything.
    include: GlobSet,
    exclude: GlobSet,
}

impl Patterns {
    /// Reads the settings `include_patterns` and `exclude_patterns`.
    pub(crate) fn parse(settings: &Settings) -> Result<Self, ConnectorError> {
        Self::new(&settings.texts("include_patterns"), &settings.texts("exclude_patterns"))
    }

    fn new(include: &[&str], exclude: &[&str]) -> Result<Self, ConnectorError> {
        Ok(Self {
            include: compile("include_patterns", include)?,
            exclude: compile("exclude_patterns", exclude)?,
        })
    }

    pub(crate) fn match_path(&self, path: &str) -> bool {
        (self.include.is_empty() || self.include.is_match(path)) && !self.exclude.is_match(path)
    }
}

/// A pattern without a slash matches the name in any folder, as in `.gitignore`.
fn compile(field: &'static str, patterns: &[&str]) -> Result<GlobSet, ConnectorError> {
    let wrong = |pattern: &str, error: globset::Error| {
        ConnectorError::invalid(
            field,
            format!("invalid glob ({error}); a pattern like \"**/*.md\" allowed, got {pattern:?}"),
        )
    };
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let anywhere = if pattern.contains('/') { (*pattern).to_owned() } else { format!("**/{pattern}") };
        let glob = GlobBuilder::new(&anywhere).literal_separator(true).build();
        set.add(glob.map_err(|error| wrong(pattern, error))?);
    }
    set.build().map_err(|error| wrong(&patterns.join(", "), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_matches_in_any_folder_and_excludes_win() {
        let patterns = Patterns::new(&["*.md"], &["drafts/**"]).unwrap();
        assert!(patterns.match_path("a.md") && patterns.match_path("deep/er/a.md"));
        assert!(!patterns.match_path("a.txt") && !patterns.match_path("drafts/a.md"));
    }

    #[test]
    fn invalid_glob_is_named() {
        let error = Patterns::new(&["a["], &[]).unwrap_err();
        assert_eq!(error.field(), Some("include_patterns"));
        assert!(error.to_string().contains("a["), "{error}");
    }
}
