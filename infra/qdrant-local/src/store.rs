//! The store: the storage directory and the collections in it.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use prost::Message;
use qdrant_client::qdrant::CreateCollection;
use uuid::Uuid;

use crate::collection::Collection;
use crate::error::LocalError;
use crate::files;
use crate::registry::{AliasChange, Registry};

const DEFINITION_FILE: &str = "definition.pb";

/// An open storage directory. No other process can open it at the same time.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Locked while collections are created, deleted or renamed.
    changes: Mutex<()>,
    state: RwLock<State>,
    _lock: File,
}

#[derive(Debug, Default)]
struct State {
    registry: Registry,
    open: BTreeMap<String, Arc<Collection>>,
}

impl Store {
    /// Opens the storage directory, creating it if necessary, and all of its collections.
    pub fn open(root: &Path) -> Result<Self, LocalError> {
        fs::create_dir_all(root.join("collections")).map_err(LocalError::file("creating", root))?;
        let lock = lock(root)?;
        let registry = Registry::load(root)?;
        remove_orphaned_directories(root, &registry)?;
        let mut open = BTreeMap::new();
        for (name, dir) in &registry.collections {
            let dir = collection_dir(root, dir);
            let collection = open_collection(dir).map_err(|error| {
                LocalError::Internal(format!("collection `{name}` cannot be opened: {error}"))
            })?;
            open.insert(name.clone(), collection);
        }
        let state = RwLock::new(State { registry, open });
        Ok(Self { root: root.to_owned(), changes: Mutex::new(()), state, _lock: lock })
    }

    /// Returns the collection with this name or alias.
    pub fn collection(&self, name: &str) -> Result<Arc<Collection>, LocalError> {
        let state = self.state.read();
        let target = state.registry.resolve(name)?;
        let collection = state.open.get(target);
        collection.cloned().ok_or_else(|| LocalError::CollectionNotFound(name.to_owned()))
    }

    /// Returns whether a collection or an alias has this name.
    pub fn exists(&self, name: &str) -> bool {
        self.state.read().registry.resolve(name).is_ok()
    }

    /// Returns the names of all collections.
    pub fn names(&self) -> Vec<String> {
        self.state.read().registry.collections.keys().cloned().collect()
    }

    /// Creates a collection.
    pub fn create(&self, definition: CreateCollection) -> Result<(), LocalError> {
        let _changes = self.changes.lock();
        let name = definition.collection_name.clone();
        self.state.read().registry.check_new_name(&name)?;
        let dir_name = Uuid::new_v4().to_string();
        let dir = collection_dir(&self.root, &dir_name);
        fs::create_dir_all(&dir).map_err(LocalError::file("creating", &dir))?;
        let result = self.create_in(&dir, &dir_name, definition);
        if result.is_err()
            && let Err(error) = fs::remove_dir_all(&dir)
        {
            tracing::warn!(path = %dir.display(), %error, "cannot delete the directory of a failed creation");
        }
        result
    }

    /// Deletes a collection and its aliases; returns whether it existed.
    pub fn delete(&self, name: &str) -> Result<bool, LocalError> {
        let _changes = self.changes.lock();
        let mut registry = self.state.read().registry.clone();
        if registry.remove(name).is_none() {
            return Ok(false);
        }
        registry.save(&self.root)?;
        let removed = {
            let mut state = self.state.write();
            state.registry = registry;
            state.open.remove(name)
        };
        if let Some(collection) = removed {
            collection.remove_files_when_unused();
        }
        Ok(true)
    }

    /// Applies all changes of aliases atomically.
    pub fn change_aliases(&self, changes: Vec<AliasChange>) -> Result<(), LocalError> {
        let _changes = self.changes.lock();
        let mut registry = self.state.read().registry.clone();
        registry.change_aliases(changes)?;
        registry.save(&self.root)?;
        self.state.write().registry = registry;
        Ok(())
    }

    /// Returns all aliases and their collections.
    pub fn aliases(&self) -> Vec<(String, String)> {
        let state = self.state.read();
        let aliases = state.registry.aliases.iter();
        aliases.map(|(alias, name)| (alias.clone(), name.clone())).collect()
    }

    /// Returns the directory of a collection's snapshots.
    pub fn snapshots_dir(&self, name: &str) -> PathBuf {
        self.root.join("snapshots").join(name)
    }

