//! The journal: accepted writes, in order, until the engine has flushed them.
//!
//! The engine has a write-ahead log too, but never reads it, so a crash would lose what was not flushed. Each
//! write is therefore appended here before it is applied. A checkpoint starts a new file, flushes the engine,
//! and then deletes the older files; opening a collection applies the remaining records. Records refer to
//! points by id, never by filter, so applying a record twice changes nothing.
//!
//! An appended record survives a crash of the process. It is synced to disk only at checkpoints, so a power
//! failure may lose the last seconds: the same guarantee as a Qdrant server with default settings.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use prost::Message;
use qdrant_client::qdrant::{CreateFieldIndexCollection, DeleteFieldIndexCollection, PointsUpdateOperation};

use crate::error::LocalError;

/// An accepted write.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A change of points, with ids in its selectors.
    Points(PointsUpdateOperation),
    /// A payload index was created.
    CreateIndex(CreateFieldIndexCollection),
    /// A payload index was deleted.
    DeleteIndex(DeleteFieldIndexCollection),
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    dir: PathBuf,
    file: File,
    path: PathBuf,
    /// The length of the complete records in `file`, in bytes; anything after it is a torn record.
    length: u64,
    next_sequence: u64,
    /// A torn record could not be truncated, so nothing can be appended.
    broken: bool,
}

/// The size of the header of each record: kind, length and checksum.
const HEADER_BYTES: usize = 9;
/// A longer record is corrupt.
const MAX_RECORD_BYTES: u32 = 1 << 30;

impl Journal {
    /// Opens the journal in `dir` and passes every complete record to `replay`, oldest first. A torn record at the
    /// end of a file is dropped: the process was killed before it acknowledged the write. A missing record is an
    /// error.
    pub fn open(
        dir: &Path,
        mut replay: impl FnMut(Record) -> Result<(), LocalError>,
    ) -> Result<Self, LocalError> {
        fs::create_dir_all(dir).map_err(LocalError::file("creating", dir))?;
        let files = journal_files(dir)?;
        let mut next_sequence = files.first().map_or(1, |(first_sequence, _)| *first_sequence);
        for (position, (first_sequence, path)) in files.iter().enumerate() {
            if *first_sequence != next_sequence {
                let dir = dir.display();
                let message = format!("journal {dir}: record {next_sequence} is missing");
                return Err(LocalError::Internal(message));
            }
            let mut reader = RecordReader::open(path)?;
            loop {
                match reader.next() {
                    Ok(Some(record)) => {
                        replay(record)?;
                        next_sequence += 1;
                    }
                    Ok(None) => break,
                    Err(damage) => {
                        let following = files.get(position + 1).map(|(sequence, _)| *sequence);
                        if following.is_some_and(|sequence| sequence != next_sequence) {
                            let path = path.display();
                            return Err(LocalError::Internal(format!("journal {path}: {damage}")));
                        }
                        tracing::warn!(path = %path.display(), damage, "dropped a torn record");
                        break;
                    }
                }
            }
        }
        // Never append after a torn record: start a new file.
        let path = file_path(dir, next_sequence);
        let file = create(&path)?;
        Ok(Self { dir: dir.to_owned(), file, path, length: 0, next_sequence, broken: false })
    }

    /// Appends a record and returns its sequence number.
    pub fn append(&mut self, record: &Record) -> Result<u64, LocalError> {
        if self.broken {
            let path = self.path.display();
            return Err(LocalError::Internal(format!("journal {path} cannot be appended to")));
        }
        let bytes = encode(record)?;
        if let Err(source) = self.file.write_all(&bytes) {
            self.broken = self.file.set_len(self.length).is_err();
            return Err(LocalError::file("appending to", self.path.clone())(source));
        }
        self.length += bytes.len() as u64;
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        Ok(sequence)
    }

    /// Starts a new file. The caller then flushes the engine, for the records of the older ones.
    pub fn rotate(&mut self) -> Result<(), LocalError> {
        if self.length > 0 || self.broken {
            let path = file_path(&self.dir, self.next_sequence);
            self.file = create(&path)?;
            self.path = path;
            self.length = 0;
            self.broken = false;
        }
        Ok(())
    }

    /// Deletes all files but the current one, after the engine has flushed their records.
    pub fn discard_older(&self) -> Result<(), LocalError> {
        for (_, path) in journal_files(&self.dir)? {
            if path != self.path {
                fs::remove_file(&path).map_err(LocalError::file("deleting", path))?;
            }
        }
        Ok(())
    }
}

fn file_path(dir: &Path, first_sequence: u64) -> PathBuf {
    dir.join(format!("{first_sequence:020}.log"))
}

fn create(path: &Path) -> Result<File, LocalError> {
    // An existing file with this name contains at most a torn record, see `open`.
    let options = OpenOptions::new().write(true).create(true).truncate(true).open(path);
    options.map_err(LocalError::file("creating", path))
}

