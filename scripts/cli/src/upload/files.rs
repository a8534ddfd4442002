//! Finds the files below the paths of a command.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use domain::to_nfc;
use ignore::WalkBuilder;
use ignore::overrides::{Override, OverrideBuilder};

use crate::Outcome;
use crate::arguments;
use crate::failure::Failure;

/// A file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it is.
    pub path: PathBuf,
    /// In bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified: i128,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The files by the names of their documents.
    pub files: BTreeMap<String, LocalFile>,
    /// Names of folders that were read, with `/` at the end; empty for `.`. What is not in them is not mirrored.
    pub folders: Vec<String>,
    /// What could not be read, with the reason. Then nothing is known to be gone.
    pub failures: Vec<(String, String)>,
    rules: Vec<(String, Override)>,
}

impl Found {
    /// Reads the folders.
    pub fn read(options: &arguments::Upload) -> Outcome<Self> {
        let mut found = Self::default();
        for path in &options.paths {
            let metadata = std::fs::metadata(path)
                .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
            if metadata.is_dir() {
                found.walk(path, options)?;
            } else {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
                found.add(name.unwrap_or_default(), path, &metadata);
            }
        }
        Ok(found)
    }

    fn walk(&mut self, folder: &Path, options: &arguments::Upload) -> Outcome {
        let prefix = prefix_of(folder)?;
        let rules = rules(folder, options)?;
        let mut walk = WalkBuilder::new(folder);
        walk.hidden(!options.hidden).overrides(rules.clone()).require_git(false);
        if options.no_ignore {
            walk.ignore(false).git_ignore(false).git_global(false).git_exclude(false).parents(false);
        }
        // Never documents; --hidden would walk it.
        walk.filter_entry(|entry| entry.file_name() != ".git");
        for entry in walk.build() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.failures.push((folder.display().to_string(), error.to_string()));
                    continue;
                }
            };
            // Links are not followed: they lead out of the folder, or in circles.
            if !entry.file_type().is_some_and(|kind| kind.is_file()) {
                continue;
            }
            let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let Some(below) = below.to_str() else {
                self.failures
                    .push((below.display().to_string(), "the name is not UTF-8; rename it".to_owned()));
                continue;
            };
            match entry.metadata() {
                Ok(metadata) => self.add(format!("{prefix}{below}"), entry.path(), &metadata),
                Err(error) => self.failures.push((format!("{prefix}{below}"), error.to_string())),
            }
        }
        self.folders.push(prefix.clone());
        self.rules.push((prefix, rules));
        Ok(())
    }

    fn add(&mut self, name: String, path: &Path, metadata: &Metadata) {
        let modified = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or_default());
        let file = LocalFile { path: path.to_owned(), size: metadata.len(), modified };
        // Documents have normalised names, so these are compared with theirs.
        let name = to_nfc(&name);
        if let Some(other) = self.files.get(&name).filter(|other| other.path != file.path) {
            let reason = format!("{} has the same name in the collection", other.path.display());
            self.failures.push((path.display().to_string(), reason));
            return;
        }
        self.files.insert(name, file);
    }

    /// Whether a document of this name would be uploaded from one of the folders if its file existed: what filters leave
    /// out is not mirrored.
    pub fn covers(&self, name: &str) -> bool {
        self.rules.iter().any(|(prefix, rules)| {
            name.strip_prefix(prefix.as_str()).is_some_and(|below| {
                let whole = Path::new(below);
                let excluded = whole
                    .ancestors()
                    .skip(1)
                    .any(|folder| !folder.as_os_str().is_empty() && rules.matched(folder, true).is_ignore());
                !excluded && !rules.matched(whole, false).is_ignore()
            })
        })
    }
}

