//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::LocalError;

/// Replaces the file at `path` by `bytes`, so that a reader after any crash sees either the old
/// or the new content.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    let unfinished = path.with_extension("tmp");
    let mut file = File::create(&unfinished).map_err(LocalError::file("creating", &unfinished))?;
    file.write_all(bytes).map_err(LocalError::file("writing", &unfinished))?;
    file.sync_all().map_err(LocalError::file("syncing", &unfinished))?;
    rename(&unfinished, path)
}

/// Moves a complete file to its place and makes that durable.
pub fn rename(from: &Path, to: &Path) -> Result<(), LocalError> {
    fs::rename(from, to).map_err(LocalError::file("renaming", from))?;
    if let Some(dir) = to.parent() {
        let handle = File::open(dir).map_err(LocalError::file("opening", dir))?;
        handle.sync_all().map_err(LocalError::file("syncing", dir))?;
    }
    Ok(())
}
