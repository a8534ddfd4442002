//! The models that this process can use.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::bucket::ModelBucket;
use crate::{ModelFolder, ModelsError};

/// The model folders of some directories and, optionally, of a bucket.
#[derive(Debug)]
pub struct ModelRegistry {
    /// The folders of the directories.
    local: Vec<Arc<ModelFolder>>,
    bucket: Option<ModelBucket>,
}

impl ModelRegistry {
    /// Reads the manifest of every folder in `models_dir`. Folders without a manifest are skipped.
    ///
    /// Only manifests are read: graphs and tokenizers are looked up when they are opened.
    ///
    /// # Errors
    /// Returns an error if the directory cannot be read, contains no model, or a manifest is invalid. One invalid
    /// manifest fails the whole registry: a silently missing model would be harder to find.
    pub fn open(models_dir: &Path) -> Result<Self, ModelsError> {
        Self::open_all(&[models_dir.to_owned()], None)
    }

    /// Reads several directories, and optionally a bucket: `s3://bucket/prefix`. The bucket is listed when a model
    /// is requested that no directory has. Without a bucket every directory must exist and one must contain a
    /// model.
    ///
    /// # Errors
    /// As for [`Self::open`]; also `InvalidUrl` if the bucket's URL has another form.
    pub fn open_all(models_dirs: &[PathBuf], models_url: Option<&str>) -> Result<Self, ModelsError> {
        let cache = std::env::temp_dir().join("semantik-models");
        let bucket = models_url.map(|url| ModelBucket::open(url, &cache)).transpose()?;
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source: io::Error| ModelsError::Unreadable { path, source }
        };
        let mut local = Vec::new();
        for models_dir in models_dirs {
            let entries = match fs::read_dir(models_dir) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && bucket.is_some() => continue,
                entries => entries.map_err(unreadable(models_dir))?,
            };
            for entry in entries {
                let path = entry.map_err(unreadable(models_dir))?.path();
                local.extend(ModelFolder::read(path)?.map(Arc::new));
            }
        }
        if local.is_empty() && bucket.is_none() {
            return Err(ModelsError::Empty { path: models_dirs.first().cloned().unwrap_or_default() });
        }
        sort(&mut local)?;
        Ok(Self { local, bucket })
    }

    /// Returns the model with exactly this name.
    ///
    /// # Errors
    /// Returns `Unknown` with the names of the existing models, or an error if the bucket cannot be read.
    pub fn require(&self, name: &str) -> Result<Arc<ModelFolder>, ModelsError> {
        let is_called = |folder: &&Arc<ModelFolder>| folder.manifest.name == name;
        if let Some(folder) = self.local.iter().find(is_called) {
            return Ok(Arc::clone(folder));
        }
        if let Some(folder) = self.bucket.as_ref().and_then(|bucket| bucket.known(name)) {
            return Ok(folder);
        }
        // It may have been added to the bucket since the last listing.
        let folders = self.folders()?;
        folders.iter().find(is_called).cloned().ok_or_else(|| ModelsError::Unknown {
            name: name.to_owned(),
            known: folders.iter().map(|folder| folder.manifest.name.clone()).collect(),
        })
    }

    /// Lists all models, sorted by name.
    ///
    /// # Errors
    /// Returns an error if the bucket cannot be read, or `Duplicate` if two models share a name.
    pub fn folders(&self) -> Result<Vec<Arc<ModelFolder>>, ModelsError> {
        let mut folders = self.local.clone();
        if let Some(bucket) = &self.bucket {
            folders.extend(bucket.folders()?);
            sort(&mut folders)?;
        }
        Ok(folders)
    }
}

