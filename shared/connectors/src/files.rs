//! Files below configured roots, for the connectors that read the file system.

use std::fs::{File, Metadata};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::ServerPlace;
use tokio::io::AsyncReadExt;

use crate::listing::{last_segment, mime_type};
use crate::reader::{Body, Reading};
use crate::settings::Settings;
use crate::{ConnectorError, Entry, SourcePolicy, SourceReader};

/// Bytes read from a file at a time.
const PIECE_BYTES: usize = 256 * 1024;

/// The folders that a source must lie below: one of the operator's roots, and one of those that were granted.
#[derive(Debug)]
pub(crate) struct Roots {
    roots: Vec<PathBuf>,
    granted: Vec<PathBuf>,
}

impl Roots {
    /// Creates the operator's roots; nothing is granted.
    pub(crate) fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots, granted: Vec::new() }
    }

    /// Returns the roots for a source with these grants.
    pub(crate) fn within(&self, grants: &[ServerPlace]) -> Self {
        let directory = |grant: &ServerPlace| match grant {
            ServerPlace::Directory { path } => Some(PathBuf::from(path)),
            ServerPlace::Bucket { .. } => None,
        };
        Self { roots: self.roots.clone(), granted: grants.iter().filter_map(directory).collect() }
    }

    /// Resolves all links of a path and checks that it lies below a root. Blocks.
    pub(crate) fn resolve(&self, path: &Path) -> Result<PathBuf, ConnectorError> {
        match path.canonicalize() {
            Ok(resolved) if self.contain(&resolved) => Ok(resolved),
            // A path outside gets the same error whether or not it exists.
            Err(error) if self.roots.iter().any(|root| path.starts_with(root)) => Err(io_error(path, error)),
            _ => Err(outside(path, &self.roots)),
        }
    }

    /// Whether a resolved path lies below a root and below a granted folder. Blocks.
    pub(crate) fn contain(&self, resolved: &Path) -> bool {
        let is_below = |roots: &[PathBuf]| {
            roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| resolved.starts_with(root))
        };
        is_below(&self.roots) && is_below(&self.granted)
    }

    /// Opens a regular file below a root. Blocks.
    pub(crate) fn open(&self, path: &Path) -> Result<SourceReader, ConnectorError> {
        // Resolved again, because a link may have replaced it since it was listed.
        let resolved = self.resolve(path)?;
        // Checked before it is opened: opening a pipe blocks until it has a writer.
        require_file(path, &resolved.metadata().map_err(|error| io_error(path, error))?)?;
        let file = File::open(&resolved).map_err(|error| io_error(path, error))?;
        let metadata = file.metadata().map_err(|error| io_error(path, error))?;
        let body = OpenFile { path: path.display().to_string(), file: file.into() };
        Ok(SourceReader::new(metadata.len(), Some(change_hint(&metadata)), body))
    }
}

/// Reads the setting `path`, and normalises it.
pub(crate) fn parse_path(settings: &mut Settings) -> Result<PathBuf, ConnectorError> {
    let given = settings.text("path");
    let parsed = Path::new(given);
    let climbs = parsed.components().any(|component| component == Component::ParentDir);
    if !parsed.is_absolute() || climbs {
        let message = format!("wrong path; an absolute path without \"..\" allowed, got {given:?}");
        return Err(ConnectorError::invalid("path", message));
    }
    // Components drop repeated and trailing slashes, so that a folder has one identity.
    let path: PathBuf = parsed.components().collect();
    settings.normalise("path", path.display().to_string());
    Ok(path)
}

/// Refuses a path outside the roots, by its name alone.
pub(crate) fn authorize(path: &Path, policy: &SourcePolicy) -> Result<(), ConnectorError> {
    if policy.directory_roots.iter().any(|root| path.starts_with(root)) {
        Ok(())
    } else {
        Err(outside(path, &policy.directory_roots))
    }
}

/// The place of a file or folder.
pub(crate) fn place(path: &Path) -> ServerPlace {
    ServerPlace::Directory { path: path.display().to_string() }
}

/// Runs blocking work on a thread of its own.
pub(crate) async fn unblock<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, ConnectorError> + Send + 'static,
) -> Result<T, ConnectorError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|panic| ConnectorError::unavailable(path.display().to_string(), panic))?
}

pub(crate) fn require_file(path: &Path, metadata: &Metadata) -> Result<(), ConnectorError> {
    if metadata.is_file() {
        return Ok(());
    }
    let message =
        format!("not a regular file; a file allowed (source_type directory reads a folder), got {path:?}");
    Err(ConnectorError::invalid("path", message))
}

pub(crate) fn require_utf8(path: &Path) -> Result<&str, ConnectorError> {
    path.to_str().ok_or_else(|| {
        ConnectorError::invalid("path", format!("wrong encoding; a path in UTF-8 allowed, got {path:?}"))
    })
}

/// `location` is an absolute path, `file_path` the path within the source.
pub(crate) fn entry(location: String, file_path: String, metadata: &Metadata) -> Entry {
    let file_name = last_segment(&file_path).to_owned();
    Entry {
        uri: format!("file://{location}"),
        location,
        mime_type: mime_type(&file_name),
        file_name,
        file_path,
        size_bytes: metadata.len(),
        change_hint: Some(change_hint(metadata)),
        modified_at: metadata.modified().ok().map(DateTime::<Utc>::from),
        ..Entry::default()
    }
}

pub(crate) fn io_error(path: &Path, error: std::io::Error) -> ConnectorError {
    ConnectorError::from_io(path.display().to_string(), error)
}

#[derive(Debug)]
struct OpenFile {
    path: String,
    file: tokio::fs::File,
}

impl Body for OpenFile {
    fn next(&mut self) -> Reading<'_, Option<Bytes>> {
        Box::pin(async {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = self.file.read_buf(&mut piece).await;
            let length = read.map_err(|error| ConnectorError::from_io(&self.path, error))?;
            Ok((length > 0).then(|| Bytes::from(piece)))
        })
    }
}

/// Modification time in nanoseconds, and size. Two writes within one tick of the file system's clock
/// that keep the size look the same.
fn change_hint(metadata: &Metadata) -> String {
    let modified = metadata.modified().ok().map(DateTime::<Utc>::from);
    let nanoseconds = modified.and_then(|modified| modified.timestamp_nanos_opt()).unwrap_or_default();
    format!("{nanoseconds}-{}", metadata.len())
}

fn outside(path: &Path, roots: &[PathBuf]) -> ConnectorError {
    let message = if roots.is_empty() {
        format!("this installation reads no directories; its operator can set DIRECTORY_ROOTS, got {path:?}")
    } else {
        let roots: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
        format!(
            "outside the configured roots; a granted path below {} allowed, got {path:?}",
            roots.join(", ")
        )
    };
    ConnectorError::invalid("path", message)
}
