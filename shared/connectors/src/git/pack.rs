//! Packs, read as they arrive: <https://git-scm.com/docs/pack-format>

use flate2::{Decompress, FlushDecompress, Status};
use thiserror::Error;

use super::object::{ObjectId, ObjectKind};

/// A pack that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum PackError {
    /// It is damaged, or no pack.
    #[error("the pack is damaged: {0}")]
    Invalid(&'static str),
    /// It exceeds a limit.
    #[error("{what} exceeds {limit}, the limit")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The most allowed.
        limit: u64,
    },
    /// What it contains cannot be kept.
    #[error("cannot write to the temporary directory")]
    Storage(#[from] std::io::Error),
}

/// Bounds what a pack may make of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackLimits {
    /// The most objects.
    pub(crate) objects: u32,
    /// The most bytes of an object that is kept. Larger ones are passed over.
    pub(crate) object_bytes: u64,
    /// The most bytes of all objects, uncompressed, those that are passed over included.
    pub(crate) total_bytes: u64,
}

/// What an object is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// The object itself.
    Whole(ObjectKind),
    /// A delta to the object that began at this offset of the pack.
    DeltaTo(u64),
    /// A delta to the object with this id.
    DeltaToId(ObjectId),
}

/// One object of a pack.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PackedObject {
    /// Where it begins in the pack.
    pub(crate) offset: u64,
    /// What its bytes are.
    pub(crate) content: Content,
    /// How many bytes it has.
    pub(crate) size: u64,
    /// The object or delta; `None` if it was passed over.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// Reads a pack from pieces of any size, holding one object at a time.
pub(crate) struct PackReader {
    limits: PackLimits,
    /// Kinds that are not kept.
    skip: Option<ObjectKind>,
    state: State,
    /// A header that has not arrived whole.
    header: Vec<u8>,
    position: u64,
    objects_left: u32,
    total_bytes: u64,
}

enum State {
    PackHeader,
    ObjectHeader,
    Object { object: PackedObject, inflater: Box<Decompress> },
    Checksum,
    End,
}

/// The longest header: a size, and the id of a base.
const MAX_HEADER_BYTES: usize = 10 + ObjectId::LENGTH;

impl PackReader {
    pub(crate) fn new(limits: PackLimits, skip: Option<ObjectKind>) -> Self {
        Self {
            limits,
            skip,
            state: State::PackHeader,
            header: Vec::new(),
            position: 0,
            objects_left: 0,
            total_bytes: 0,
        }
    }

    /// Takes the next piece and returns the objects that end in it to `found`.
    pub(crate) fn push<E: From<PackError>>(
        &mut self,
        mut piece: &[u8],
        mut found: impl FnMut(PackedObject) -> Result<(), E>,
    ) -> Result<(), E> {
        while !piece.is_empty() {
            let used = match &mut self.state {
                State::PackHeader | State::ObjectHeader | State::Checksum => self.push_header(piece[0])?,
                State::Object { .. } => {
                    let (used, ended) = self.inflate(piece)?;
                    if let Some(object) = ended {
                        found(object)?;
                    }
                    used
                }
                State::End => return Err(PackError::Invalid("bytes follow its end").into()),
            };
            self.position += used as u64;
            piece = &piece[used..];
        }
        Ok(())
    }

    /// Whether the pack is complete.
    pub(crate) fn finish(self) -> Result<(), PackError> {
        if matches!(self.state, State::End) { Ok(()) } else { Err(PackError::Invalid("it ends early")) }
    }

    /// Headers have a few bytes, which are taken one by one.
    fn push_header(&mut self, byte: u8) -> Result<usize, PackError> {
        self.header.push(byte);
        let next = match self.state {
            State::PackHeader => self.pack_header()?,
            State::ObjectHeader => self.object_header()?,
            // The checksum is for damage on the way, which the ids of the objects show, too.
            _ => (self.header.len() == ObjectId::LENGTH).then_some(State::End),
        };
        if let Some(next) = next {
            self.state = next;
            self.header.clear();
        } else if self.header.len() > MAX_HEADER_BYTES {
            return Err(PackError::Invalid("an object has a header that does not end"));
        }
        Ok(1)
    }

    fn pack_header(&mut self) -> Result<Option<State>, PackError> {
        let [b'P', b'A', b'C', b'K', v0, v1, v2, v3, c0, c1, c2, c3] = self.header[..] else {
            return if b"PACK".starts_with(&self.header[..self.header.len().min(4)]) {
                Ok(None)
            } else {
                Err(PackError::Invalid("it does not begin with PACK"))
            };
        };
        if !matches!(u32::from_be_bytes([v0, v1, v2, v3]), 2 | 3) {
            return Err(PackError::Invalid("it has another version than 2 and 3"));
        }
        self.objects_left = u32::from_be_bytes([c0, c1, c2, c3]);
        if self.objects_left > self.limits.objects {
            let limit = u64::from(self.limits.objects);
            return Err(PackError::TooLarge { what: "the number of objects", limit });
        }
        Ok(Some(self.next_object()))
    }

