//! The trees of a commit, and the walk over their files.

use std::collections::HashMap;
use std::ops::ControlFlow;

use bytes::Bytes;

use super::object::ObjectId;

/// The trees of one commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trees {
    pub(crate) root: ObjectId,
    pub(crate) trees: HashMap<ObjectId, Bytes>,
}

/// Trees that cannot be walked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("the tree {0} is damaged")]
    Invalid(ObjectId),
    #[error("the tree {0} is missing")]
    Missing(ObjectId),
    #[error("folders are nested more than {MAX_DEPTH} deep")]
    TooDeep,
    #[error("there are more than {MAX_FILES} files")]
    TooManyFiles,
}

/// The most folders within folders.
const MAX_DEPTH: usize = 100;
/// The most files. Trees can name each other so that a few of them contain more files than could ever be listed.
const MAX_FILES: u64 = 500_000;

/// What a walk meets.
pub(crate) trait Visitor {
    /// A file with its path from the root.
    fn file(&mut self, path: &[u8], id: ObjectId) -> ControlFlow<()>;
    /// A symbolic link, which may lead anywhere.
    fn link(&mut self);
    /// A submodule: a commit of another repository.
    fn submodule(&mut self);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Folder,
    File,
    Link,
    Submodule,
}

struct TreeEntry<'a> {
    kind: Kind,
    name: &'a [u8],
    id: ObjectId,
}

impl Trees {
    /// Checks that the trees are whole, and not more than can be listed.
    pub(crate) fn check(&self) -> Result<(), TreeError> {
        self.count(self.root, 0, &mut HashMap::new()).map(|_| ())
    }

    /// How many bytes they take.
    pub(crate) fn size(&self) -> u64 {
        self.trees.values().map(|tree| tree.len() as u64).sum()
    }

    /// Counts each tree once, however often it is named. The depth also ends trees that contain themselves, which
    /// collisions of SHA-1 make possible.
    fn count(
        &self,
        id: ObjectId,
        depth: usize,
        counts: &mut HashMap<ObjectId, u64>,
    ) -> Result<u64, TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::TooDeep);
        }
        if let Some(count) = counts.get(&id) {
            return Ok(*count);
        }
        let mut count: u64 = 0;
        for entry in self.entries(id)? {
            let entry = entry?;
            count += if entry.kind == Kind::Folder { self.count(entry.id, depth + 1, counts)? } else { 1 };
            if count > MAX_FILES {
                return Err(TreeError::TooManyFiles);
            }
        }
        counts.insert(id, count);
        Ok(count)
    }

    /// Walks over the files after the path `after`, in the order of the bytes of their paths.
    pub(crate) fn walk(&self, after: Option<&[u8]>, visitor: &mut impl Visitor) -> Result<(), TreeError> {
        let mut walk = Walk { trees: self, after, path: Vec::new(), visitor };
        walk.folder(self.root, 0).map(|_| ())
    }

    fn entries(
        &self,
        id: ObjectId,
    ) -> Result<impl Iterator<Item = Result<TreeEntry<'_>, TreeError>>, TreeError> {
        let mut rest: &[u8] = self.trees.get(&id).ok_or(TreeError::Missing(id))?;
        Ok(std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let entry = parse_entry(&mut rest);
            if entry.is_none() {
                rest = &[];
            }
            Some(entry.ok_or(TreeError::Invalid(id)))
        }))
    }
}

struct Walk<'a, V> {
    trees: &'a Trees,
    after: Option<&'a [u8]>,
    path: Vec<u8>,
    visitor: &'a mut V,
}

impl<V: Visitor> Walk<'_, V> {
    fn folder(&mut self, id: ObjectId, depth: usize) -> Result<ControlFlow<()>, TreeError> {
        if depth > MAX_DEPTH {
            return Err(TreeError::TooDeep);
        }
        let trees = self.trees;
        for entry in trees.entries(id)? {
            let entry = entry?;
            let parent = self.path.len();
            self.path.extend_from_slice(entry.name);
            let flow = match entry.kind {
                Kind::Folder => {
                    self.path.push(b'/');
                    if self.is_passed() {
                        ControlFlow::Continue(())
                    } else {
                        self.folder(entry.id, depth + 1)?
                    }
                }
                _ if self.is_passed() => ControlFlow::Continue(()),
                Kind::File => self.visitor.file(&self.path, entry.id),
                Kind::Link => {
                    self.visitor.link();
                    ControlFlow::Continue(())
                }
                Kind::Submodule => {
                    self.visitor.submodule();
                    ControlFlow::Continue(())
                }
            };
            self.path.truncate(parent);
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Whether the path, or everything below it, is not after where the walk begins.
    fn is_passed(&self) -> bool {
        self.after.is_some_and(|after| {
            let leads_there = self.path.ends_with(b"/") && after.starts_with(&self.path);
            self.path.as_slice() <= after && !leads_there
        })
    }
}

/// Parses `mode name\0id` and moves on. `None` if it is none, or has a name that no folder contains.
fn parse_entry<'a>(rest: &mut &'a [u8]) -> Option<TreeEntry<'a>> {
    let space = rest.iter().position(|byte| *byte == b' ')?;
    let (mode, after_mode) = (&rest[..space], &rest[space + 1..]);
    let end = after_mode.iter().position(|byte| *byte == 0)?;
    let (name, after_name) = (&after_mode[..end], &after_mode[end + 1..]);
    let (id, after_id) = after_name.split_first_chunk::<{ ObjectId::LENGTH }>()?;
    let kind = match mode {
        b"40000" | b"040000" => Kind::Folder,
        b"120000" => Kind::Link,
        b"160000" => Kind::Submodule,
        mode if mode.starts_with(b"100") => Kind::File,
        _ => return None,
    };
    if name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') {
        return None;
    }
    *rest = after_id;
    Some(TreeEntry { kind, name, id: ObjectId::from_bytes(*id) })
}

#[cfg(test)]
mod tests;
