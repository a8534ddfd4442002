//! Reads the files of one message: together, in as few requests as their sizes allow.

use std::collections::HashSet;

use bytes::Bytes;
use domain::{Classify, ErrorKind};

use super::commands::{Fetched, fetch_objects};
use super::connection::Connection;
use super::object::{ObjectId, ObjectKind};
use super::remote::Place;
use super::spool::{Spool, Stored};
use super::unpack::Objects;
use crate::clients::Clients;
use crate::reader::{Body, Reading};
use crate::{ConnectorError, SourceReader};

/// The most files in one request.
const BATCH: usize = 100;
/// The most bytes that are fetched before they are asked for. With the files that are too large for that, this fits
/// into 512 MB of temporary files.
const MAX_PREFETCHED_BYTES: u64 = 192 << 20;
/// How many of them are kept in memory.
const MAX_MEMORY_BYTES: u64 = 32 << 20;
/// What one piece of a file has.
const PIECE_BYTES: u64 = 256 * 1024;
/// What a file in Git LFS begins with, instead of its content. Such files have less than 1024 bytes.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// Files that were fetched, and the way to others.
#[derive(Debug)]
pub(crate) struct Blobs {
    place: Place,
    clients: Clients,
    max_file_bytes: u64,
    fetched: Objects,
}

impl Blobs {
    /// Fetches these files. Those that cannot be fetched together are fetched one by one when they are opened, and tell
    /// then why they cannot be read.
    pub(crate) async fn fetch(
        place: Place,
        clients: Clients,
        max_file_bytes: u64,
        ids: HashSet<ObjectId>,
    ) -> Result<Self, ConnectorError> {
        let mut blobs = Self { place, clients, max_file_bytes, fetched: Objects::new() };
        let wanted: Vec<ObjectId> = ids.into_iter().collect();
        let mut bytes_left = MAX_PREFETCHED_BYTES;
        let mut memory_left = MAX_MEMORY_BYTES;
        for batch in wanted.chunks(BATCH) {
            let mut connection = Connection::open(&blobs.place, &blobs.clients).await?;
            let spool = Spool::new(bytes_left, memory_left);
            let fetched = fetch_objects(&mut connection, batch, max_file_bytes, spool, bytes_left).await;
            match fetched {
                Ok(Fetched { objects, too_large }) => {
                    let bytes: u64 = objects.values().map(|object| object.content.length()).sum();
                    bytes_left = bytes_left.saturating_sub(bytes);
                    memory_left = memory_left.saturating_sub(bytes);
                    blobs.fetched.extend(objects);
                    if too_large.is_some() {
                        break;
                    }
                }
                // One of them is gone since it was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(blobs)
    }

    /// Opens a file; `path` is what messages call it.
    pub(crate) async fn open(&self, id: ObjectId, path: &str) -> Result<SourceReader, ConnectorError> {
        let content = match self.fetched.get(&id).filter(|object| object.kind == ObjectKind::Blob) {
            Some(object) => object.content.clone(),
            None => self.fetch_one(id, path).await?,
        };
        let start = read(content.clone(), 0, LFS_POINTER.len() as u64, path).await?;
        if start == LFS_POINTER && content.length() < 1024 {
            let reason = "its content is in Git LFS, which is not read".to_owned();
            return Err(ConnectorError::LeftOut { what: path.to_owned(), reason });
        }
        let size = content.length();
        let body = FileBody { content, position: 0, path: path.to_owned() };
        Ok(SourceReader::new(size, Some(id.to_string()), body))
    }

    async fn fetch_one(&self, id: ObjectId, path: &str) -> Result<Stored, ConnectorError> {
        let mut connection = Connection::open(&self.place, &self.clients).await?;
        let limit = self.max_file_bytes;
        let memory = MAX_MEMORY_BYTES / 16;
        let spool = Spool::new(limit, memory);
        // The header of the only object has its size, so that nothing of a larger one is read.
        let fetched = fetch_objects(&mut connection, &[id], limit, spool, limit).await;
        let fetched = fetched.map_err(|error| match error {
            ConnectorError::NotFound { what } => {
                ConnectorError::NotFound { what: format!("{path} ({what})") }
            }
            other => other,
        })?;
        if fetched.too_large.is_some() {
            let reason = format!("it is larger than {limit} bytes, the limit of the source (max_file_bytes)");
            return Err(ConnectorError::LeftOut { what: path.to_owned(), reason });
        }
        let blob = fetched.objects.get(&id).filter(|object| object.kind == ObjectKind::Blob);
        blob.map(|object| object.content.clone())
            .ok_or_else(|| ConnectorError::unavailable(path, "the server sent another file"))
    }
}

#[derive(Debug)]
struct FileBody {
    content: Stored,
    position: u64,
    path: String,
}

impl Body for FileBody {
    fn next(&mut self) -> Reading<'_, Option<Bytes>> {
        Box::pin(async {
            let piece = read(self.content.clone(), self.position, PIECE_BYTES, &self.path).await?;
            self.position += piece.len() as u64;
            Ok(Some(piece).filter(|piece| !piece.is_empty()))
        })
    }
}

async fn read(content: Stored, position: u64, length: u64, path: &str) -> Result<Bytes, ConnectorError> {
    let piece = match content {
        Stored::Memory(_) => content.read(position, length),
        Stored::File { .. } => {
            let reading = tokio::task::spawn_blocking(move || content.read(position, length));
            reading.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
        }
    };
    piece.map_err(|error| ConnectorError::unavailable(path, error))
}

/// What [`Blobs::open`] finds a file by, with its path.
pub(crate) fn location(id: ObjectId, path: &str) -> String {
    format!("{id} {path}")
}

/// Reads a location back.
pub(crate) fn parse_location(location: &str) -> Result<(ObjectId, &str), ConnectorError> {
    let parsed = location.split_once(' ').and_then(|(id, path)| Some((id.parse().ok()?, path)));
    parsed.ok_or_else(|| {
        ConnectorError::invalid("location", format!("not a file of a repository, got {location:?}"))
    })
}

/// The files at these locations.
pub(crate) fn ids_of<'a>(locations: impl IntoIterator<Item = &'a String>) -> HashSet<ObjectId> {
    locations.into_iter().filter_map(|location| Some(parse_location(location).ok()?.0)).collect()
}
