//! Walks a folder in the order of its paths, with bounded memory.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::ConnectorError;

/// Names of one folder that are held at a time. A larger folder is read again for the next ones, so
/// that memory does not grow with the folder.
const MAX_NAMES: usize = 1000;

/// What a walk calls back.
pub(crate) trait Visitor {
    /// Whether a link that resolves to this path may be followed.
    fn may_follow(&self, resolved: &Path) -> bool;

    /// A file or folder was left out for lack of permission; it may still contain documents.
    fn unreadable(&mut self);

    /// A file, by its path relative to the walked folder. `Break` ends the walk.
    fn file(&mut self, relative: &str, metadata: &Metadata) -> ControlFlow<()>;
}

/// Visits every file after the cursor, sorted by path, folder by folder: `a/z` comes before `a.txt`.
/// Names with a leading dot are left out, and so are the folders of version control. What can never
/// be listed (a dangling link, a folder without permission, a name that is not UTF-8) is logged and
/// left out; any other error ends the walk, because the listing would look complete without being so.
#[derive(Debug)]
pub(crate) struct Walk<'a, V> {
    pub(crate) folder: &'a Path,
    pub(crate) recursive: bool,
    pub(crate) visitor: &'a mut V,
    /// The folders from the walked one down to the current one, with links resolved.
    ancestors: Vec<PathBuf>,
}

impl<'a, V: Visitor> Walk<'a, V> {
    pub(crate) fn new(folder: &'a Path, recursive: bool, visitor: &'a mut V) -> Self {
        Self { folder, recursive, visitor, ancestors: Vec::new() }
    }

    /// Walks from the cursor on: the relative path of the last file that was visited.
    pub(crate) fn run(&mut self, cursor: Option<&Path>) -> Result<ControlFlow<()>, ConnectorError> {
        let resolved = self.folder.canonicalize();
        let resolved =
            resolved.map_err(|error| ConnectorError::from_io(self.folder.display().to_string(), error))?;
        self.enter(Path::new(""), resolved, cursor)
    }

    fn enter(
        &mut self,
        relative: &Path,
        resolved: PathBuf,
        cursor: Option<&Path>,
    ) -> Result<ControlFlow<()>, ConnectorError> {
        self.ancestors.push(resolved);
        let walked = self.walk(relative, cursor);
        self.ancestors.pop();
        walked
    }

    fn walk(&mut self, relative: &Path, cursor: Option<&Path>) -> Result<ControlFlow<()>, ConnectorError> {
        let mut after: Option<OsString> = None;
        let mut components = cursor.map(Path::components).unwrap_or_else(|| Path::new("").components());
        if let Some(first) = components.next() {
            let rest = components.as_path();
            if !rest.as_os_str().is_empty() && self.visit(&relative.join(first), Some(rest))?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            after = Some(first.as_os_str().to_owned());
        }
        loop {
            let folder = self.folder.join(relative);
            let names = match next_names(&folder, after.as_deref()) {
                Ok(names) => names,
                Err(error) if !relative.as_os_str().is_empty() && is_final(&error) => {
                    self.leave_out_for(&folder, &error);
                    return Ok(ControlFlow::Continue(()));
                }
                Err(error) => return Err(ConnectorError::from_io(folder.display().to_string(), error)),
            };
            let is_last = names.len() < MAX_NAMES;
            for name in &names {
                if self.visit(&relative.join(name), None)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if is_last {
                return Ok(ControlFlow::Continue(()));
            }
            after = names.into_iter().next_back();
        }
    }

    /// Visits a file or folder. With a cursor, it is the folder that the cursor leads into.
    fn visit(&mut self, relative: &Path, cursor: Option<&Path>) -> Result<ControlFlow<()>, ConnectorError> {
        let path = self.folder.join(relative);
        let Some((resolved, metadata)) = self.resolve(&path)? else {
            return Ok(ControlFlow::Continue(()));
        };
        if metadata.is_dir() {
            if !self.recursive {
                return Ok(ControlFlow::Continue(()));
            }
            if self.ancestors.contains(&resolved) {
                leave_out(&path, &"the link leads to a folder that contains it");
                return Ok(ControlFlow::Continue(()));
            }
            return self.enter(relative, resolved, cursor);
        }
        // With a cursor this was a folder; a file that replaced it sorts before the cursor.
        if !metadata.is_file() || cursor.is_some() {
            return Ok(ControlFlow::Continue(()));
        }
        let Some(relative) = relative.to_str() else {
            leave_out(&path, &"its name is not UTF-8");
            return Ok(ControlFlow::Continue(()));
        };
        Ok(self.visitor.file(relative, &metadata))
    }

    /// Returns what the path leads to, or `None` if it is left out.
    fn resolve(&mut self, path: &Path) -> Result<Option<(PathBuf, Metadata)>, ConnectorError> {
        let failed = |error| ConnectorError::from_io(path.display().to_string(), error);
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if is_final(&error) => {
                self.leave_out_for(path, &error);
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        if !metadata.is_symlink() {
            let parent = self.ancestors.last().map(PathBuf::as_path).unwrap_or(self.folder);
            return Ok(Some((parent.join(path.file_name().unwrap_or_default()), metadata)));
        }
        // Any error of a link leaves it out: a cycle of links has no error kind of its own.
        let followed = path.canonicalize().and_then(|resolved| {
            let metadata = resolved.symlink_metadata()?;
            Ok((resolved, metadata))
        });
        match followed {
            Ok((resolved, _)) if !self.visitor.may_follow(&resolved) => {
                leave_out(path, &"the link leads out of the configured roots");
                Ok(None)
            }
            Ok(followed) => Ok(Some(followed)),
            Err(error) => {
                self.leave_out_for(path, &error);
                Ok(None)
            }
        }
    }

    fn leave_out_for(&mut self, path: &Path, error: &io::Error) {
        if error.kind() == ErrorKind::PermissionDenied {
            self.visitor.unreadable();
        }
        leave_out(path, error);
    }
}

/// Returns the first names in a folder that are not hidden and come after the given one.
fn next_names(folder: &Path, after: Option<&OsStr>) -> io::Result<BTreeSet<OsString>> {
    let mut names = BTreeSet::new();
    for found in folder.read_dir()? {
        let name = found?.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if is_hidden || after.is_some_and(|after| name.as_os_str() <= after) {
            continue;
        }
        if names.len() == MAX_NAMES {
            if names.last().is_some_and(|last| *last < name) {
                continue;
            }
            names.pop_last();
        }
        names.insert(name);
    }
    Ok(names)
}

/// Whether a retry would fail as well: the file was removed meanwhile, or may not be read.
fn is_final(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied)
}

fn leave_out(path: &Path, reason: &dyn std::fmt::Display) {
    tracing::warn!(path = %path.display(), %reason, "left out of the listing");
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u64);

    impl Visitor for Counter {
        fn may_follow(&self, _: &Path) -> bool {
            true
        }

        fn unreadable(&mut self) {
            self.0 += 1;
        }

        fn file(&mut self, _: &str, _: &Metadata) -> ControlFlow<()> {
            ControlFlow::Continue(())
        }
    }

    // A superuser has every permission, so the errors are constructed.
    #[test]
    fn unreadable_is_distinct_from_gone() {
        let mut counter = Counter(0);
        let mut walk = Walk::new(Path::new("/srv"), true, &mut counter);
        walk.leave_out_for(Path::new("/srv/gone"), &ErrorKind::NotFound.into());
        walk.leave_out_for(Path::new("/srv/closed"), &ErrorKind::PermissionDenied.into());
        assert_eq!(counter.0, 1);
    }
}
