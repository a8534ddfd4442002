//! Snapshots: the flushed files of a collection as a tar archive, with its SHA-256 in a file beside it.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use prost_types::Timestamp;
use qdrant_client::qdrant::SnapshotDescription;
use sha2::{Digest, Sha256};

use crate::collection::Collection;
use crate::error::LocalError;
use crate::files;
use crate::recovery::shard_dir;
use crate::store::{Store, definition_path};

/// Creates a snapshot of a collection. Blocks writes meanwhile, and waits while the collection is optimized.
pub fn create(store: &Store, name: &str) -> Result<SnapshotDescription, LocalError> {
    let collection = store.collection(name)?;
    let name = &collection.definition().collection_name;
    let dir = store.snapshots_dir(name);
    fs::create_dir_all(&dir).map_err(LocalError::file("creating", &dir))?;
    let time = DateTime::<Utc>::from(SystemTime::now()).format("%Y-%m-%d-%H-%M-%S-%3f");
    let path = dir.join(format!("{name}-{time}.snapshot"));
    let unfinished = path.with_extension("unfinished");
    pack(&collection, &unfinished)?;
    let checksum = checksum(&unfinished)?;
    files::replace(&checksum_path(&path), checksum.as_bytes())?;
    files::rename(&unfinished, &path)?;
    describe(&path)
}

/// Lists the snapshots of a collection, oldest first.
pub fn list(store: &Store, name: &str) -> Result<Vec<SnapshotDescription>, LocalError> {
    let collection = store.collection(name)?;
    let dir = store.snapshots_dir(&collection.definition().collection_name);
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(&dir).map_err(LocalError::file("listing", &dir))? {
        let path = entry.map_err(LocalError::file("listing", &dir))?.path();
        if path.extension().is_some_and(|extension| extension == "snapshot") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.iter().map(|path| describe(path)).collect()
}

/// Returns the path of a snapshot of a collection.
pub fn path(store: &Store, name: &str, snapshot: &str) -> Result<PathBuf, LocalError> {
    let known = list(store, name)?;
    if !known.iter().any(|description| description.name == snapshot) {
        return Err(LocalError::NotFound(format!("Snapshot {snapshot} not found")));
    }
    let collection = store.collection(name)?;
    Ok(store.snapshots_dir(&collection.definition().collection_name).join(snapshot))
}

/// Deletes a snapshot of a collection.
pub fn delete(store: &Store, name: &str, snapshot: &str) -> Result<(), LocalError> {
    let path = path(store, name, snapshot)?;
    fs::remove_file(&path).map_err(LocalError::file("deleting", &path))?;
    let checksum = checksum_path(&path);
    fs::remove_file(&checksum).map_err(LocalError::file("deleting", &checksum))
}

/// Creates the collection `name` from a snapshot file, after verifying its checksum if there is a checksum file
/// beside it.
pub fn restore(store: &Store, snapshot: &Path, name: &str) -> Result<(), LocalError> {
    let expected_path = checksum_path(snapshot);
    let mut expected = None;
    if expected_path.exists() {
        let text = fs::read_to_string(&expected_path).map_err(LocalError::file("reading", &expected_path))?;
        expected = Some(text.trim().to_owned());
    }
    restore_checked(store, snapshot, name, expected.as_deref())
}

/// Creates the collection `name` from a snapshot file if that has the `expected` checksum.
pub fn restore_checked(
    store: &Store,
    snapshot: &Path,
    name: &str,
    expected: Option<&str>,
) -> Result<(), LocalError> {
    if let Some(expected) = expected {
        let actual = checksum(snapshot)?;
        if expected != actual {
            return Err(LocalError::BadInput(format!(
                "snapshot {} has checksum {actual}, expected {expected}",
                snapshot.display()
            )));
        }
    }
    store.adopt(name, |dir| {
        let file = File::open(snapshot).map_err(LocalError::file("opening", snapshot))?;
        // `unpack` rejects entries outside of `dir`.
        tar::Archive::new(BufReader::new(file)).unpack(dir).map_err(LocalError::file("unpacking", snapshot))
    })
}

fn pack(collection: &Collection, path: &Path) -> Result<(), LocalError> {
    let _files = collection.files.lock();
    collection.with_flushed_files(|dir| {
        let file = File::create(path).map_err(LocalError::file("creating", path))?;
        let mut archive = tar::Builder::new(BufWriter::new(file));
        let written = archive
            .append_path_with_name(definition_path(dir), "definition.pb")
            .and_then(|()| archive.append_dir_all("shard", shard_dir(dir)))
            .and_then(|()| archive.into_inner())
            .and_then(|mut writer| {
                writer.flush()?;
                writer.get_ref().sync_all()
            });
        written.map_err(LocalError::file("writing", path))
    })
}

fn describe(path: &Path) -> Result<SnapshotDescription, LocalError> {
    let metadata = fs::metadata(path).map_err(LocalError::file("reading", path))?;
    let modified = metadata.modified().map_err(LocalError::file("reading", path))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let checksum_path = checksum_path(path);
    let checksum = fs::read_to_string(&checksum_path).map_err(LocalError::file("reading", &checksum_path))?;
    Ok(SnapshotDescription {
        name,
        creation_time: Some(Timestamp::from(modified)),
        size: i64::try_from(metadata.len()).unwrap_or(i64::MAX),
        checksum: Some(checksum),
    })
}

fn checksum_path(snapshot: &Path) -> PathBuf {
    snapshot.with_extension("sha256")
}

fn checksum(path: &Path) -> Result<String, LocalError> {
    let mut file = File::open(path).map_err(LocalError::file("opening", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) => return Err(LocalError::file("reading", path)(error)),
        }
    }
    let digest = hasher.finalize();
    Ok(hex::encode(digest))
}
