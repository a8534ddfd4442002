//! Files and folders below configured roots.

use std::fs::{File, Metadata};
use std::ops::ControlFlow;
use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, Utc};

use crate::entry::{last_segment, mime_type};
use crate::patterns::Patterns;
use crate::walk::{Visitor, Walk};
use crate::{ConnectorError, Entry, Page, SourceReader, SourceSpec};

/// The folders that sources may lie in.
#[derive(Debug)]
pub(crate) struct Roots {
    roots: Vec<PathBuf>,
}

impl Roots {
    pub(crate) fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots }
    }

    /// One page of the source's files, sorted by path. Hidden files and folders are left out: they
    /// are version control's and editors' own. Blocks.
    ///
    /// Documents are named by the path that the source was given, not by what its links resolve to:
    /// a link that is turned to a new release keeps the documents' identity.
    pub(crate) fn list(&self, spec: &SourceSpec, cursor: Option<&str>) -> Result<Page, ConnectorError> {
        match spec {
            SourceSpec::File { path } => {
                let resolved = self.resolve(path)?;
                let metadata = resolved.metadata().map_err(|error| io(path, error))?;
                require_file(path, &metadata)?;
                let (path, name) = (utf8(path)?, utf8(Path::new(path.file_name().unwrap_or_default()))?);
                Ok(Page {
                    entries: vec![entry(path.to_owned(), name.to_owned(), &metadata)],
                    next: None,
                    unreadable: 0,
                })
            }
            SourceSpec::Directory { path, recursive, include_patterns, exclude_patterns, .. } => {
                if !self.resolve(path)?.is_dir() {
                    let message = format!("{} is no folder; use a source of type file", path.display());
                    return Err(ConnectorError::invalid("path", message));
                }
                let patterns = Patterns::new(include_patterns, exclude_patterns)?;
                let folder = utf8(path)?;
                let page = Page { entries: Vec::new(), next: None, unreadable: 0 };
                let mut listing = Listing { roots: self, folder, patterns, page };
                // A full page knows where to go on, and a walk that ended was not cut short.
                let _: ControlFlow<()> =
                    Walk::new(path, *recursive, &mut listing).run(cursor.map(Path::new))?;
                Ok(listing.page)
            }
            SourceSpec::S3 { .. } => Err(ConnectorError::invalid("source_type", "a bucket is no folder")),
        }
    }

    /// Opens a file that a listing of the source named. Blocks.
    pub(crate) fn open(&self, spec: &SourceSpec, location: &str) -> Result<SourceReader, ConnectorError> {
        let path = Path::new(location);
        let belongs = match spec {
            SourceSpec::File { path: source } => path == source,
            SourceSpec::Directory { path: source, .. } => {
                path.starts_with(source)
                    && !path.components().any(|component| component == Component::ParentDir)
            }
            SourceSpec::S3 { .. } => false,
        };
        if !belongs {
            let message = format!("{location} is no document of the source {}", spec.source_path());
            return Err(ConnectorError::invalid("location", message));
        }
        // Resolved again: a link may have been put in its place since.
        let resolved = self.resolve(path)?;
        // Asked before it is opened: opening a pipe waits for somebody to write into it.
        require_file(path, &resolved.metadata().map_err(|error| io(path, error))?)?;
        let file = File::open(&resolved).map_err(|error| io(path, error))?;
        let metadata = file.metadata().map_err(|error| io(path, error))?;
        Ok(SourceReader::of_file(location.to_owned(), metadata.len(), change_hint(&metadata), file.into()))
    }

    /// The path with all links resolved, if it lies below a root. Blocks.
    pub(crate) fn resolve(&self, path: &Path) -> Result<PathBuf, ConnectorError> {
        match path.canonicalize() {
            Ok(resolved) if self.hold(&resolved) => Ok(resolved),
            // The same answer for what is outside and what is not there: it must not tell which.
            Err(error) if self.roots.iter().any(|root| path.starts_with(root)) => Err(io(path, error)),
            _ => Err(self.outside(path)),
        }
    }

    /// Whether a resolved path lies below a root.
    fn hold(&self, resolved: &Path) -> bool {
        self.roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| resolved.starts_with(root))
    }

    fn outside(&self, path: &Path) -> ConnectorError {
        let message = if self.roots.is_empty() {
            "this installation reads no directories: its operator has configured no root".to_owned()
        } else {
            let roots: Vec<String> = self.roots.iter().map(|root| root.display().to_string()).collect();
            format!("{} does not lie below a configured root; allowed: {}", path.display(), roots.join(", "))
        };
        ConnectorError::invalid("path", message)
    }
}

/// A page that a walk fills.
#[derive(Debug)]
struct Listing<'a> {
    roots: &'a Roots,
    folder: &'a str,
    patterns: Patterns,
    page: Page,
}

impl Visitor for Listing<'_> {
    fn may_follow(&self, resolved: &Path) -> bool {
        self.roots.hold(resolved)
    }

    fn unreadable(&mut self) {
        self.page.unreadable += 1;
    }

    fn file(&mut self, relative: &str, metadata: &Metadata) -> ControlFlow<()> {
        if !self.patterns.want(relative) {
            return ControlFlow::Continue(());
        }
        let entries = &mut self.page.entries;
        // Only a file that has no more room makes another page: there is no empty last one.
        if entries.len() == Page::MAX_ENTRIES {
            self.page.next = entries.last().map(|entry| entry.file_path.clone());
            return ControlFlow::Break(());
        }
        let location = format!("{}/{relative}", self.folder.trim_end_matches('/'));
        entries.push(entry(location, relative.to_owned(), metadata));
        ControlFlow::Continue(())
    }
}

fn require_file(path: &Path, metadata: &Metadata) -> Result<(), ConnectorError> {
    if metadata.is_file() {
        return Ok(());
    }
    let message =
        format!("{} is no regular file; for a folder use a source of type directory", path.display());
    Err(ConnectorError::invalid("path", message))
}

fn utf8(path: &Path) -> Result<&str, ConnectorError> {
    path.to_str()
        .ok_or_else(|| ConnectorError::invalid("path", format!("{} is not UTF-8; rename it", path.display())))
}

fn entry(location: String, file_path: String, metadata: &Metadata) -> Entry {
    let file_name = last_segment(&file_path).to_owned();
    Entry {
        uri: format!("file://{location}"),
        location,
        mime_type: mime_type(&file_name),
        file_name,
        file_path,
        size_bytes: metadata.len(),
        change_hint: change_hint(metadata),
        modified_at: metadata.modified().ok().map(DateTime::<Utc>::from),
    }
}

/// Time of change in nanoseconds, and size: two writes within one tick that keep the size would
/// look the same.
fn change_hint(metadata: &Metadata) -> String {
    let modified = metadata.modified().ok().map(DateTime::<Utc>::from);
    let nanoseconds = modified.and_then(|modified| modified.timestamp_nanos_opt()).unwrap_or_default();
    format!("{nanoseconds}-{}", metadata.len())
}

fn io(path: &Path, error: std::io::Error) -> ConnectorError {
    ConnectorError::from_io(path.display().to_string(), error)
}

#[cfg(test)]
mod tests;
