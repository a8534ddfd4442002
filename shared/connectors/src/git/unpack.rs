//! The objects of a pack, with deltas applied.

use std::collections::HashMap;

use super::delta;
use super::object::{ObjectId, ObjectKind};
use super::pack::{Content, PackError, PackLimits, PackReader, PackedObject};
use super::spool::{Spool, Stored};

/// An object of a pack.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) kind: ObjectKind,
    pub(crate) content: Stored,
}

/// The objects of a pack by their ids.
pub(crate) type Objects = HashMap<ObjectId, Object>;

/// Unpacks a pack as it arrives. Every delta is applied once and its result is kept, so neither long chains of deltas nor
/// many deltas to one base cost more than the limits of the spool.
#[derive(Debug)]
pub(crate) struct Unpacker {
    reader: PackReader,
    resolver: Resolver,
}

#[derive(Debug)]
struct Resolver {
    spool: Spool,
    max_object_bytes: u64,
    objects: Objects,
    /// The objects by where they began; `None` for those that were passed over.
    at: HashMap<u64, Option<ObjectId>>,
    /// Deltas whose base has not arrived.
    waiting: HashMap<Base, Vec<Delta>>,
    waiting_bytes: u64,
    max_waiting_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Base {
    At(u64),
    Id(ObjectId),
}

#[derive(Debug)]
struct Delta {
    offset: u64,
    bytes: Vec<u8>,
}

impl Unpacker {
    /// Unpacks objects except those of the kind `skip`.
    pub(crate) fn new(limits: PackLimits, skip: Option<ObjectKind>, spool: Spool) -> Self {
        let resolver = Resolver {
            spool,
            max_object_bytes: limits.object_bytes,
            objects: Objects::new(),
            at: HashMap::new(),
            waiting: HashMap::new(),
            waiting_bytes: 0,
            max_waiting_bytes: limits.object_bytes,
        };
        Self { reader: PackReader::new(limits, skip), resolver }
    }

    /// Takes the next piece of the pack.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), PackError> {
        self.reader.push(piece, |object| self.resolver.add(object))
    }

    /// Checks that the pack is complete and returns its objects.
    pub(crate) fn finish(self) -> Result<Objects, PackError> {
        self.reader.finish()?;
        Ok(self.resolver.objects)
    }

    /// Returns the objects that have arrived.
    pub(crate) fn into_objects(self) -> Objects {
        self.resolver.objects
    }
}

impl Resolver {
    fn add(&mut self, packed: PackedObject) -> Result<(), PackError> {
        let offset = packed.offset;
        let Some(bytes) = packed.bytes else {
            self.at.insert(offset, None);
            return Ok(());
        };
        let (base, id) = match packed.content {
            Content::Whole(kind) => {
                let ready = self.keep(offset, kind, bytes)?;
                return self.apply_all(ready);
            }
            Content::DeltaTo(at) => match self.at.get(&at) {
                Some(None) => {
                    self.at.insert(offset, None);
                    return Ok(());
                }
                known => (Base::At(at), known.copied().flatten()),
            },
            Content::DeltaToId(id) => (Base::Id(id), self.objects.contains_key(&id).then_some(id)),
        };
        let delta = Delta { offset, bytes };
        if let Some(id) = id {
            return self.apply_all(vec![(id, delta)]);
        }
        self.waiting_bytes = self.waiting_bytes.saturating_add(delta.bytes.len() as u64);
        if self.waiting_bytes > self.max_waiting_bytes {
            let limit = self.max_waiting_bytes;
            return Err(PackError::TooLarge { what: "the size of deltas without their base", limit });
        }
        self.waiting.entry(base).or_default().push(delta);
        Ok(())
    }

    /// Applies deltas to their bases, then those that waited for the results.
    fn apply_all(&mut self, mut ready: Vec<(ObjectId, Delta)>) -> Result<(), PackError> {
        while let Some((base, delta)) = ready.pop() {
            let Some(Object { kind, content }) = self.objects.get(&base).cloned() else {
                return Err(PackError::Invalid("a delta has lost its base"));
            };
            match delta::apply(&content.read_all()?, &delta.bytes, self.max_object_bytes) {
                Ok(bytes) => ready.extend(self.keep(delta.offset, kind, bytes)?),
                Err(PackError::TooLarge { .. }) => drop(self.at.insert(delta.offset, None)),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Keeps an object and returns the deltas that waited for it.
    fn keep(
        &mut self,
        offset: u64,
        kind: ObjectKind,
        bytes: Vec<u8>,
    ) -> Result<Vec<(ObjectId, Delta)>, PackError> {
        let id = ObjectId::of(kind, &bytes);
        if !self.objects.contains_key(&id) {
            self.objects.insert(id, Object { kind, content: self.spool.put(bytes)? });
        }
        self.at.insert(offset, Some(id));
        let mut ready = Vec::new();
        for base in [Base::At(offset), Base::Id(id)] {
            for delta in self.waiting.remove(&base).into_iter().flatten() {
                self.waiting_bytes -= delta.bytes.len() as u64;
                ready.push((id, delta));
            }
        }
        Ok(ready)
    }
}

#[cfg(test)]
mod tests;
