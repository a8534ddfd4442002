//! Objects that were unpacked: in memory up to a bound, in a temporary file beyond it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;

use super::pack::PackError;

/// Keeps objects until the last [`Stored`] of them is dropped.
#[derive(Debug)]
pub(crate) struct Spool {
    limit: u64,
    total: u64,
    memory_left: u64,
    file: Option<Arc<File>>,
    file_end: u64,
}

/// An object in a spool. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    Memory(Bytes),
    File { file: Arc<File>, offset: u64, length: u64 },
}

impl Spool {
    /// Keeps up to `limit` bytes, up to `memory` of them in memory.
    pub(crate) fn new(limit: u64, memory: u64) -> Self {
        Self { limit, total: 0, memory_left: memory, file: None, file_end: 0 }
    }

    pub(crate) fn put(&mut self, bytes: Vec<u8>) -> Result<Stored, PackError> {
        let length = bytes.len() as u64;
        self.total = self.total.saturating_add(length);
        if self.total > self.limit {
            return Err(PackError::TooLarge { what: "the size of all objects", limit: self.limit });
        }
        if let Some(left) = self.memory_left.checked_sub(length) {
            self.memory_left = left;
            return Ok(Stored::Memory(bytes.into()));
        }
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            // Has no name, so nothing of it is left whatever happens.
            None => Arc::clone(self.file.insert(Arc::new(tempfile::tempfile()?))),
        };
        file.write_all_at(&bytes, self.file_end)?;
        let offset = self.file_end;
        self.file_end += length;
        Ok(Stored::File { file, offset, length })
    }
}

impl Stored {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }

    /// Reads up to `length` bytes at this position. Blocks.
    pub(crate) fn read(&self, position: u64, length: u64) -> io::Result<Bytes> {
        let length = length.min(self.length().saturating_sub(position));
        match self {
            Self::Memory(bytes) => {
                let bounds = (usize::try_from(position), usize::try_from(length));
                let (Ok(position), Ok(length)) = bounds else { return Ok(Bytes::new()) };
                Ok(if length == 0 { Bytes::new() } else { bytes.slice(position..position + length) })
            }
            Self::File { file, offset, .. } => {
                let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_exact_at(&mut bytes, offset + position)?;
                Ok(bytes.into())
            }
        }
    }

    /// Reads it whole. Blocks.
    pub(crate) fn read_all(&self) -> io::Result<Bytes> {
        self.read(0, self.length())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_read_back_from_memory_and_file() {
        let mut spool = Spool::new(30, 10);
        let stored =
            ["0123456", "89", "abcdefgh", "", "ijk"].map(|text| (text, spool.put(text.into()).unwrap()));
        let in_memory = stored.iter().filter(|(_, stored)| matches!(stored, Stored::Memory(_))).count();
        assert_eq!(in_memory, 3);
        for (text, stored) in &stored {
            assert_eq!(stored.read_all().unwrap(), text.as_bytes());
            assert_eq!(
                stored.read(1, 3).unwrap(),
                text.as_bytes().get(1..).map_or(&[][..], |rest| &rest[..rest.len().min(3)])
            );
            assert!(stored.read(100, 3).unwrap().is_empty());
        }
        assert!(matches!(spool.put(vec![0; 11]), Err(PackError::TooLarge { .. })));
    }
}
