//! Decides which files have to be sent, reading only those that may have changed.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::Path;

use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::files::LocalFile;
use super::progress::Progress;
use super::state::{Known, State};
use crate::Outcome;
use crate::failure::Failure;

/// Files that are read at the same time.
const READERS: usize = 4;

/// A file to send, with the hash of its bytes.
#[derive(Debug, Clone)]
pub struct Pending {
    /// The name of its document.
    pub name: String,
    /// The file.
    pub file: LocalFile,
    /// SHA-256 in hex.
    pub sha256: String,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// Files to send, by name.
    pub pending: Vec<Pending>,
    /// Files that were sent as they are.
    pub unchanged: usize,
    /// Files that cannot be read, with the reason.
    pub failures: Vec<(String, String)>,
}

impl Plan {
    /// Compares files with what was sent; with `force`, all of them are to be sent.
    pub async fn make(files: &BTreeMap<String, LocalFile>, state: &mut State, force: bool) -> Outcome<Self> {
        let mut plan = Self::default();
        let mut to_read = Vec::new();
        for (name, file) in files {
            match state.look_up(name, file) {
                Known::Unchanged if !force => plan.unchanged += 1,
                known => to_read.push((name.clone(), file.clone(), known)),
            }
        }
        let progress = Progress::bytes(to_read.iter().map(|(_, file, _)| file.size).sum());
        let reads = stream::iter(to_read).map(|(name, file, known)| async move {
            let path = file.path.clone();
            let hash = tokio::task::spawn_blocking(move || hash(&path)).await;
            (name, file, known, hash)
        });
        let mut reads = std::pin::pin!(reads.buffered(READERS));
        while let Some((name, file, known, hash)) = reads.next().await {
            progress.add(file.size, "comparing");
            let hash = hash.map_err(|error| Failure::Other(format!("reading {name:?} failed: {error}")))?;
            match (hash, known) {
                (Ok(sha256), Known::Compare(sent)) if sha256 == sent && !force => {
                    state.remember(&name, &file, &sha256)?;
                    plan.unchanged += 1;
                }
                (Ok(sha256), _) => plan.pending.push(Pending { name, file, sha256 }),
                (Err(error), _) => plan.failures.push((name, error.to_string())),
            }
        }
        progress.finish();
        Ok(plan)
    }
}

/// The SHA-256 of a file's bytes, in hex.
fn hash(path: &Path) -> io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}
