//! Atomic file operations.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::error::LocalError;

/// Replaces the content of a file atomically: after a crash it is either the old or the new one.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary).map_err(LocalError::file("creating", &temporary))?;
    file.write_all(bytes).map_err(LocalError::file("writing", &temporary))?;
    file.sync_all().map_err(LocalError::file("syncing", &temporary))?;
    rename(&temporary, path)
}

/// Renames a file and syncs its directory.
pub fn rename(from: &Path, to: &Path) -> Result<(), LocalError> {
    fs::rename(from, to).map_err(LocalError::file("renaming", from))?;
    if let Some(dir) = to.parent() {
        let handle = File::open(dir).map_err(LocalError::file("opening", dir))?;
        handle.sync_all().map_err(LocalError::file("syncing", dir))?;
    }
    Ok(())
}