    fn next_object(&self) -> State {
        if self.objects_left == 0 { State::Checksum } else { State::ObjectHeader }
    }

    /// The type and the size, and for a delta the distance to its base or the base's id.
    fn object_header(&mut self) -> Result<Option<State>, PackError> {
        let Some((kind, size, length)) = type_and_size(&self.header)? else { return Ok(None) };
        let rest = &self.header[length..];
        let offset = self.position + 1 - self.header.len() as u64;
        let content = match kind {
            1 => Content::Whole(ObjectKind::Commit),
            2 => Content::Whole(ObjectKind::Tree),
            3 => Content::Whole(ObjectKind::Blob),
            4 => Content::Whole(ObjectKind::Tag),
            6 => {
                let Some(distance) = distance(rest)? else { return Ok(None) };
                let base = offset.checked_sub(distance).filter(|_| distance > 0);
                Content::DeltaTo(base.ok_or(PackError::Invalid("a delta has a base outside of the pack"))?)
            }
            7 => match <[u8; ObjectId::LENGTH]>::try_from(rest) {
                Ok(id) => Content::DeltaToId(ObjectId::from_bytes(id)),
                Err(_) => return Ok(None),
            },
            _ => return Err(PackError::Invalid("an object has an unknown type")),
        };
        self.total_bytes = self.total_bytes.saturating_add(size);
        if self.total_bytes > self.limits.total_bytes {
            let limit = self.limits.total_bytes;
            return Err(PackError::TooLarge { what: "the size of all objects", limit });
        }
        let is_skipped = self.skip.is_some_and(|skip| content == Content::Whole(skip));
        let bytes = (!is_skipped && size <= self.limits.object_bytes).then(Vec::new);
        let object = PackedObject { offset, content, size, bytes };
        self.objects_left -= 1;
        Ok(Some(State::Object { object, inflater: Box::new(Decompress::new(true)) }))
    }

    /// Returns how many bytes belong to the object, and the object when it is complete.
    fn inflate(&mut self, piece: &[u8]) -> Result<(usize, Option<PackedObject>), PackError> {
        let State::Object { object, inflater } = &mut self.state else {
            return Ok((0, None));
        };
        let start = inflater.total_in();
        let mut buffer = [0; 16 * 1024];
        loop {
            let used = usize::try_from(inflater.total_in() - start).unwrap_or(usize::MAX);
            let before = inflater.total_out();
            let status = inflater
                .decompress(&piece[used..], &mut buffer, FlushDecompress::None)
                .map_err(|_| PackError::Invalid("an object cannot be decompressed"))?;
            let inflated = usize::try_from(inflater.total_out() - before).unwrap_or(usize::MAX);
            if inflater.total_out() > object.size {
                return Err(PackError::Invalid("an object is longer than its header says"));
            }
            if let Some(bytes) = &mut object.bytes {
                bytes.extend_from_slice(&buffer[..inflated]);
            }
            let used_now = usize::try_from(inflater.total_in() - start).unwrap_or(usize::MAX);
            if status == Status::StreamEnd {
                if inflater.total_out() != object.size {
                    return Err(PackError::Invalid("an object is shorter than its header says"));
                }
                let next = self.next_object();
                let State::Object { object, .. } = std::mem::replace(&mut self.state, next) else {
                    return Ok((used_now, None));
                };
                return Ok((used_now, Some(object)));
            }
            // Neither input nor output: the next piece is needed.
            if used_now == used && inflated == 0 {
                return if used_now == piece.len() {
                    Ok((used_now, None))
                } else {
                    Err(PackError::Invalid("an object cannot be decompressed"))
                };
            }
        }
    }
}

/// Three bits of type and four of size, then seven bits of size per byte, the least significant first. Returns the length,
/// too; `None` if it has not arrived whole.
fn type_and_size(header: &[u8]) -> Result<Option<(u8, u64, usize)>, PackError> {
    let Some((first, rest)) = header.split_first() else { return Ok(None) };
    let kind = first >> 4 & 7;
    let mut size = u64::from(first & 0x0f);
    if first & 0x80 == 0 {
        return Ok(Some((kind, size, 1)));
    }
    for (index, byte) in rest.iter().enumerate() {
        if index == 8 {
            return Err(PackError::Invalid("an object has a size of more than 60 bits"));
        }
        size |= u64::from(byte & 0x7f) << (4 + 7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((kind, size, index + 2)));
        }
    }
    Ok(None)
}

/// Seven bits per byte, the most significant first, where each further byte adds one so that there is only one spelling.
fn distance(bytes: &[u8]) -> Result<Option<u64>, PackError> {
    let mut distance: u64 = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if index == 8 {
            return Err(PackError::Invalid("a delta has a base outside of the pack"));
        }
        distance = ((distance + u64::from(index > 0)) << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(Some(distance));
        }
    }
    Ok(None)
}

impl std::fmt::Debug for PackReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackReader").field("position", &self.position).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