    /// Returns a unique path for an uploaded file.
    pub fn upload_path(&self) -> PathBuf {
        self.root.join(format!("upload-{}", Uuid::new_v4()))
    }

    /// Creates a collection from the files that `unpack` writes to its directory.
    pub fn adopt(
        &self,
        name: &str,
        unpack: impl FnOnce(&Path) -> Result<(), LocalError>,
    ) -> Result<(), LocalError> {
        let _changes = self.changes.lock();
        self.state.read().registry.check_new_name(name)?;
        let dir_name = Uuid::new_v4().to_string();
        let dir = collection_dir(&self.root, &dir_name);
        fs::create_dir_all(&dir).map_err(LocalError::file("creating", &dir))?;
        unpack(&dir)?;
        let mut definition = read_definition(&dir)?;
        definition.collection_name = name.to_owned();
        write_definition(&dir, &definition)?;
        let collection = Collection::open(dir, definition)?;
        self.register(name, &dir_name, collection)
    }

    /// Flushes all collections and stops their maintenance. A collection that is still being optimized after
    /// `timeout` is not flushed; its journal has the rest.
    pub fn shut_down(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let state = self.state.read();
        for collection in state.open.values() {
            collection.maintenance.stop();
        }
        for (name, collection) in &state.open {
            if !collection.maintenance.wait_stopped(deadline) {
                tracing::warn!(
                    collection.name = name,
                    "still optimizing; its journal will be applied at the next start"
                );
            }
        }
    }

    fn create_in(&self, dir: &Path, dir_name: &str, definition: CreateCollection) -> Result<(), LocalError> {
        let name = definition.collection_name.clone();
        write_definition(dir, &definition)?;
        let collection = Collection::create(dir.to_owned(), definition)?;
        self.register(&name, dir_name, collection)
    }

    fn register(&self, name: &str, dir_name: &str, collection: Arc<Collection>) -> Result<(), LocalError> {
        let mut registry = self.state.read().registry.clone();
        registry.collections.insert(name.to_owned(), dir_name.to_owned());
        if let Err(error) = registry.save(&self.root) {
            collection.remove_files_when_unused();
            return Err(error);
        }
        let mut state = self.state.write();
        state.registry = registry;
        state.open.insert(name.to_owned(), collection);
        Ok(())
    }
}

/// Returns the path of the request that created a collection.
pub fn definition_path(dir: &Path) -> PathBuf {
    dir.join(DEFINITION_FILE)
}

fn collection_dir(root: &Path, dir_name: &str) -> PathBuf {
    root.join("collections").join(dir_name)
}

fn lock(root: &Path) -> Result<File, LocalError> {
    let path = root.join(".lock");
    let file = File::create(&path).map_err(LocalError::file("creating", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LocalError::Internal(format!(
            "storage {} is in use by another process; stop it or choose another --storage",
            root.display()
        ))),
        Err(TryLockError::Error(error)) => Err(LocalError::file("locking", path)(error)),
    }
}

/// Deletes directories that no collection refers to: of deleted collections, and of creations that were never
/// acknowledged.
fn remove_orphaned_directories(root: &Path, registry: &Registry) -> Result<(), LocalError> {
    let dir = root.join("collections");
    for entry in fs::read_dir(&dir).map_err(LocalError::file("listing", &dir))? {
        let path = entry.map_err(LocalError::file("listing", &dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !registry.collections.values().any(|owned| owned == name) {
            tracing::info!(path = %path.display(), "deleted an orphaned directory");
            fs::remove_dir_all(&path).map_err(LocalError::file("deleting", path))?;
        }
    }
    Ok(())
}

fn open_collection(dir: PathBuf) -> Result<Arc<Collection>, LocalError> {
    let definition = read_definition(&dir)?;
    Collection::open(dir, definition)
}

fn read_definition(dir: &Path) -> Result<CreateCollection, LocalError> {
    let path = definition_path(dir);
    let bytes = fs::read(&path).map_err(LocalError::file("reading", &path))?;
    CreateCollection::decode(bytes.as_slice())
        .map_err(|error| LocalError::Internal(format!("{}: {error}", path.display())))
}

fn write_definition(dir: &Path, definition: &CreateCollection) -> Result<(), LocalError> {
    files::replace(&definition_path(dir), &definition.encode_to_vec())
}
