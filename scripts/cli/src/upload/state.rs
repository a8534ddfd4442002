//! What was uploaded before: one file for each installation and collection.
//!
//! It is a memory of what this machine has sent, so that nothing is sent twice; the collection stays the truth.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use domain::CollectionId;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::files::LocalFile;
use crate::failure::Failure;
use crate::{Outcome, profiles};

/// A file is written again at most this often while files are sent.
const INTERVAL: Duration = Duration::from_millis(500);
/// File systems tell times apart only so well: a file may change again with the same time.
const RACY_NANOSECONDS: i128 = 2_000_000_000;

/// A file that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    /// Where it was.
    path: PathBuf,
    size: u64,
    /// Its time of change; `None` if the bytes decide, because it was changed just before.
    modified: Option<i128>,
    sha256: String,
}

/// The file's content.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// For people who look into the file.
    url: String,
    collection_id: Option<CollectionId>,
    files: BTreeMap<String, Sent>,
}

/// What was sent to one collection. Only one process has it at a time.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    content: Content,
    is_changed: bool,
    written: Instant,
    /// Holds the lock of the file.
    _lock: File,
}

/// Whether a file has to be sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Known {
    /// It was sent as it is.
    Unchanged,
    /// Its bytes have to be compared with these.
    Compare(String),
    /// It was not sent.
    New,
}

impl State {
    /// Opens the state of a collection.
    ///
    /// Fails while another process sends files to the same collection.
    pub fn open(folder: &Path, url: &str, collection_id: CollectionId) -> Outcome<Self> {
        let hash = hex::encode(Sha256::digest(format!("{url}\n{collection_id}")));
        let path = folder.join("uploads").join(format!("{}.json", &hash[..32]));
        let lock = lock(&path.with_extension("lock"))?;
        let content = match std::fs::read(&path) {
            // Damaged: everything is compared again by sending it, which changes nothing.
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Content::default(),
            Err(error) => return Err(Failure::file(&path, error)),
        };
        let content = Content { url: url.to_owned(), collection_id: Some(collection_id), ..content };
        Ok(Self { path, content, is_changed: false, written: Instant::now(), _lock: lock })
    }

    /// Looks a file up without reading it.
    pub fn look_up(&self, name: &str, file: &LocalFile) -> Known {
        match self.content.files.get(name) {
            Some(sent) if sent.path != file.path || sent.size != file.size => Known::New,
            Some(sent) if sent.modified == Some(file.modified) => Known::Unchanged,
            Some(sent) => Known::Compare(sent.sha256.clone()),
            None => Known::New,
        }
    }

    /// Remembers that a file was sent, or has the bytes that were.
    pub fn remember(&mut self, name: &str, file: &LocalFile, sha256: &str) -> Outcome {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let age = i128::try_from(now.as_nanos()).unwrap_or_default() - file.modified;
        let modified = (age > RACY_NANOSECONDS).then_some(file.modified);
        let sent = Sent { path: file.path.clone(), size: file.size, modified, sha256: sha256.to_owned() };
        self.content.files.insert(name.to_owned(), sent);
        self.is_changed = true;
        self.write(INTERVAL)
    }

    /// Forgets a file, so that it is sent again.
    pub fn forget(&mut self, name: &str) {
        self.is_changed |= self.content.files.remove(name).is_some();
    }

    /// Writes what has changed.
    pub fn save(&mut self) -> Outcome {
        self.write(Duration::ZERO)
    }

    fn write(&mut self, interval: Duration) -> Outcome {
        if self.is_changed && self.written.elapsed() >= interval {
            let bytes = serde_json::to_vec(&self.content).unwrap_or_default();
            profiles::write_private(&self.path, &bytes)?;
            self.is_changed = false;
            self.written = Instant::now();
        }
        Ok(())
    }
}

fn lock(path: &Path) -> Outcome<File> {
    let open = || {
        std::fs::create_dir_all(path.parent().unwrap_or(path))?;
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
    };
    let file = open().map_err(|error| Failure::file(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::Other(
            "another `semantik upload` to this collection is running; wait until it has ended".to_owned(),
        )),
        Err(TryLockError::Error(error)) => Err(Failure::file(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://a";

    fn open(folder: &Path) -> State {
        State::open(folder, URL, uuid::Uuid::nil().into()).unwrap()
    }

    fn file(size: u64, modified: i128) -> LocalFile {
        LocalFile { path: PathBuf::from("/docs/a.md"), size, modified }
    }

    #[test]
    fn a_file_is_known_by_size_and_time_else_by_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = open(folder.path());
        assert_eq!(state.look_up("a.md", &file(1, 1)), Known::New);
        state.remember("a.md", &file(1, 1), "h").unwrap();
        state.save().unwrap();
        drop(state);

        let mut state = open(folder.path());
        assert_eq!(state.look_up("a.md", &file(1, 1)), Known::Unchanged);
        assert_eq!(state.look_up("a.md", &file(1, 2)), Known::Compare("h".to_owned()));
        assert_eq!(state.look_up("a.md", &file(2, 2)), Known::New);
        let elsewhere = LocalFile { path: PathBuf::from("/other/a.md"), ..file(1, 1) };
        assert_eq!(state.look_up("a.md", &elsewhere), Known::New, "another folder of the same name");
        state.forget("a.md");
        assert_eq!(state.look_up("a.md", &file(1, 1)), Known::New);
    }

    #[test]
    fn the_time_of_a_file_that_has_just_changed_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = open(folder.path());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let fresh = file(1, i128::try_from(now).unwrap());
        state.remember("a.md", &fresh, "h").unwrap();
        assert_eq!(state.look_up("a.md", &fresh), Known::Compare("h".to_owned()));
    }

    #[test]
    fn what_was_sent_survives_a_kill() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = open(folder.path());
        state.written = Instant::now().checked_sub(INTERVAL).unwrap();
        state.remember("a.md", &file(1, 1), "h").unwrap();
        let written: Content = serde_json::from_slice(&std::fs::read(&state.path).unwrap()).unwrap();
        assert!(written.files.contains_key("a.md"), "without save");
    }

    #[test]
    fn two_processes_do_not_send_to_one_collection() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path());
        let Err(Failure::Other(reason)) = State::open(folder.path(), URL, uuid::Uuid::nil().into()) else {
            panic!("opened twice");
        };
        assert!(reason.contains("is running"), "{reason}");
        drop(state);
        open(folder.path());
    }

    #[test]
    fn a_damaged_file_is_no_state() {
        let folder = tempfile::tempdir().unwrap();
        let state = open(folder.path());
        std::fs::create_dir_all(state.path.parent().unwrap()).unwrap();
        std::fs::write(&state.path, "{").unwrap();
        drop(state);
        assert_eq!(open(folder.path()).look_up("a.md", &file(1, 1)), Known::New);
    }
}