/// The name of a folder with a slash; nothing for the current one.
fn prefix_of(folder: &Path) -> Outcome<String> {
    if folder == Path::new(".") {
        return Ok(String::new());
    }
    let resolved = folder.canonicalize().map_err(|error| Failure::file(folder, error))?;
    match resolved.file_name().map(|name| name.to_str()) {
        Some(Some(name)) => Ok(format!("{}/", to_nfc(name))),
        Some(None) => Err(Failure::Usage(format!("{}: the name is not UTF-8; rename it", folder.display()))),
        // The root of the file system.
        None => Ok(String::new()),
    }
}

/// As of gitignore, upside down: what is included is named, what is excluded begins with `!`.
fn rules(folder: &Path, options: &arguments::Upload) -> Outcome<Override> {
    let mut rules = OverrideBuilder::new(folder);
    let excluded = options.exclude.iter().map(|glob| format!("!{glob}"));
    for glob in options.include.iter().cloned().chain(excluded) {
        rules.add(&glob).map_err(|error| Failure::Usage(format!("{glob:?} is no pattern: {error}")))?;
    }
    rules.build().map_err(|error| Failure::Usage(error.to_string()))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::arguments::{Arguments, Command};

    fn options(arguments: &[&str]) -> arguments::Upload {
        let words = ["semantik", "upload", "-c", "c"].iter().chain(arguments);
        match Arguments::parse_from(words).command {
            Command::Upload(options) => options,
            other => panic!("{other:?}"),
        }
    }

    fn folder(files: &[&str]) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join("docs").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        let path = folder.path().join("docs").display().to_string();
        (folder, path)
    }

    fn names(found: &Found) -> Vec<&str> {
        found.files.keys().map(String::as_str).collect()
    }

    #[test]
    fn ignored_and_hidden_files_are_left_out_unless_they_are_wanted() {
        let (folder, path) = folder(&["a.md", "sub/b.md", "target/c.md", ".hidden.md", ".git/config"]);
        std::fs::write(folder.path().join("docs/.gitignore"), "target/\n").unwrap();
        let read =
            |arguments: &[&str]| Found::read(&options(&[&[path.as_str()], arguments].concat())).unwrap();
        assert_eq!(names(&read(&[])), ["docs/a.md", "docs/sub/b.md"]);
        assert_eq!(names(&read(&["--no-ignore"])), ["docs/a.md", "docs/sub/b.md", "docs/target/c.md"]);
        assert_eq!(
            names(&read(&["--hidden"])),
            ["docs/.gitignore", "docs/.hidden.md", "docs/a.md", "docs/sub/b.md"]
        );
    }

    #[test]
    fn patterns_choose_files_and_what_is_mirrored() {
        let (_folder, path) = folder(&["a.md", "b.txt", "sub/c.md", "draft/d.md"]);
        let found = Found::read(&options(&[&path, "--include", "*.md", "--exclude", "draft"])).unwrap();
        assert_eq!(names(&found), ["docs/a.md", "docs/sub/c.md"]);
        assert!(found.covers("docs/gone.md") && found.covers("docs/sub/gone.md"));
        for other in ["docs/gone.txt", "docs/draft/gone.md", "gone.md", "docs2/gone.md"] {
            assert!(!found.covers(other), "{other}");
        }
        let Err(Failure::Usage(_)) = Found::read(&options(&["missing"])) else { panic!("a missing folder") };
    }

    #[test]
    fn names_are_normalised_and_unique() {
        let (_folder, path) = folder(&["e\u{301}te.md", "\u{e9}te.md"]);
        let found = Found::read(&options(&[&path])).unwrap();
        assert_eq!(names(&found), ["docs/\u{e9}te.md"]);
        assert_eq!(found.failures.len(), 1);
    }

    #[test]
    fn a_single_file_is_named_without_its_folder_and_mirrors_nothing() {
        let (_folder, path) = folder(&["sub/a.md"]);
        let found = Found::read(&options(&[&format!("{path}/sub/a.md")])).unwrap();
        assert_eq!(names(&found), ["a.md"]);
        assert!(!found.covers("a.md") && !found.covers("b.md"));
    }
}
