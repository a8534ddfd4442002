//! The registry: collections, their directories, and aliases.
//!
//! It is a single small file that is replaced atomically, so a change of several names takes effect at once, also
//! across a crash.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::LocalError;
use crate::files;

/// The content of the registry file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Directory names by collection name.
    pub collections: BTreeMap<String, String>,
    /// Collection names by alias.
    pub aliases: BTreeMap<String, String>,
}

/// A change of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasChange {
    /// Makes `alias` refer to `collection`, whether or not it exists.
    Create {
        /// The alias.
        alias: String,
        /// The collection.
        collection: String,
    },
    /// Renames an alias.
    Rename {
        /// The current name.
        old: String,
        /// The new name.
        new: String,
    },
    /// Deletes an alias.
    Delete {
        /// The alias.
        alias: String,
    },
}

impl Registry {
    /// Loads the registry of a storage directory; an empty one if there is none.
    pub fn load(root: &Path) -> Result<Self, LocalError> {
        let path = Self::path(root);
        if !path.exists() {
            return Ok(Self::default());
        }
        let bytes = std::fs::read(&path).map_err(LocalError::file("reading", &path))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| LocalError::Internal(format!("{}: {error}", path.display())))
    }

    /// Saves the registry to a storage directory.
    pub fn save(&self, root: &Path) -> Result<(), LocalError> {
        let bytes = serde_json::to_vec_pretty(self)
            .map_err(|error| LocalError::Internal(format!("registry: {error}")))?;
        files::replace(&Self::path(root), &bytes)
    }

    /// Resolves a name or an alias to the name of a collection.
    pub fn resolve<'a>(&'a self, name: &'a str) -> Result<&'a str, LocalError> {
        let target = self.aliases.get(name).map_or(name, String::as_str);
        if self.collections.contains_key(target) {
            Ok(target)
        } else {
            Err(LocalError::CollectionNotFound(name.to_owned()))
        }
    }

    /// Rejects a name for a new collection that is taken or not allowed.
    pub fn check_new_name(&self, name: &str) -> Result<(), LocalError> {
        check_name(name)?;
        if self.aliases.contains_key(name) {
            return Err(LocalError::BadInput(format!(
                "Can't create collection with name {name}. Alias with the same name already exists"
            )));
        }
        if self.collections.contains_key(name) {
            return Err(LocalError::CollectionExists(name.to_owned()));
        }
        Ok(())
    }

    /// Applies all changes, or none if one of them fails.
    pub fn change_aliases(&mut self, changes: Vec<AliasChange>) -> Result<(), LocalError> {
        let mut changed = self.clone();
        for change in changes {
            match change {
                AliasChange::Create { alias, collection } => {
                    if !changed.collections.contains_key(&collection) {
                        return Err(LocalError::CollectionNotFound(collection));
                    }
                    changed.check_alias(&alias)?;
                    changed.aliases.insert(alias, collection);
                }
                AliasChange::Rename { old, new } => {
                    changed.check_alias(&new)?;
                    let Some(collection) = changed.aliases.remove(&old) else {
                        let message = format!("Alias {old} does not exists!");
                        return Err(LocalError::NotFound(message));
                    };
                    changed.aliases.insert(new, collection);
                }
                AliasChange::Delete { alias } => {
                    changed.aliases.remove(&alias);
                }
            }
        }
        *self = changed;
        Ok(())
    }

    /// Removes a collection and its aliases. Returns its directory name, if it existed.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let dir = self.collections.remove(name)?;
        self.aliases.retain(|_, target| target != name);
        Some(dir)
    }

    fn check_alias(&self, alias: &str) -> Result<(), LocalError> {
        check_name(alias)?;
        if self.collections.contains_key(alias) {
            return Err(LocalError::CollectionExists(alias.to_owned()));
        }
        Ok(())
    }

    fn path(root: &Path) -> PathBuf {
        root.join("registry.json")
    }
}

fn check_name(name: &str) -> Result<(), LocalError> {
    const FORBIDDEN: &str = "<>:\"/\\|?*\0\u{1f}";
    let problem = if name.is_empty() || name.len() > 255 {
        Some(format!("has {} bytes, must have 1 to 255", name.len()))
    } else if name == "." || name == ".." {
        Some("names a folder above".to_owned())
    } else {
        let forbidden = name.chars().find(|character| FORBIDDEN.contains(*character));
        forbidden.map(|character| format!("cannot contain {character:?}"))
    };
    match problem {
        Some(problem) => Err(LocalError::BadInput(format!("Validation error: collection name {problem}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        for name in ["blue", "green"] {
            registry.collections.insert(name.to_owned(), name.to_uppercase());
        }
        registry.aliases.insert("live".to_owned(), "blue".to_owned());
        registry
    }

    fn create(alias: &str, collection: &str) -> AliasChange {
        AliasChange::Create { alias: alias.to_owned(), collection: collection.to_owned() }
    }

    #[test]
    fn a_failing_change_of_aliases_changes_nothing() {
        let mut registry = registry();
        let before = registry.clone();
        let changes = vec![create("live", "green"), create("next", "missing")];
        let error = registry.change_aliases(changes).unwrap_err();
        assert_eq!(error.to_string(), "Not found: Collection `missing` doesn't exist!");
        assert_eq!(registry, before);
    }

    #[test]
    fn an_alias_is_deleted_with_its_collection() {
        let mut registry = registry();
        registry.change_aliases(vec![create("live", "green")]).unwrap();
        assert_eq!(registry.resolve("live").unwrap(), "green");
        assert_eq!(registry.remove("green").as_deref(), Some("GREEN"));
        assert!(registry.resolve("live").is_err());
        assert_eq!(registry.resolve("blue").unwrap(), "blue");
    }

    #[test]
    fn names_and_aliases_are_unique() {
        let mut registry = registry();
        assert!(registry.check_new_name("live").is_err());
        assert!(registry.check_new_name("blue").is_err());
        assert!(registry.change_aliases(vec![create("green", "blue")]).is_err());
        for name in ["", "..", "a/b", "a\0"] {
            assert!(registry.check_new_name(name).is_err(), "{name:?}");
        }
        registry.check_new_name("6b0f3c1e_all-MiniLM-L6-v2_f32").unwrap();
    }
}