/// Sorts by name and rejects duplicates: models are found by name, and short names separate their indexes.
fn sort(folders: &mut [Arc<ModelFolder>]) -> Result<(), ModelsError> {
    folders.sort_by(|a, b| a.manifest.name.cmp(&b.manifest.name));
    for (index, folder) in folders.iter().enumerate() {
        for earlier in &folders[..index] {
            let (ours, theirs) = (&folder.manifest, &earlier.manifest);
            let name = if ours.name == theirs.name {
                &ours.name
            } else if ours.short_name == theirs.short_name {
                &ours.short_name
            } else {
                continue;
            };
            return Err(ModelsError::Duplicate {
                name: name.clone(),
                first: earlier.display_path(),
                second: folder.display_path(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::Quantization;

    use super::*;
    use crate::manifest::MANIFEST;

    fn add_model(models_dir: &Path, folder: &str, name: &str, short_name: &str) -> PathBuf {
        let path = models_dir.join(folder);
        fs::create_dir(&path).unwrap();
        let manifest = serde_json::json!({
            "name": name, "short_name": short_name, "dimension": 4, "max_tokens": 64,
            "special_tokens": 2, "pooling": "cls", "normalize": true,
        });
        fs::write(path.join(MANIFEST), manifest.to_string()).unwrap();
        path
    }

    fn names(registry: &ModelRegistry) -> Vec<String> {
        registry.folders().unwrap().iter().map(|folder| folder.manifest.name.clone()).collect()
    }

    #[test]
    fn every_folder_with_a_manifest_is_a_model() {
        let models_dir = tempfile::tempdir().unwrap();
        add_model(models_dir.path(), "one", "org/b", "b");
        add_model(models_dir.path(), "two", "org/a", "a");
        fs::create_dir(models_dir.path().join("not-a-model")).unwrap();
        fs::write(models_dir.path().join("README.md"), "words").unwrap();

        let registry = ModelRegistry::open(models_dir.path()).unwrap();
        assert_eq!(names(&registry), ["org/a", "org/b"]);
        assert_eq!(registry.require("org/a").unwrap().path, models_dir.path().join("two"));
        assert!(matches!(registry.require("a").unwrap_err(), ModelsError::Unknown { .. }));
        let error = registry.require("org/c").unwrap_err();
        assert_eq!(error.to_string(), r#"unknown model; org/a, org/b allowed, got "org/c""#);
    }

    #[test]
    fn models_may_be_in_several_directories() {
        let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let both = [first.path().to_owned(), second.path().to_owned()];
        assert!(matches!(ModelRegistry::open_all(&both, None).unwrap_err(), ModelsError::Empty { .. }));
        add_model(first.path(), "one", "org/b", "b");
        assert_eq!(names(&ModelRegistry::open_all(&both, None).unwrap()), ["org/b"]);
        add_model(second.path(), "one", "org/a", "a");
        assert_eq!(names(&ModelRegistry::open_all(&both, None).unwrap()), ["org/a", "org/b"]);
        add_model(second.path(), "two", "org/b", "other");
        assert!(matches!(ModelRegistry::open_all(&both, None).unwrap_err(), ModelsError::Duplicate { .. }));
    }

    #[test]
    fn a_missing_graph_is_reported_when_it_is_opened() {
        let models_dir = tempfile::tempdir().unwrap();
        let path = add_model(models_dir.path(), "one", "org/a", "a");
        fs::write(path.join("tokenizer.json"), "{}").unwrap();

        let registry = ModelRegistry::open(models_dir.path()).unwrap();
        let model = registry.require("org/a").unwrap();
        assert_eq!(model.tokenizer_path().unwrap(), path.join("tokenizer.json"));
        let error = model.graph(Quantization::Float32).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "the model folder {} lacks model.onnx; run scripts/make-model or scripts/import-model, or put the file there",
                path.display()
            )
        );
    }

    #[test]
    fn a_file_with_the_wrong_checksum_is_reported() {
        let models_dir = tempfile::tempdir().unwrap();
        let path = add_model(models_dir.path(), "one", "org/a", "a");
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(path.join(MANIFEST)).unwrap()).unwrap();
        // The SHA-256 of "{}".
        let sha256 = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        manifest["tokenizer"] = serde_json::json!({ "name": "tokenizer.json", "sha256": sha256 });
        fs::write(path.join(MANIFEST), manifest.to_string()).unwrap();
        let registry = ModelRegistry::open(models_dir.path()).unwrap();
        let model = registry.require("org/a").unwrap();

        let absent = model.verify(Quantization::Int8).unwrap_err();
        assert!(matches!(absent, ModelsError::Unreadable { .. }), "{absent}");
        fs::write(path.join("tokenizer.json"), "{}").unwrap();
        model.verify(Quantization::Int8).unwrap();
        fs::write(path.join("tokenizer.json"), "{ }").unwrap();
        let damaged = model.verify(Quantization::Int8).unwrap_err().to_string();
        assert!(damaged.contains("tokenizer.json is damaged") && damaged.contains(sha256), "{damaged}");
    }

    #[test]
    fn missing_and_empty_directories_are_reported_with_a_remedy() {
        let models_dir = tempfile::tempdir().unwrap();
        let empty = ModelRegistry::open(models_dir.path()).unwrap_err().to_string();
        assert!(empty.contains(&models_dir.path().display().to_string()), "{empty}");
        assert!(empty.contains("run scripts/make-model"), "{empty}");
        let absent = models_dir.path().join("absent");
        let error = ModelRegistry::open(&absent).unwrap_err();
        assert!(matches!(error, ModelsError::Unreadable { path, .. } if path == absent));
    }

    #[test]
    fn one_invalid_manifest_fails_the_registry_and_names_its_file() {
        let models_dir = tempfile::tempdir().unwrap();
        add_model(models_dir.path(), "good", "org/a", "a");
        let bad = models_dir.path().join("bad");
        fs::create_dir(&bad).unwrap();
        fs::write(bad.join(MANIFEST), r#"{"name": "org/b"}"#).unwrap();
        let error = ModelRegistry::open(models_dir.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} is not a valid model manifest", bad.join(MANIFEST).display())
        );
    }

    #[test]
    fn two_models_never_share_a_name_or_a_short_name() {
        for (name, short_name) in [("org/a", "other"), ("org/other", "a")] {
            let models_dir = tempfile::tempdir().unwrap();
            add_model(models_dir.path(), "one", "org/a", "a");
            add_model(models_dir.path(), "two", name, short_name);
            let error = ModelRegistry::open(models_dir.path()).unwrap_err();
            assert!(matches!(error, ModelsError::Duplicate { .. }), "{error}");
        }
    }
}