/// Lists the files of the journal with their first sequence numbers, oldest first.
fn journal_files(dir: &Path) -> Result<Vec<(u64, PathBuf)>, LocalError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(LocalError::file("listing", dir))? {
        let path = entry.map_err(LocalError::file("listing", dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if let Some(sequence) = name.strip_suffix(".log").and_then(|digits| digits.parse().ok()) {
            files.push((sequence, path));
        }
    }
    files.sort();
    Ok(files)
}

fn encode(record: &Record) -> Result<Vec<u8>, LocalError> {
    let (kind, body) = match record {
        Record::Points(operation) => (1_u8, operation.encode_to_vec()),
        Record::CreateIndex(request) => (2, request.encode_to_vec()),
        Record::DeleteIndex(request) => (3, request.encode_to_vec()),
    };
    let length = u32::try_from(body.len()).ok().filter(|length| *length <= MAX_RECORD_BYTES);
    let length = length.ok_or_else(|| {
        let got = body.len();
        LocalError::BadInput(format!("the request has {got} bytes; at most {MAX_RECORD_BYTES} are allowed"))
    })?;
    let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
    bytes.push(kind);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

struct RecordReader {
    reader: BufReader<File>,
}

impl RecordReader {
    fn open(path: &Path) -> Result<Self, LocalError> {
        let file = File::open(path).map_err(LocalError::file("opening", path))?;
        Ok(Self { reader: BufReader::new(file) })
    }

    /// Reads the next record; returns `None` at the end of the file, or what is wrong with the following bytes.
    fn next(&mut self) -> Result<Option<Record>, String> {
        let mut header = [0; HEADER_BYTES];
        match self.fill(&mut header)? {
            0 => return Ok(None),
            HEADER_BYTES => {}
            got => return Err(format!("{got} bytes of a header of {HEADER_BYTES}")),
        }
        let [kind, l0, l1, l2, l3, c0, c1, c2, c3] = header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let checksum = u32::from_le_bytes([c0, c1, c2, c3]);
        if length > MAX_RECORD_BYTES {
            return Err(format!("a record of {length} bytes"));
        }
        let mut body = vec![0; length as usize];
        let got = self.fill(&mut body)?;
        if got != body.len() {
            return Err(format!("{got} bytes of a record of {length}"));
        }
        if crc32fast::hash(&body) != checksum {
            return Err("a record whose checksum differs".to_owned());
        }
        decode(kind, &body).map(Some)
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, String> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.to_string()),
            }
        }
        Ok(filled)
    }
}

fn decode(kind: u8, body: &[u8]) -> Result<Record, String> {
    let record = match kind {
        1 => PointsUpdateOperation::decode(body).map(Record::Points),
        2 => CreateFieldIndexCollection::decode(body).map(Record::CreateIndex),
        3 => DeleteFieldIndexCollection::decode(body).map(Record::DeleteIndex),
        other => return Err(format!("a record of unknown kind {other}")),
    };
    record.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(field: &str) -> Record {
        Record::DeleteIndex(DeleteFieldIndexCollection { field_name: field.to_owned(), ..Default::default() })
    }

    fn reopen(dir: &Path) -> (Journal, Vec<Record>) {
        let mut records = Vec::new();
        let journal = Journal::open(dir, |record| {
            records.push(record);
            Ok(())
        });
        (journal.unwrap(), records)
    }

    #[test]
    fn records_are_replayed_in_order_and_sequence_numbers_continue() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, records) = reopen(dir.path());
        assert_eq!(records, []);
        assert_eq!(journal.append(&record("a")).unwrap(), 1);
        assert_eq!(journal.append(&record("b")).unwrap(), 2);
        drop(journal);

        let (mut journal, records) = reopen(dir.path());
        assert_eq!(records, [record("a"), record("b")]);
        assert_eq!(journal.append(&record("c")).unwrap(), 3);
        drop(journal);
        assert_eq!(reopen(dir.path()).1, [record("a"), record("b"), record("c")]);
    }

    #[test]
    fn a_torn_record_is_dropped_and_the_rest_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = reopen(dir.path());
        journal.append(&record("whole")).unwrap();
        journal.append(&record("torn")).unwrap();
        let path = journal.path.clone();
        drop(journal);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();

        let (mut journal, records) = reopen(dir.path());
        assert_eq!(records, [record("whole")]);
        journal.append(&record("after")).unwrap();
        drop(journal);
        // The torn bytes are now in an older file and must not hide the later record.
        let (_, records) = reopen(dir.path());
        assert_eq!(records, [record("whole"), record("after")]);
    }

    #[test]
    fn a_checkpoint_discards_only_older_records() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = reopen(dir.path());
        journal.append(&record("flushed")).unwrap();
        journal.rotate().unwrap();
        journal.append(&record("pending")).unwrap();
        journal.discard_older().unwrap();
        drop(journal);
        assert_eq!(reopen(dir.path()).1, [record("pending")]);
    }
}
