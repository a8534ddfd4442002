//! The storage folder: all collections, by name.

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

/// An open storage folder. No other process can open it meanwhile.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    /// Held while collections come, go or are renamed.
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
    /// Opens the folder, which is made if need be, and every collection in it.
    pub fn open(root: &Path) -> Result<Self, LocalError> {
        fs::create_dir_all(root.join("collections")).map_err(LocalError::file("creating", root))?;
        let lock = lock(root)?;
        let registry = Registry::load(root)?;
        remove_strangers(root, &registry)?;
        let mut open = BTreeMap::new();
        for (name, dir) in &registry.collections {
            let dir = collection_dir(root, dir);
            let collection = open_collection(dir).map_err(|error| {
                LocalError::Internal(format!("collection `{name}` does not open: {error}"))
            })?;
            open.insert(name.clone(), collection);
        }
        let state = RwLock::new(State { registry, open });
        Ok(Self { root: root.to_owned(), changes: Mutex::new(()), state, _lock: lock })
    }

    /// The collection that a name or an alias means.
    pub fn collection(&self, name: &str) -> Result<Arc<Collection>, LocalError> {
        let state = self.state.read();
        let target = state.registry.resolve(name)?;
        let collection = state.open.get(target);
        collection.cloned().ok_or_else(|| LocalError::CollectionNotFound(name.to_owned()))
    }

    /// Whether a collection or an alias has this name.
    pub fn exists(&self, name: &str) -> bool {
        self.state.read().registry.resolve(name).is_ok()
    }

    /// The names of all collections.
    pub fn names(&self) -> Vec<String> {
        self.state.read().registry.collections.keys().cloned().collect()
    }

    /// Makes a collection.
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
            tracing::warn!(path = %dir.display(), %error, "folder left behind");
        }
        result
    }

    /// Deletes a collection and its aliases; whether there was one.
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

    /// Applies all changes of aliases at once, or none.
    pub fn change_aliases(&self, changes: Vec<AliasChange>) -> Result<(), LocalError> {
        let _changes = self.changes.lock();
        let mut registry = self.state.read().registry.clone();
        registry.change_aliases(changes)?;
        registry.save(&self.root)?;
        self.state.write().registry = registry;
        Ok(())
    }

    /// All aliases with the collections that they mean.
    pub fn aliases(&self) -> Vec<(String, String)> {
        let state = self.state.read();
        let aliases = state.registry.aliases.iter();
        aliases.map(|(alias, name)| (alias.clone(), name.clone())).collect()
    }

    /// Where the snapshots of a collection lie.
    pub fn snapshots_dir(&self, name: &str) -> PathBuf {
        self.root.join("snapshots").join(name)
    }

    /// A path that nothing else uses, for a file on its way in.
    pub fn upload_path(&self) -> PathBuf {
        self.root.join(format!("upload-{}", Uuid::new_v4()))
    }

    /// Makes a collection of a folder that [`crate::snapshot`] unpacked, taking `unpack`'s word
    /// for what to put there.
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

    /// Has all collections flush their files and ends their upkeep. A collection whose index is
    /// being built may take longer than `stall_timeouts`: it is left as it is, its journal holds what
    /// was not flushed.
    pub fn shut_down(&self, stall_timeouts: Duration) {
        let deadline = Instant::now() + stall_timeouts;
        let state = self.state.read();
        for collection in state.open.values() {
            collection.upkeep.stop();
        }
        for (name, collection) in &state.open {
            if !collection.upkeep.wait_stopped(deadline) {
                tracing::warn!(collection.name = name, "still optimising, left to its journal");
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

/// Where a collection keeps the request that made it.
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

/// Removes folders that no collection owns: of deleted ones, and of ones whose creation was
/// never acknowledged.
fn remove_strangers(root: &Path, registry: &Registry) -> Result<(), LocalError> {
    let dir = root.join("collections");
    for entry in fs::read_dir(&dir).map_err(LocalError::file("listing", &dir))? {
        let path = entry.map_err(LocalError::file("listing", &dir))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if !registry.collections.values().any(|owned| owned == name) {
            tracing::info!(path = %path.display(), "removed what no collection owns");
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
